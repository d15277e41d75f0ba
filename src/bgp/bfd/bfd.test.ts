import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip } from '../../net/ip-address.ts'
import {
  BFD_STATE,
  type BfdControlPacket,
  type BfdState,
  decodeBfdControlPacket,
  encodeBfdControlPacket,
} from '../../wire/bfd/control-packet.ts'
import type { Bfd, BfdChange, BfdSession, BfdSessionConfig } from './bfd.ts'
import { createBfd } from './create-bfd.ts'
import { type BfdEvent, NEXT_BFD_STATE } from './next-state.ts'
import { UdpWire } from './testing/udp-wire.ts'

const LEFT = ip('192.0.2.1')
const RIGHT = ip('192.0.2.2')

interface Side {
  readonly bfd: Bfd
  readonly changes: BfdChange[]
  session: BfdSession
}

class Pair {
  readonly clock = new VirtualClock()
  readonly wire = new UdpWire(this.clock)
  readonly left: Side
  readonly right: Side

  constructor(left: Partial<BfdSessionConfig> = {}, right: Partial<BfdSessionConfig> = {}) {
    this.left = this.#side(1, { local: LEFT, remote: RIGHT, ...left })
    this.right = this.#side(2, { local: RIGHT, remote: LEFT, ...right })
  }

  #side(seed: number, config: BfdSessionConfig): Side {
    const bfd = createBfd({
      clock: this.clock,
      random: new SeededRandom(seed),
      udp: this.wire.host(config.local),
      log: silentLog,
    })
    const changes: BfdChange[] = []
    return { bfd, changes, session: bfd.add(config, (change) => changes.push(change)) }
  }

  get states(): [BfdState, BfdState] {
    return [this.left.session.status().state, this.right.session.status().state]
  }

  /** Packets that a side sent since a moment. */
  sentBy(side: typeof LEFT, since = 0): BfdControlPacket[] {
    return this.wire.sent
      .filter(({ from, at }) => from === side && at >= since)
      .map(({ octets }) => {
        const decoded = decodeBfdControlPacket(octets)
        if (!decoded.ok) throw new Error(decoded.problem)
        return decoded.packet
      })
  }
}

describe('the BFD state machine', () => {
  it('goes from Down to Up by the other side being Down, Init, Up', () => {
    expect(NEXT_BFD_STATE.Down.Down).toBe('Init')
    expect(NEXT_BFD_STATE.Down.Init).toBe('Up')
    expect(NEXT_BFD_STATE.Init.Up).toBe('Up')
  })

  it('never goes up on silence or on AdminDown, and never leaves AdminDown by itself', () => {
    for (const state of Object.keys(BFD_STATE) as BfdState[]) {
      for (const event of ['timeout', 'AdminDown'] as BfdEvent[]) {
        expect(['Down', 'AdminDown']).toContain(NEXT_BFD_STATE[state][event])
      }
      expect(NEXT_BFD_STATE.AdminDown[state]).toBe('AdminDown')
    }
  })

  it('does not come up by a state Up alone, which may be of an older session', () => {
    expect(NEXT_BFD_STATE.Down.Up).toBe('Down')
  })
})

