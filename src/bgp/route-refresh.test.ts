import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import type { Capability } from '../wire/bgp/capabilities.ts'
import { ROUTE_REFRESH_SUBTYPE } from '../wire/bgp/iana.ts'
import type { Message } from '../wire/bgp/message.ts'
import { rejectAll } from './policy.ts'
import { createSpeaker } from './speaker.ts'
import { MemoryNetwork } from './testing/memory-tcp.ts'
import { ScriptedNeighbor } from './testing/scripted-neighbor.ts'

const SPEAKER = ip('10.0.0.1')
const NEIGHBOR = ip('10.0.0.2')
const ONE = prefix('10.1.0.0/16')
const TWO = prefix('10.2.0.0/16')
const OURS = prefix('192.0.2.0/24')

const CAPABILITIES: readonly Capability[] = [
  { kind: 'multiprotocol', afi: 1, safi: 1 },
  { kind: 'fourOctetAs', asn: 65002 },
  { kind: 'routeRefresh' },
  { kind: 'enhancedRouteRefresh' },
]
const GRACEFUL: Capability = {
  kind: 'gracefulRestart',
  restarting: false,
  notification: false,
  restartTimeSeconds: 120,
  families: [{ afi: 1, safi: 1, forwardingPreserved: true }],
}

/** A speaker with one neighbor, which is a script that knows RFC 7313; the session is up. */
async function scene(
  options: {
    readonly more?: readonly Capability[]
    readonly rejects?: boolean
    /** Said in one breath with the OPEN. */
    readonly atOnce?: Message
  } = {},
) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(clock)
  const random = new SeededRandom(1)
  const speaker = createSpeaker({ clock, random, tcp: network.host(SPEAKER), log: silentLog })
  speaker.configure({
    localAs: 65001,
    routerId: SPEAKER,
    listen: [{ address: SPEAKER, port: 179 }],
    gracefulRestart: {},
    neighbors: [
      {
        address: NEIGHBOR,
        remoteAs: 65002,
        passive: true,
        ...(options.rejects === true ? { exportPolicy: rejectAll } : {}),
      },
    ],
  })
  speaker.announce(OURS)
  const neighbor = new ScriptedNeighbor(network, SPEAKER, NEIGHBOR)
  await clock.advance(10)
  neighbor.open(65002, [...CAPABILITIES, ...(options.more ?? [])])
  if (options.atOnce !== undefined) neighbor.say(options.atOnce)
  await clock.advance(1000)
  expect(speaker.neighbors()[0]!.state).toBe('Established')

  const say = async (message: Message): Promise<void> => {
    neighbor.say(message)
    await clock.advance(1000)
  }
  const refresh = (subtype: number): Promise<void> =>
    say({ kind: 'routeRefresh', afi: 1, safi: 1, subtype })
  const update = (change: Partial<Extract<Message, { kind: 'update' }>>): Promise<void> =>
    say({ kind: 'update', withdrawn: [], attributes: {}, announced: [], ...change })
  return {
    clock,
    neighbor,
    speaker,
    begin: () => refresh(ROUTE_REFRESH_SUBTYPE.beginning),
    end: () => refresh(ROUTE_REFRESH_SUBTYPE.end),
    ask: () => refresh(ROUTE_REFRESH_SUBTYPE.request),
    refresh,
    announce: (...prefixes: readonly (typeof ONE)[]) =>
      update({
        attributes: {
          origin: 0,
          asPath: [{ kind: 'sequence', asns: [65002] }],
          nextHop: NEIGHBOR,
        },
        announced: prefixes.map((one) => ({ prefix: one })),
      }),
    endOfRib: () => update({}),
    routes: () => Array.from(speaker.routes({ from: NEIGHBOR }), (path) => path.prefix).sort(),
    /** What the neighbor has been told since the last look, in brief. */
    told: () => neighbor.received.splice(0).flatMap(brief),
  }
}

function brief(message: Message): string[] {
  if (message.kind === 'routeRefresh') {
    return [{ 0: 'request', 1: 'BoRR', 2: 'EoRR' }[message.subtype] ?? `subtype ${message.subtype}`]
  }
  if (message.kind !== 'update') return message.kind === 'notification' ? ['NOTIFICATION'] : []
  const said: readonly string[] = message.announced.map(({ prefix: one }) => one)
  return said.length === 0 ? ['End-of-RIB'] : [...said]
}

