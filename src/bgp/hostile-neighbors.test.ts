import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { type Log, silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import type { Capability } from '../wire/bgp/capabilities.ts'
import { GOLDENS, MANDATORY, updateOf } from '../wire/bgp/testing/goldens.ts'
import { randomMutation } from '../wire/bgp/testing/random-messages.ts'
import { encodeAttributeBlock } from '../wire/bgp/update.ts'
import { UpdateWriter } from '../wire/bgp/update-writer.ts'
import type { NeighborOptions } from './config.ts'
import { createSpeaker } from './speaker.ts'
import { MemoryNetwork } from './testing/memory-tcp.ts'
import { ScriptedNeighbor } from './testing/scripted-neighbor.ts'

/*
 * A speaker between a good neighbor, which is a speaker as well, and a bad one, which is a script. Whatever
 * the bad one does, the session with the good one stays as it was and carries routes.
 */
const SPEAKER = ip('10.0.0.1')
const GOOD = ip('10.0.0.2')
const BAD = ip('10.0.0.9')

function scene(options: NeighborOptions = {}) {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(clock)
  const random = new SeededRandom(11)
  const logged: string[] = []
  const note = (message: string): void => void logged.push(message)
  const log: Log = { ...silentLog, info: note, warn: note, error: note, child: () => log }
  const speakerAt = (address: typeof SPEAKER) =>
    createSpeaker({ clock, random: random.fork(), tcp: network.host(address), log })
  const speaker = speakerAt(SPEAKER)
  const good = speakerAt(GOOD)
  const common = { listen: [{ port: 179 }], gracefulRestart: { helperOnly: true } }
  speaker.configure({
    ...common,
    listen: [{ address: SPEAKER, port: 179 }],
    localAs: 65000,
    routerId: SPEAKER,
    neighbors: [
      { address: GOOD, remoteAs: 65001 },
      { address: BAD, remoteAs: 65009, passive: true, ...options },
    ],
  })
  good.configure({
    ...common,
    listen: [{ address: GOOD, port: 179 }],
    localAs: 65001,
    routerId: GOOD,
    neighbors: [{ address: SPEAKER, remoteAs: 65000 }],
  })
  return { clock, network, random, speaker, good, logged, bad: () => new BadNeighbor(network) }
}

class BadNeighbor extends ScriptedNeighbor {
  constructor(network: MemoryNetwork, address = BAD) {
    super(network, SPEAKER, address)
  }

  override open(
    asn = 65009,
    capabilities: readonly Capability[] = [
      { kind: 'multiprotocol', afi: 1, safi: 1 },
      { kind: 'fourOctetAs', asn: 65009 },
    ],
  ): void {
    super.open(asn, capabilities)
  }
}

type Scene = ReturnType<typeof scene>

const badState = ({ speaker }: Scene): string =>
  speaker.neighbors().find(({ address }) => address === BAD)!.state

const goodNeighbor = ({ speaker }: Scene) =>
  speaker.neighbors().find(({ address }) => address === GOOD)!

/** Runs `misdeed` between two looks at the good neighbor, which must have noticed nothing. */
async function withGoodUnharmed(it: Scene, misdeed: () => Promise<void>): Promise<void> {
  await it.clock.advance(5_000)
  const before = goodNeighbor(it)
  expect(before.state).toBe('Established')
  await misdeed()
  await it.clock.advance(1_000)
  expect(goodNeighbor(it)).toMatchObject({
    state: 'Established',
    since: before.since,
    flaps: before.flaps,
  })
  it.good.announce(prefix('192.0.2.0/24'))
  it.speaker.announce(prefix('198.51.100.0/24'))
  await it.clock.advance(60_000)
  expect(it.speaker.paths(prefix('192.0.2.0/24'))).toHaveLength(1)
  expect(it.good.paths(prefix('198.51.100.0/24'))).toHaveLength(1)
  expect(goodNeighbor(it)).toMatchObject({ state: 'Established', since: before.since })
}

describe('a neighbor that sends garbage', () => {
  it('gets the NOTIFICATION of what it sent, time after time', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      for (let turn = 0; turn < 50; turn++) {
        const bad = world.bad()
        await world.clock.advance(10)
        bad.send(world.random.bytes(200))
        await world.clock.advance(40_000)
        expect(bad.closed).toBe(true)
        if (bad.received.length > 0) expect(bad.notification).toBe('1/1')
      }
    })
    expect(world.logged.length).toBeLessThan(400)
  })

  it('whatever mutation of whatever message it sends', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      for (let turn = 0; turn < 300; turn++) {
        const bad = world.bad()
        await world.clock.advance(10)
        if (turn % 2 === 0) bad.open()
        await world.clock.advance(10)
        for (let n = 0; n < 5; n++) bad.send(randomMutation(world.random))
        await world.clock.advance(50)
        bad.connection.destroy()
        await world.clock.advance(31_000)
      }
    })
  })

  it('also every truncation of every golden message', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      for (const { octets } of GOLDENS) {
        for (let end = 1; end < octets.length; end += 7) {
          const bad = world.bad()
          await world.clock.advance(5)
          bad.send(octets.subarray(0, end))
          await world.clock.advance(5)
          bad.connection.destroy()
          await world.clock.advance(5)
        }
      }
    })
  })
})

