import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { type Prefix, prefix } from '../net/prefix.ts'
import type { Capability } from '../wire/bgp/capabilities.ts'
import { createSpeaker } from './speaker.ts'
import { MemoryNetwork } from './testing/memory-tcp.ts'
import { ScriptedNeighbor } from './testing/scripted-neighbor.ts'

const SPEAKER = ip('10.0.0.1')
const NEIGHBOR = ip('10.0.0.2')
const ONE = prefix('10.211.1.0/24')
const TWO = prefix('10.211.2.0/24')

/** A speaker that retains routes, and a neighbor that connects as often as a test has it. */
function scene() {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(clock)
  const random = new SeededRandom(1)
  const speaker = createSpeaker({ clock, random, tcp: network.host(SPEAKER), log: silentLog })
  speaker.configure({
    localAs: 64512,
    routerId: SPEAKER,
    listen: [{ address: SPEAKER, port: 179 }],
    gracefulRestart: { restartTimeSeconds: 60 },
    neighbors: [{ address: NEIGHBOR, remoteAs: 64512, passive: true }],
  })
  /** A session is up; `forwardingPreserved` is the F bit of RFC 4724 section 3. */
  const connect = async (forwardingPreserved = true) => {
    await clock.advance(100)
    const neighbor = new ScriptedNeighbor(network, SPEAKER, NEIGHBOR)
    await clock.advance(100)
    neighbor.open(64512, capabilities(forwardingPreserved))
    await clock.advance(100)
    expect(speaker.neighbors()[0]!.state).toBe('Established')
    const announce = async (...prefixes: readonly Prefix[]): Promise<void> => {
      neighbor.say({
        kind: 'update',
        withdrawn: [],
        attributes: { origin: 0, asPath: [], nextHop: NEIGHBOR, localPref: 100 },
        announced: prefixes.map((one) => ({ prefix: one })),
      })
      await clock.advance(100)
    }
    const endOfRib = async (): Promise<void> => {
      neighbor.say({ kind: 'update', withdrawn: [], attributes: {}, announced: [] })
      await clock.advance(100)
    }
    const lose = async (): Promise<void> => {
      neighbor.connection.destroy()
      await clock.advance(100)
    }
    return { announce, endOfRib, lose }
  }
  const kept = (): string[] =>
    Array.from(speaker.routes(), (path) => path.prefix + (path.stale ? ' stale' : '')).sort()
  return { clock, connect, kept }
}

function capabilities(forwardingPreserved: boolean): readonly Capability[] {
  return [
    { kind: 'multiprotocol', afi: 1, safi: 1 },
    { kind: 'fourOctetAs', asn: 64512 },
    {
      kind: 'gracefulRestart',
      restarting: true,
      notification: false,
      restartTimeSeconds: 120,
      families: [{ afi: 1, safi: 1, forwardingPreserved }],
    },
  ]
}

describe('routes of a neighbor whose session is lost (RFC 4724 section 4.2)', () => {
  it('are retained, replaced by what it announces again, and forgotten with its End-of-RIB', async () => {
    const { connect, kept } = scene()
    const first = await connect()
    await first.announce(ONE, TWO)
    await first.lose()
    expect(kept()).toEqual([`${ONE} stale`, `${TWO} stale`])
    const second = await connect()
    await second.announce(TWO)
    expect(kept()).toEqual([`${ONE} stale`, TWO])
    await second.endOfRib()
    expect(kept()).toEqual([TWO])
  })

  it('are forgotten at the second loss where they were stale already', async () => {
    const { connect, kept } = scene()
    const first = await connect()
    await first.announce(ONE, TWO)
    await first.lose()
    const second = await connect()
    await second.announce(TWO)
    await second.lose()
    expect(kept()).toEqual([`${TWO} stale`])
  })

  it('are forgotten when it is back and did not keep them in its forwarding table', async () => {
    for (const forwardingPreserved of [true, false]) {
      const { connect, kept } = scene()
      const first = await connect()
      await first.announce(ONE)
      await first.lose()
      await connect(forwardingPreserved)
      expect(kept()).toEqual(forwardingPreserved ? [`${ONE} stale`] : [])
    }
  })

  it('are retained for the restart time of the neighbor, and no longer', async () => {
    const { clock, connect, kept } = scene()
    const first = await connect()
    await first.announce(ONE)
    await first.lose()
    await clock.advance(119_800)
    expect(kept()).toEqual([`${ONE} stale`])
    await clock.advance(200)
    expect(kept()).toEqual([])
  })

  it('go six minutes after it is back if it never says End-of-RIB', async () => {
    const { clock, connect, kept } = scene()
    const first = await connect()
    await first.announce(ONE)
    await first.lose()
    const second = await connect()
    // Longer than its hold time of 90 seconds: what it says keeps the session up.
    for (let round = 0; round < 11; round++) {
      await clock.advance(30_000)
      await second.announce(TWO)
    }
    expect(kept()).toEqual([`${ONE} stale`, TWO])
    await clock.advance(30_000)
    expect(kept()).toEqual([TWO])
  })
})
