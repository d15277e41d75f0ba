import { describe, expect, it } from 'vitest'
import { settled, VirtualClock } from './clock.ts'
import {
  REQUEST_OCTETS_MAX,
  RpcClient,
  RpcError,
  type RpcMethods,
  serveRpc,
  streamPair,
} from './rpc.ts'

function pair(methods: RpcMethods) {
  const [near, far] = streamPair()
  const clock = new VirtualClock()
  serveRpc(far, methods)
  return { client: new RpcClient(near, clock, 'agent of server01'), clock, near, far }
}

describe('RPC over a stream of lines', () => {
  it('answers each call with the result of its method, in any order', async () => {
    const release: (() => void)[] = []
    const { client } = pair({
      slow: async () => {
        await new Promise<void>((resolve) => release.push(resolve))
        return 'slow'
      },
      quick: async (params) => ({ got: params }),
    })
    const slow = client.call('slow', {})
    expect(await client.call('quick', { a: [1, 'two\n'] })).toEqual({ got: { a: [1, 'two\n'] } })
    release[0]!()
    expect(await slow).toBe('slow')
  })

  it('carries the code and message of what a method throws', async () => {
    const { client } = pair({
      fails: async () => {
        throw new RpcError('ENOENT', 'No pod "x"')
      },
    })
    await expect(client.call('fails', {})).rejects.toMatchObject({
      code: 'ENOENT',
      message: 'No pod "x"',
    })
  })

  it('names the known methods when one is unknown, inherited names included', async () => {
    const { client } = pair({ status: async () => 1 })
    await expect(client.call('toString', {})).rejects.toThrow(
      'Unknown method "toString"; known are status',
    )
  })

  it('gives up after the time-out and ignores the late answer', async () => {
    const { client, clock } = pair({ never: () => new Promise(() => {}) })
    const call = expect(client.call('never', {}, 3_000)).rejects.toThrow(
      'No answer to never from agent of server01 in 3 s',
    )
    await clock.advance(3_000)
    await call
  })

  it('rejects what is under way when the connection closes, and all later calls', async () => {
    const { client, far } = pair({ never: () => new Promise(() => {}) })
    const call = expect(client.call('never', {})).rejects.toMatchObject({ code: 'ENOTCONN' })
    far.close()
    await call
    await expect(client.call('never', {})).rejects.toMatchObject({ code: 'ENOTCONN' })
  })

  it('refuses lines that are no request and closes on an endless one', async () => {
    const [near, far] = streamPair()
    const lines: string[] = []
    let closed = false
    near.handlers = { onText: (text) => lines.push(text), onClose: () => (closed = true) }
    serveRpc(far, {})
    near.send('not json\n{"id":"x","method":1}\n')
    await settled()
    expect(lines).toHaveLength(2)
    expect(lines[0]).toContain('EBADMSG')
    near.send('x'.repeat(REQUEST_OCTETS_MAX + 1))
    await settled()
    expect(lines.at(-1)).toContain('EMSGSIZE')
    expect(closed).toBe(true)
  })

  it('puts a request together from pieces', async () => {
    const [near, far] = streamPair()
    const lines: string[] = []
    near.handlers = { onText: (text) => lines.push(text), onClose() {} }
    serveRpc(far, { echo: async (params) => params })
    for (const letter of '{"id":7,"method":"echo","params":"ä"}\n') near.send(letter)
    await settled()
    expect(lines).toEqual(['{"id":7,"result":"ä"}\n'])
  })
})