describe('a neighbor that sends malformed UPDATEs', () => {
  it('keeps its session where RFC 7606 says so, without its routes, and without filling the log', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(10)
      bad.open()
      bad.send(updateOf(MANDATORY.replace('0000fde9', '0000fdf1')))
      await world.clock.advance(1_000)
      expect(world.speaker.paths(prefix('10.1.0.0/24'))).toHaveLength(1)
      for (let n = 0; n < 5_000; n++) bad.send(updateOf(`${MANDATORY} c0 08 00`))
      await world.clock.advance(5_000)
      expect(badState(world)).toBe('Established')
      expect(world.speaker.paths(prefix('10.1.0.0/24'))).toEqual([])
      expect(bad.notification).toBeUndefined()
      expect(bad.closed).toBe(false)
      expect(world.logged.length).toBeLessThan(100)
      bad.connection.destroy()
    })
  })

  it('loses it with the right NOTIFICATION where a reset is the rule', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(10)
      bad.open()
      bad.send(updateOf(`${MANDATORY} 80 0e 04 00020100`))
      await world.clock.advance(1_000)
      expect(bad.notification).toBe('3/9')
      expect(bad.closed).toBe(true)
    })
  })
})

/** UPDATEs that announce `count` routes, five to a message. */
function floodOf(count: number): Uint8Array {
  const writer = new UpdateWriter({})
  for (let n = 0; n < count; n += 5) {
    const block = encodeAttributeBlock({
      origin: 0,
      asPath: [{ kind: 'sequence', asns: [65009, 100_000 + (n % 50_000)] }],
      nextHop: BAD,
    })
    writer.beginAnnounce(4, block, 0, block.length)
    for (let m = n; m < n + 5; m++) writer.add4(0x14000000 + m * 256, 24, 0)
    writer.end()
  }
  return writer.take()
}

