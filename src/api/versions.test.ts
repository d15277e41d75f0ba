import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import type { ProtocolVersions } from '../lib/protocol-versions.ts'
import { RpcClient, serveRpc, streamPair } from '../lib/rpc.ts'
import { connect } from './connect.ts'
import type { BgpdApi } from './methods.ts'
import { PROTOCOL } from './protocol.ts'

/** A bgpd that speaks `protocol` (none: one from before versions), and what it was asked. */
function bgpd(protocol?: ProtocolVersions) {
  const [near, far] = streamPair()
  const asked: string[] = []
  const reload = async (): Promise<string> => {
    asked.push('reload')
    return 'reloaded'
  }
  serveRpc(far, { 'bgpd.reload': reload }, protocol)
  return { near, asked }
}

const clock = new VirtualClock()
const connected = (near: ReturnType<typeof bgpd>['near'], protocol?: ProtocolVersions) =>
  connect<BgpdApi>(near, clock, 'the bgpd', protocol)

describe('two programs of different versions', () => {
  it.each([
    ['the same', PROTOCOL, PROTOCOL],
    ['an older one that is asked', { from: 2, to: 3 }, { from: 1, to: 2 }],
    ['an older one that asks', { from: 1, to: 2 }, { from: 2, to: 3 }],
    ['one from before versions that is asked', PROTOCOL, undefined],
  ])('work together: %s', async (_, asks, serves) => {
    const { near } = bgpd(serves)
    const connection = connected(near, asks)
    const answers = [connection.call('bgpd.reload', {}), connection.call('bgpd.reload', {})]
    expect(await Promise.all(answers)).toEqual(['reloaded', 'reloaded'])
  })

  it('work together: one from before versions that asks', async () => {
    const { near } = bgpd(PROTOCOL)
    expect(await new RpcClient(near, clock, 'the bgpd').call('bgpd.reload', {})).toBe('reloaded')
  })

  it.each([
    [
      { from: 1, to: 2 },
      { from: 3, to: 4 },
      "This program speaks versions 1 to 2 of Tortie's protocol and the bgpd 3 to 4: " +
        'this program is the older one; update it, and start it anew',
    ],
    [
      { from: 3, to: 4 },
      { from: 1, to: 2 },
      "This program speaks versions 3 to 4 of Tortie's protocol and the bgpd 1 to 2: " +
        'the bgpd is the older one; update it, and start it anew',
    ],
  ])('further apart say which is older, and do nothing: %j %j', async (asks, serves, message) => {
    const { near, asked } = bgpd(serves)
    const connection = connected(near, asks)
    for (const call of [connection.call('bgpd.reload', {}), connection.call('bgpd.reload', {})]) {
      await expect(call).rejects.toMatchObject({ code: 'EPROTO', message })
    }
    expect(asked).toEqual([])
  })

  it('further apart say so to one from before versions that is asked', async () => {
    const { near } = bgpd()
    await expect(connected(near, { from: 2, to: 3 }).call('bgpd.reload', {})).rejects.toMatchObject(
      { code: 'EPROTO' },
    )
  })

  it('say nothing of it after the first exchange', async () => {
    const [near, far] = streamPair()
    const lines: string[] = []
    serveRpc(far, { 'bgpd.reload': async () => 'reloaded' }, PROTOCOL)
    const { onText } = far.handlers
    far.handlers.onText = (text) => {
      lines.push(text)
      onText(text)
    }
    const connection = connected(near)
    await connection.call('bgpd.reload', {})
    await connection.call('bgpd.reload', {})
    expect(lines.map((line) => line.includes('"protocol":{"from":1,"to":2}'))).toEqual([
      true,
      false,
    ])
  })
})
