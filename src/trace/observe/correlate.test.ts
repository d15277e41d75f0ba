import { describe, expect, it } from 'vitest'
import { findFault } from '../causes/find-fault.ts'
import { ip } from '../../net/ip-address.ts'
import { correlate } from './correlate.ts'
import type { ArmedPoint, Observation } from './observe.ts'
import type { ObservedPacket } from './observed-packet.ts'
import type { Leg, Prediction } from '../predict/prediction.ts'
import { seedDirectory, seedSnapshots } from '../testing/seed-cluster.ts'
import { TracedCluster } from '../tables/topology.ts'
import { Walk } from '../predict/walk.ts'

const [HERE, THERE] = [ip('10.211.0.6'), ip('10.211.1.4')]

function predicted(leg: Leg): Prediction {
  const pod = { node: 'server01', netns: 'default/network-5z4qp' } as const
  const other = { node: 'server02', netns: 'default/network-mngxw' } as const
  const isForward = leg === 'forward'
  return new Walk(
    {
      leg,
      start: isForward ? pod : other,
      end: isForward ? other : pod,
      source: isForward ? HERE : THERE,
      destination: isForward ? THERE : HERE,
      ttl: 64,
      octets: 84,
      dontFragment: true,
    },
    new TracedCluster(seedSnapshots(), seedDirectory),
    new Map(),
    findFault,
  ).run()
}

const forward = predicted('forward')

/** All of a prediction's hops as seen, two microseconds apart. */
function sightingsOf({ leg, hops, source, destination }: Prediction, from = 0): ObservedPacket[] {
  return hops.map(({ node, netns, link, direction, ttl }, at) => ({
    node,
    netns,
    link,
    direction,
    machine: 'one',
    atMicroseconds: from + at * 2,
    leg,
    sequence: 1,
    source,
    destination,
    ttl,
    identification: 9,
    octets: 84,
    checksumValid: true,
  }))
}

const armed = ({ hops }: Prediction): ArmedPoint[] =>
  hops.map(({ node, netns, link }) => ({ node, netns, link, armed: true, lost: 0 }))

function observation(
  packets: readonly ObservedPacket[],
  points: readonly ArmedPoint[] = armed(forward),
): Observation {
  return { packets, points, probes: [{ sent: true }], countersBefore: [], countersAfter: [] }
}

const legOf = (seen: Observation, sequence = 1) => correlate([forward], seen, sequence)[0]!

describe('what was seen beside what was predicted', () => {
  it('is equal hop for hop, with the time between', () => {
    const leg = legOf(observation(sightingsOf(forward)))
    expect(
      leg.hops.every(({ seen, differences }) => seen.state === 'seen' && !differences[0]),
    ).toBe(true)
    expect(leg.hops.map(({ sincePreviousMicroseconds }) => sincePreviousMicroseconds)).toEqual([
      undefined,
      2,
      2,
      2,
      2,
      2,
    ])
    expect(leg).toMatchObject({ arrived: true, firstMissing: undefined })
  })

  it('tells not seen from not captured', () => {
    const points = armed(forward).map((point): ArmedPoint => {
      if (point.node === 'server02' && point.link === 'ens33') {
        return { ...point, armed: false, reason: 'no permission' }
      }
      return point.link === 'calid406b8b6c93' ? { ...point, lost: 3 } : point
    })
    const leg = legOf(observation(sightingsOf(forward).slice(0, 2), points))
    expect(leg.hops.map(({ seen }) => seen)).toMatchObject([
      { state: 'seen' },
      { state: 'seen' },
      { state: 'not seen' },
      { state: 'not captured', reason: 'no permission' },
      { state: 'not captured', reason: '3 packets passed that the capture could not keep' },
      { state: 'not seen' },
    ])
    expect(leg).toMatchObject({ arrived: false, firstMissing: 2 })
  })

  it('names every difference of a hop', () => {
    const packets = sightingsOf(forward).map((packet, at) =>
      at === 3
        ? {
            ...packet,
            ttl: 60,
            checksumValid: false,
            outer: {
              source: ip('172.16.170.128'),
              destination: ip('172.16.170.129'),
              ttl: 63,
              protocol: 4,
              identification: 1,
            },
          }
        : packet,
    )
    expect(legOf(observation(packets)).hops[3]!.differences).toEqual([
      'TTL 60 rather than 63',
      'an outer header 172.16.170.128 > 172.16.170.129',
      'wrong checksum',
    ])
  })

  it('puts a packet that nobody expected where it was in time', () => {
    const packets = sightingsOf(forward)
    const stray = { ...packets[2]!, node: 'server03', direction: 'in' as const, atMicroseconds: 5 }
    const { hops } = legOf(observation([...packets.slice(0, 3), stray]))
    expect(hops[3]).toMatchObject({
      node: 'server03',
      link: 'ens33',
      differences: ['not expected here'],
    })
    expect(hops[3]!.predicted).toBeUndefined()
    expect(hops[4]!.seen.state).toBe('not seen')
  })

  it('counts packets of its own try alone', () => {
    const leg = legOf(observation(sightingsOf(forward)), 2)
    expect(leg.hops.every(({ seen }) => seen.state === 'not seen')).toBe(true)
  })

  it('compares no times of different clocks, and none that ran backwards', () => {
    const packets = sightingsOf(forward)
    packets[3] = { ...packets[3]!, machine: 'two' }
    packets[5] = { ...packets[5]!, atMicroseconds: 1 }
    const times = legOf(observation(packets)).hops.map((hop) => hop.sincePreviousMicroseconds)
    expect(times).toEqual([undefined, 2, 2, undefined, undefined, undefined])
  })

  it('measures the time that the destination took to answer', () => {
    const back = predicted('return')
    const seen = observation([...sightingsOf(forward), ...sightingsOf(back, 40)])
    expect(correlate([forward, back], seen, 1)[1]!.hops[0]!.sincePreviousMicroseconds).toBe(30)
  })

  it('tells an error of a router once, however often it passes', () => {
    const error = { family: 4, type: 3, code: 1, mtu: undefined } as const
    const [first] = sightingsOf(forward)
    const complaint = { ...first!, source: ip('172.16.170.128'), direction: 'in' as const, error }
    const later = { ...complaint, atMicroseconds: 9 }
    expect(legOf(observation([complaint, later])).errors).toEqual([complaint])
  })
})
