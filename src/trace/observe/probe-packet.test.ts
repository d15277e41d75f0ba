import { expect, it } from 'vitest'
import { fromHex, hex } from '../../lib/bytes.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip, type IpAddress } from '../../net/ip-address.ts'
import { encapsulate } from '../../wire/packet/ipip.ts'
import { ipv4ToNumber } from '../../net/ip-address.ts'
import * as icmp from '../../wire/packet/icmp.ts'
import * as ipv4 from '../../wire/packet/ipv4.ts'
import { dissect } from '../../wire/packet/dissect.ts'
import { errorText, observePacket } from './observed-packet.ts'
import { newProbe, probePacket } from './probe-packet.ts'

const probeBetween = (source: IpAddress, destination: IpAddress, octets: number) =>
  newProbe({ source, destination }, { octets, ttl: 64, dontFragment: true }, new SeededRandom(5))
const four = probeBetween(ip('10.211.0.6'), ip('10.211.1.4'), 84)
const at = { node: 'server01', machine: 'one', netns: 'host', link: 'ens33' } as const
const sighting = (octets: Uint8Array) => ({
  point: 0,
  direction: 'out' as const,
  atMicroseconds: 1,
  octets: hex(octets),
  length: octets.length,
})

it('is an echo request as ping sends it, marked, with an IP id of its own', () => {
  const packet = dissect(fromHex(probePacket(four, 7)))!
  expect(packet).toMatchObject({
    source: '10.211.0.6',
    destination: '10.211.1.4',
    timeToLive: 64,
    totalLength: 84,
    dontFragment: true,
    headerChecksumValid: true,
    payload: {
      kind: 'icmp',
      type: 8,
      identifier: four.identifier,
      sequence: 7,
      checksumValid: true,
    },
  })
  expect(packet.identification).not.toBe(0)
  expect(probePacket(four, 7)).toContain(hex(four.marker))
})

it('is an ICMPv6 echo request between IPv6 addresses', () => {
  const six = probeBetween(ip('fd00::6'), ip('fd00::7'), 104)
  expect(dissect(fromHex(probePacket(six, 1)))).toMatchObject({
    totalLength: 104,
    payload: {
      kind: 'icmp',
      type: 128,
      identifier: six.identifier,
      sequence: 1,
      checksumValid: true,
    },
  })
})

it('is known again bare, in an outer header, and quoted by an error', () => {
  const inner = fromHex(probePacket(four, 2))
  const outer = { source: ipv4ToNumber(ip('172.16.170.128')), identification: 9 }
  const wrapped = encapsulate(inner, {
    ...outer,
    destination: ipv4ToNumber(ip('172.16.180.131')),
    timeToLive: 63,
    dontFragment: true,
  })
  const message = icmp.encode({ type: 3, code: 4, first: 0, second: 1400, body: inner })
  const error = ipv4.encode(
    {
      source: outer.source,
      destination: ipv4ToNumber(four.source),
      protocol: 1,
      timeToLive: 64,
    },
    message,
  )
  expect(observePacket(sighting(inner), at, four)).toMatchObject({
    leg: 'forward',
    sequence: 2,
    ttl: 64,
    checksumValid: true,
  })
  expect(observePacket(sighting(wrapped), at, four)).toMatchObject({
    leg: 'forward',
    ttl: 64,
    outer: { source: '172.16.170.128', destination: '172.16.180.131', ttl: 63, protocol: 4 },
  })
  const complaint = observePacket(sighting(error), at, four)
  expect(complaint).toMatchObject({ leg: 'forward', sequence: 2, source: '172.16.170.128' })
  expect(errorText(complaint!.error!)).toBe('fragmentation needed (mtu 1400)')
})

it('is not taken for another packet between the same addresses', () => {
  const other = probeBetween(four.source, four.destination, 84)
  const stranger = { ...other, identifier: four.identifier + 1 }
  expect(observePacket(sighting(fromHex(probePacket(stranger, 1))), at, four)).toBeUndefined()
  expect(observePacket(sighting(Uint8Array.of(1, 2, 3)), at, four)).toBeUndefined()
})

it('shows a checksum that was broken on the way', () => {
  const broken = fromHex(probePacket(four, 1))
  broken[60]! ^= 1
  expect(observePacket(sighting(broken), at, four)?.checksumValid).toBe(false)
})