describe('enhanced route refresh (RFC 7313), of a neighbor', () => {
  it('removes what was not said again between BoRR and EoRR, and nothing before', async () => {
    const { announce, begin, end, routes, speaker } = await scene()
    await announce(ONE, TWO)
    await begin()
    expect(routes()).toEqual([ONE, TWO])
    await announce(TWO)
    expect(routes()).toEqual([ONE, TWO])
    await end()
    expect(routes()).toEqual([TWO])
    expect(speaker.neighbors()[0]).toMatchObject({ state: 'Established', flaps: 0 })
  })

  it('counts what is announced for the first time in between as said', async () => {
    const { announce, begin, end, routes } = await scene()
    await announce(ONE)
    await begin()
    await announce(TWO)
    await end()
    expect(routes()).toEqual([TWO])
  })

  it('begins anew with a second BoRR', async () => {
    const { announce, begin, end, routes } = await scene()
    await announce(ONE, TWO)
    await begin()
    await announce(ONE)
    await begin()
    await announce(TWO)
    await end()
    expect(routes()).toEqual([TWO])
  })

  it('changes nothing by an EoRR without a BoRR', async () => {
    const { announce, end, routes } = await scene()
    await announce(ONE)
    await end()
    expect(routes()).toEqual([ONE])
  })

  it('waits six minutes for an EoRR that does not come', async () => {
    const { announce, begin, clock, neighbor, routes } = await scene()
    await announce(ONE, TWO)
    await begin()
    await announce(TWO)
    const wait = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second += 10) {
        neighbor.say({ kind: 'keepalive' })
        await clock.advance(10_000)
      }
    }
    await wait(340)
    expect(routes()).toEqual([ONE, TWO])
    await wait(30)
    expect(routes()).toEqual([TWO])
  })

  it('ignores a BoRR before the End-of-RIB of a neighbor with graceful restart (section 4)', async () => {
    const { announce, begin, end, endOfRib, routes } = await scene({ more: [GRACEFUL] })
    await announce(ONE)
    await begin()
    await end()
    expect(routes()).toEqual([ONE])
    await endOfRib()
    await begin()
    await end()
    expect(routes()).toEqual([])
  })

  it('ignores subtypes that nobody has defined (section 5)', async () => {
    const { announce, refresh, routes, speaker, told } = await scene()
    await announce(ONE)
    told()
    await refresh(7)
    expect(told()).toEqual([])
    expect(routes()).toEqual([ONE])
    expect(speaker.neighbors()[0]!.state).toBe('Established')
  })

  it('answers a BoRR of the wrong length with NOTIFICATION 7/1 (section 5)', async () => {
    const { clock, neighbor } = await scene()
    const header = [...new Array<number>(16).fill(0xff), 0, 24, 5]
    neighbor.send(Uint8Array.from([...header, 0, 1, ROUTE_REFRESH_SUBTYPE.beginning, 1, 0]))
    await clock.advance(1000)
    expect(neighbor.notification).toBe('7/1')
  })
})

describe('enhanced route refresh (RFC 7313), to a neighbor', () => {
  it('puts all routes between BoRR and EoRR', async () => {
    const { ask, told } = await scene()
    expect(told()).toEqual([OURS, 'End-of-RIB'])
    await ask()
    expect(told()).toEqual(['BoRR', OURS, 'EoRR'])
  })

  it('says BoRR and EoRR also where nothing is announced', async () => {
    const { ask, told } = await scene({ rejects: true })
    expect(told()).toEqual(['End-of-RIB'])
    await ask()
    expect(told()).toEqual(['BoRR', 'EoRR'])
  })

  it('says no BoRR before End-of-RIB (section 4)', async () => {
    const atOnce = { kind: 'routeRefresh', afi: 1, safi: 1, subtype: 0 } as const
    const { ask, told } = await scene({ atOnce })
    expect(told()).toEqual([OURS, 'End-of-RIB'])
    await ask()
    expect(told()).toEqual(['BoRR', OURS, 'EoRR'])
  })

  it('says one EoRR when it is asked again before the first answer is over', async () => {
    const { ask, neighbor, told } = await scene()
    told()
    neighbor.say({ kind: 'routeRefresh', afi: 1, safi: 1, subtype: 0 })
    await ask()
    expect(told().filter((one) => one === 'EoRR')).toEqual(['EoRR'])
  })
})