describe('a BFD session', () => {
  it('comes up on both sides at once, without waiting for slow timers', async () => {
    const pair = new Pair()
    await pair.clock.advance(50)
    expect(pair.states).toEqual(['Up', 'Up'])
    expect(pair.left.changes).toEqual([{ up: true, failure: false, reason: 'up' }])
  })

  it('finds a dead neighbor within a second with default timers, and says why', async () => {
    const pair = new Pair()
    await pair.clock.advance(5000)
    pair.wire.cut(RIGHT)
    await pair.clock.advance(950)
    expect(pair.left.changes.at(-1)).toEqual({
      up: false,
      failure: true,
      reason: 'Control Detection Time Expired',
    })
    expect(pair.right.changes.at(-1)).toMatchObject({ up: false, failure: true })
    expect(pair.right.session.status().remoteDiagnostic).toBe('Control Detection Time Expired')
  })

  it('does not fail when two packets in a row are lost', async () => {
    const pair = new Pair()
    await pair.clock.advance(5000)
    for (let round = 0; round < 20; round++) {
      pair.wire.cut(RIGHT)
      await pair.clock.advance(440)
      pair.wire.mend(RIGHT)
      await pair.clock.advance(310)
    }
    expect(pair.left.changes).toHaveLength(1)
  })

  it('comes up again when the wire is mended', async () => {
    const pair = new Pair()
    await pair.clock.advance(1000)
    pair.wire.cut(RIGHT)
    await pair.clock.advance(5000)
    pair.wire.mend(RIGHT)
    await pair.clock.advance(3000)
    expect(pair.states).toEqual(['Up', 'Up'])
    expect(pair.left.changes.map(({ up }) => up)).toEqual([true, false, true])
  })

  it('sends at most one packet a second while it is not up', async () => {
    const pair = new Pair()
    pair.wire.cut(LEFT)
    pair.wire.cut(RIGHT)
    await pair.clock.advance(30_000)
    const count = pair.sentBy(LEFT).length
    expect(count).toBeGreaterThan(29)
    expect(count).toBeLessThan(42)
    for (const packet of pair.sentBy(LEFT)) {
      expect(packet.desiredMinTxMicroseconds).toBe(1_000_000)
    }
  })

  it('sends at the slower of what it wants and what the other can take, less a quarter at most', async () => {
    const pair = new Pair(
      { desiredMinTxMilliseconds: 50 },
      { requiredMinRxMilliseconds: 200, detectMultiplier: 5 },
    )
    await pair.clock.advance(3000)
    expect(pair.left.session.status().txIntervalMilliseconds).toBe(200)
    expect(pair.right.session.status().detectionTimeMilliseconds).toBe(600)
    expect(pair.left.session.status().detectionTimeMilliseconds).toBe(1500)
    const from = pair.clock.now()
    await pair.clock.advance(20_000)
    const count = pair.sentBy(LEFT, from).length
    expect(count).toBeGreaterThanOrEqual(100)
    expect(count).toBeLessThanOrEqual(134)
  })

  it('tells its new interval by a Poll Sequence that ends with the answer', async () => {
    const pair = new Pair()
    await pair.clock.advance(5000)
    const packets = pair.sentBy(LEFT)
    expect(packets.some(({ poll }) => poll)).toBe(true)
    expect(packets.at(-1)!.poll).toBe(false)
    expect(packets.at(-1)!.desiredMinTxMicroseconds).toBe(300_000)
    expect(pair.sentBy(RIGHT).some(({ final, poll }) => final && !poll)).toBe(true)
  })

  it('lets no answer to a poll be a poll itself', async () => {
    const pair = new Pair()
    await pair.clock.advance(5000)
    for (const packet of [...pair.sentBy(LEFT), ...pair.sentBy(RIGHT)]) {
      expect(packet.poll && packet.final).toBe(false)
    }
  })

  it('tells AdminDown when it is closed, which the other side does not take for a failure', async () => {
    const pair = new Pair()
    await pair.clock.advance(1000)
    pair.left.session.close()
    await pair.clock.advance(1000)
    expect(pair.right.changes.at(-1)).toEqual({
      up: false,
      failure: false,
      reason: 'the neighbor shut BFD down',
    })
    expect(pair.right.session.status().state).toBe('Down')
    await pair.clock.advance(5000)
    expect(pair.left.bfd.sessions()).toEqual([])
    const from = pair.clock.now()
    await pair.clock.advance(5000)
    expect(pair.sentBy(LEFT, from)).toEqual([])
  })

  it('can be added again while the old one is still saying goodbye', async () => {
    const pair = new Pair()
    await pair.clock.advance(1000)
    pair.left.session.close()
    pair.left.session = pair.left.bfd.add({ local: LEFT, remote: RIGHT }, () => {})
    await pair.clock.advance(5000)
    expect(pair.states).toEqual(['Up', 'Up'])
    expect(pair.left.bfd.sessions()).toHaveLength(1)
  })

  it('runs over several hops on the other port', async () => {
    const pair = new Pair({ multihop: true }, { multihop: true })
    await pair.clock.advance(1000)
    expect(pair.states).toEqual(['Up', 'Up'])
    expect(new Set(pair.wire.sent.map(({ port }) => port))).toEqual(new Set([4784]))
  })

  it('stops sending to a neighbor in demand mode, and answers its polls', async () => {
    const pair = new Pair()
    await pair.clock.advance(5000)
    pair.right.bfd.close()
    await pair.clock.advance(0)
    const left = pair.left.session.status()
    const packet: BfdControlPacket = {
      ...pair.sentBy(RIGHT).find(({ state }) => state === 'Up')!,
      yourDiscriminator: pair.sentBy(LEFT)[0]!.myDiscriminator,
      state: 'Up',
      demand: true,
      poll: false,
      final: false,
    }
    const say = (what: Partial<BfdControlPacket>): void =>
      pair.wire.deliver(
        {
          from: { address: RIGHT, port: 50_000 },
          to: LEFT,
          ttl: 255,
          octets: encodeBfdControlPacket({ ...packet, ...what }),
        },
        3784,
      )
    expect(left.multihop).toBe(false)
    // The goodbye of the closed side took it down; up again by hand, then demand mode.
    await pair.clock.advance(10)
    say({ state: 'Down', demand: false })
    await pair.clock.advance(10)
    say({ demand: false })
    await pair.clock.advance(10)
    say({ final: true })
    await pair.clock.advance(10)
    expect(pair.left.session.status().state).toBe('Up')
    const from = pair.clock.now()
    for (let round = 0; round < 20; round++) {
      say({ poll: round === 10 })
      await pair.clock.advance(200)
    }
    const answers = pair.sentBy(LEFT, from)
    expect(answers).toHaveLength(1)
    expect(answers[0]!.final).toBe(true)
  })
})

