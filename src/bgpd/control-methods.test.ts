import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { RpcError } from '../lib/rpc.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import type { RoutesPage } from '../api/bgp-documents.ts'
import { checkedMethods } from '../api/checked-methods.ts'
import type { BgpApi } from '../api/methods.ts'
import { BGP_PARAMS } from '../api/params-schemas.ts'
import { bgpControlMethods, PATHS_PER_ANSWER_MAX } from './control-methods.ts'
import { createSpeaker } from '../bgp/speaker.ts'
import { MemoryNetwork } from '../bgp/testing/memory-tcp.ts'

function speakerWith(routes: number) {
  const clock = new VirtualClock()
  const speaker = createSpeaker({
    clock,
    random: new SeededRandom(1),
    tcp: new MemoryNetwork(clock).host(ip('10.0.0.1')),
    log: silentLog,
  })
  speaker.configure({
    localAs: 65000,
    routerId: ip('10.0.0.1'),
    listen: [],
    neighbors: [{ address: ip('10.0.0.2'), remoteAs: 65001, passive: true }],
  })
  for (let n = 0; n < routes; n++) speaker.announce(prefix(`10.${n >> 8}.${n & 255}.0/24`))
  speaker.announce(prefix('2001:db8::/32'), {
    unknown: [{ code: 99, flags: 0xc0, octets: Uint8Array.of(1, 255) }],
  })
  return { clock, speaker, methods: checkedMethods<BgpApi>(BGP_PARAMS, bgpControlMethods(speaker)) }
}

type Methods = ReturnType<typeof speakerWith>['methods']

async function call(methods: Methods, name: keyof Methods, params: unknown) {
  return JSON.parse(JSON.stringify(await methods[name](params))) as unknown
}

async function refusal(action: () => Promise<unknown>): Promise<string> {
  try {
    await action()
  } catch (error) {
    if (error instanceof RpcError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'answered'
}

describe('control methods of a speaker', () => {
  it('list routes page by page until there are no more', async () => {
    const { clock, methods } = speakerWith(2500)
    await clock.advance(100)
    const seen: string[] = []
    let params: object = {}
    for (let pages = 1; ; pages++) {
      const page = (await call(methods, 'bgp.routes', params)) as RoutesPage
      const paths = page.paths
      expect(paths.length).toBeLessThanOrEqual(PATHS_PER_ANSWER_MAX)
      seen.push(...paths.map((path) => path.prefix))
      if (page.next === undefined) {
        expect(pages).toBe(3)
        break
      }
      params = { next: page.next }
    }
    expect(new Set(seen).size).toBe(2501)
  })

  it('list what is asked for', async () => {
    const { clock, methods } = speakerWith(600)
    await clock.advance(100)
    const prefixes = async (params: object): Promise<string[]> => {
      const page = (await call(methods, 'bgp.routes', params)) as RoutesPage
      return page.paths.map((path) => path.prefix)
    }
    expect(await prefixes({ within: '10.1.0.0/23' })).toEqual(['10.1.0.0/24', '10.1.1.0/24'])
    expect(await prefixes({ family: 6 })).toEqual(['2001:db8::/32'])
    expect(await prefixes({ from: '10.0.0.2' })).toEqual([])
  })

  it('show octets of unknown attributes as hexadecimal', async () => {
    const { clock, methods } = speakerWith(0)
    await clock.advance(100)
    const paths = await call(methods, 'bgp.route', { prefix: '2001:db8::/32' })
    expect(paths).toMatchObject([{ attributes: { unknown: [{ code: 99, octets: '01ff' }] } }])
  })

  it('name what was wrong with a question', async () => {
    const { methods } = speakerWith(0)
    const ask = (name: keyof Methods, params: unknown) => refusal(() => methods[name](params))
    const answers = await Promise.all(
      (
        [
          ['bgp.route', {}],
          ['bgp.route', { prefix: '10.0.0.1/8' }],
          ['bgp.routes', { family: 5 }],
          ['bgp.routes', { from: 'x' }],
          ['bgp.routes', { next: 7 }],
          ['bgp.reset', { neighbor: '10.0.0.9' }],
          ['bgp.refresh', { neighbor: '10.0.0.2', direction: 'up' }],
        ] as const
      ).map(([name, params]) => ask(name, params).catch((error: unknown) => String(error))),
    )
    expect(answers).toEqual([
      'EINVAL: bgp.route: prefix is missing: expected a prefix such as 10.0.0.0/8',
      'EINVAL: bgp.route: prefix is "10.0.0.1/8": expected a prefix such as 10.0.0.0/8',
      'EINVAL: bgp.routes: family is 5: expected one of 4, 6',
      'EINVAL: bgp.routes: from is "x": expected an IP address such as 10.0.0.1 or 2001:db8::1',
      'ESTALE: This listing is not known any more; begin it again',
      'ENOENT: There is no neighbor 10.0.0.9',
      'EINVAL: bgp.refresh: direction is "up": expected one of in, out',
    ])
  })

  it('forget the oldest of many listings that nobody goes on with', async () => {
    const { clock, methods } = speakerWith(1500)
    await clock.advance(100)
    const nexts: number[] = []
    for (let n = 0; n < 40; n++) {
      nexts.push(((await call(methods, 'bgp.routes', {})) as RoutesPage).next!)
    }
    expect(await refusal(() => methods['bgp.routes']({ next: nexts[0] }))).toMatch(/^ESTALE/)
    expect(await refusal(() => methods['bgp.routes']({ next: nexts.at(-1) }))).toBe('answered')
  })
})