describe('a neighbor that floods', () => {
  it('holds up nobody, and what it sent is gone with it', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(10)
      bad.open()
      const flood = floodOf(20_000)
      for (let turn = 0; turn < 10; turn++) bad.send(flood)
      await world.clock.advance(30_000)
      const status = world.speaker.neighbors().find(({ address }) => address === BAD)!
      expect(status.families[0]!.received).toBe(20_000)
      bad.connection.destroy()
      await world.clock.advance(10_000)
      expect([...world.speaker.routes({ from: BAD })]).toEqual([])
    })
  })

  it('ends at its prefix limit', async () => {
    const world = scene({ prefixLimit: { maximum: 1_000 } })
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(10)
      bad.open()
      bad.send(floodOf(20_000))
      await world.clock.advance(5_000)
      expect(bad.notification).toBe('6/1')
      await world.clock.advance(10_000)
      expect([...world.speaker.routes({ from: BAD })]).toEqual([])
    })
  })

  it('with connections: those of strangers are closed, those of one neighbor never become many', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      const all: BadNeighbor[] = []
      for (let n = 0; n < 500; n++) {
        all.push(new BadNeighbor(world.network, ip(`10.9.${n >> 8}.${n & 255}`)))
        all.push(world.bad())
      }
      await world.clock.advance(2_000)
      expect(world.network.connectionsBetween(SPEAKER, BAD)).toBeLessThanOrEqual(2)
      expect(all.filter(({ closed }) => !closed).length).toBeLessThanOrEqual(2)
      for (const bad of all) bad.connection.destroy()
    })
  })
})

describe('a neighbor that does not read', () => {
  it('gets no more than a bounded queue, and the others get everything', async () => {
    const world = scene()
    let most = 0
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(10)
      bad.open()
      await world.clock.advance(1_000)
      expect(badState(world)).toBe('Established')
      bad.connection.pause()
      for (let n = 0; n < 60_000; n++) {
        // Attributes of its own for each route, so that nothing can be packed together.
        world.speaker.announce(prefix(`20.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32`), { med: n })
      }
      for (let turn = 0; turn < 20; turn++) {
        bad.say({ kind: 'keepalive' })
        await world.clock.advance(20_000)
        most = Math.max(most, world.network.unreadOctets(SPEAKER, BAD))
      }
      expect([...world.good.routes({ from: SPEAKER })]).toHaveLength(60_000)
      expect(badState(world)).toBe('Established')
      expect(most).toBeGreaterThan(100_000)
      expect(most).toBeLessThan(2 << 20)
    })
  })

  it('but goes on saying KEEPALIVE is dropped after eight minutes (RFC 9687)', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(10)
      bad.open()
      await world.clock.advance(1_000)
      bad.connection.pause()
      for (let n = 0; n < 12_000; n++) {
        world.speaker.announce(prefix(`20.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32`), { med: n })
      }
      const keepAlive = async (seconds: number): Promise<void> => {
        for (let second = 0; second < seconds; second += 20) {
          bad.say({ kind: 'keepalive' })
          await world.clock.advance(20_000)
        }
      }
      await keepAlive(460)
      expect(badState(world)).toBe('Established')
      await keepAlive(60)
      const status = world.speaker.neighbors().find(({ address }) => address === BAD)!
      expect(status.state).not.toBe('Established')
      expect(status.lastError).toBe('send hold timer expired: the neighbor takes nothing')
    })
  })

  it('for seven minutes, and then does, keeps its session', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(10)
      bad.open()
      await world.clock.advance(1_000)
      for (let round = 0; round < 3; round++) {
        bad.connection.pause()
        for (let n = 0; n < 12_000; n++) {
          const to = prefix(`20.${n >> 16}.${(n >> 8) & 255}.${n & 255}/32`)
          world.speaker.announce(to, { med: n + round })
        }
        for (let second = 0; second < 420; second += 20) {
          bad.say({ kind: 'keepalive' })
          await world.clock.advance(20_000)
        }
        bad.connection.resume()
        await world.clock.advance(20_000)
      }
      expect(badState(world)).toBe('Established')
    })
  })

  it('and says nothing either is dropped when its hold time is over', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(10)
      bad.open()
      await world.clock.advance(1_000)
      expect(badState(world)).toBe('Established')
      bad.connection.pause()
      await world.clock.advance(120_000)
      expect(badState(world)).not.toBe('Established')
    })
  })

  it('nor ever sends an OPEN holds nothing up', async () => {
    const world = scene()
    await withGoodUnharmed(world, async () => {
      const bad = world.bad()
      await world.clock.advance(300_000)
      expect(bad.closed).toBe(true)
    })
  })
})