describe('the BFD engine', () => {
  const packetTo = (left: BfdSession, pair: Pair): BfdControlPacket => {
    expect(left.status().state).toBe('Up')
    return pair.sentBy(RIGHT).at(-1)!
  }
  const inject = async (
    pair: Pair,
    octets: Uint8Array,
    options: { ttl?: number; from?: typeof LEFT } = {},
  ): Promise<void> => {
    const { ttl = 255, from = RIGHT } = options
    pair.wire.deliver({ from: { address: from, port: 50_000 }, to: LEFT, ttl, octets }, 3784)
    await pair.clock.advance(2)
  }

  it.each([
    ['TTL is not 255', { ttl: 254 }, (octets: Uint8Array) => octets],
    ['malformed', {}, (octets: Uint8Array) => octets.subarray(0, 20)],
    ['no such session', { from: ip('192.0.2.66') }, (octets: Uint8Array) => octets],
    [
      'authenticated',
      {},
      (octets: Uint8Array) => {
        const grown = Uint8Array.from([...octets, 1, 2])
        grown[1] = grown[1]! | 0x04
        grown[3] = 26
        return grown
      },
    ],
  ])('drops a forged Down (%s) and counts it', async (reason, options, forge) => {
    const pair = new Pair()
    await pair.clock.advance(1000)
    const forged = encodeBfdControlPacket({ ...packetTo(pair.left.session, pair), state: 'Down' })
    await inject(pair, forge(forged), options)
    expect(pair.states).toEqual(['Up', 'Up'])
    expect(pair.left.bfd.dropped).toEqual(new Map([[reason, 1]]))
  })

  it('believes the same Down when nothing is wrong with it', async () => {
    const pair = new Pair()
    await pair.clock.advance(1000)
    const down = { ...packetTo(pair.left.session, pair), state: 'Down' as const }
    await inject(pair, encodeBfdControlPacket(down))
    expect(pair.left.changes.at(-1)).toMatchObject({ up: false, failure: true })
  })

  it('sends from a port of RFC 5881 section 4', () => {
    const ports: number[] = []
    const bfd = createBfd({
      clock: new VirtualClock(),
      random: new SeededRandom(7),
      log: silentLog,
      udp: {
        bind({ port }) {
          ports.push(port)
          return { port, send() {}, close() {} }
        },
      },
    })
    for (let host = 2; host < 50; host++) {
      bfd.add({ local: LEFT, remote: ip(`192.0.2.${host}`) }, () => {})
    }
    expect(ports.shift()).toBe(3784)
    expect(ports).toHaveLength(48)
    for (const port of ports) {
      expect(port).toBeGreaterThanOrEqual(49_152)
      expect(port).toBeLessThanOrEqual(65_535)
    }
  })

  it.each([
    [{ desiredMinTxMilliseconds: 5 }, 'desiredMinTxMilliseconds: expected an integer from 10'],
    [{ requiredMinRxMilliseconds: 1.5 }, 'requiredMinRxMilliseconds: expected an integer'],
    [{ detectMultiplier: 256 }, 'detectMultiplier: expected an integer from 1 to 255, found 256'],
  ])('refuses %o', (timers, message) => {
    expect(() => new Pair(timers)).toThrow(message)
  })
})
