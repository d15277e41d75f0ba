import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../../lib/bytes.ts'
import { addressOctets, ip, ipv4ToNumber } from '../../net/ip-address.ts'
import * as arp from './arp.ts'
import { adjustChecksum, internetChecksum, writeTransportChecksum } from './checksum.ts'
import { describe as describeOctets, describeArp } from './describe.ts'
import { dissect } from './dissect.ts'
import { mergeEcn, outerEcn } from './ecn.ts'
import * as icmp from './icmp.ts'
import * as icmpv6 from './icmpv6.ts'
import * as ipip from './ipip.ts'
import { fragmentIpv4, reassembleIpv4 } from './ipv4-fragments.ts'
import * as ipv4 from './ipv4.ts'
import { fragmentIpv6, reassembleIpv6 } from './ipv6-fragments.ts'
import * as ipv6 from './ipv6.ts'
import { LINK_TYPE, PcapngWriter } from './pcapng.ts'
import { IP_PROTOCOL } from './protocols.ts'
import * as tcp from './tcp.ts'
import * as udp from './udp.ts'
import * as vxlan from './vxlan.ts'

const SOURCE = ipv4ToNumber(ip('10.211.0.6'))
const DESTINATION = ipv4ToNumber(ip('10.211.1.4'))

/** The echo request of the seed document: 84 octets from 10.211.0.6 to 10.211.1.4. */
function echoRequest(timeToLive = 63): Uint8Array {
  const message = icmp.encode({
    type: icmp.TYPE.echoRequest,
    code: 0,
    first: 23,
    second: 1,
    body: new Uint8Array(56).fill(0x2a),
  })
  return ipv4.encode(
    {
      source: SOURCE,
      destination: DESTINATION,
      protocol: IP_PROTOCOL.icmp,
      timeToLive,
      identification: 23441,
      dontFragment: true,
    },
    message,
  )
}

function inIpv6(protocol: number, payload: Uint8Array): Uint8Array {
  const packet = ipv6.encode(
    {
      source: addressOctets(ip('fd00::1')),
      destination: addressOctets(ip('fd00::2')),
      nextHeader: protocol,
      hopLimit: 64,
    },
    payload,
  )
  writeTransportChecksum(packet, 0, protocol, ipv6.HEADER_OCTETS, packet.length)
  return packet
}

describe('checksums', () => {
  it('agree with the worked header of a packet seen in the field', () => {
    const header = fromHex('4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7')
    expect(internetChecksum(header, 0, 20)).toBe(0)
    expect(ipv4.headerChecksumValid(header)).toBe(true)
  })

  it('stay right when a word changes by adjustment', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        fc.integer({ min: 0, max: 0xffff }),
        (octets, after) => {
          const header = Uint8Array.from(octets)
          header[0] = 0x45
          ipv4.writeChecksum(header)
          const before = (header[8]! << 8) | header[9]!
          const adjusted = adjustChecksum(ipv4.headerChecksum(header), before, after)
          header[8] = after >>> 8
          header[9] = after & 255
          header[10] = adjusted >>> 8
          header[11] = adjusted & 255
          // Both zeros of one's complement are right.
          expect([0, 0xffff]).toContain(internetChecksum(header, 0, 20))
        },
      ),
    )
  })
})

describe('IPv4', () => {
  it('reads back what it writes', () => {
    const packet = echoRequest()
    expect(ipv4.check(packet)).toBe(true)
    expect(packet).toHaveLength(84)
    expect(ipv4.source(packet)).toBe(SOURCE)
    expect(ipv4.destination(packet)).toBe(DESTINATION)
    expect(ipv4.dontFragment(packet)).toBe(true)
    expect(ipv4.headerChecksumValid(packet)).toBe(true)
  })

  it('keeps its checksum valid while the TTL falls to zero', () => {
    const packet = echoRequest(64)
    for (let left = 64; left > 0; left--) {
      expect(ipv4.timeToLive(packet)).toBe(left)
      ipv4.decrementTimeToLive(packet)
      expect(ipv4.headerChecksumValid(packet)).toBe(true)
    }
  })

  it('refuses headers that are cut or lie about their length', () => {
    const packet = echoRequest()
    for (let length = 0; length < 20; length++) {
      expect(ipv4.check(packet.subarray(0, length))).toBe(false)
    }
    packet[0] = 0x44
    expect(ipv4.check(packet)).toBe(false)
    packet[0] = 0x4f
    expect(ipv4.check(packet.subarray(0, 59))).toBe(false)
  })

  it('puts any fragments, in any order, together again', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3000 }),
        fc.integer({ min: 68, max: 1500 }),
        fc.integer({ min: 28, max: 1500 }),
        (payload, mtu, second) => {
          const header = { source: 1, destination: 2, protocol: 17, timeToLive: 64 }
          const packet = ipv4.encode(header, Uint8Array.from(payload))
          const twice = fragmentIpv4(packet, mtu).flatMap((each) => fragmentIpv4(each, second))
          for (const fragment of twice) {
            expect(fragment.length).toBeLessThanOrEqual(Math.min(mtu, second))
            expect(ipv4.headerChecksumValid(fragment)).toBe(true)
          }
          expect(reassembleIpv4(twice.reverse())).toEqual(packet)
          if (twice.length > 1) expect(reassembleIpv4(twice.slice(1))).toBeUndefined()
        },
      ),
    )
  })
})

describe('fragments of IPv6', () => {
  it('fit, and make the packet again in whatever order, unless one is missing or twice there', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5000 }),
        fc.integer({ min: 1280, max: 1500 }),
        (payload, mtu) => {
          const [source, destination] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)]
          const header = { source, destination, nextHeader: IP_PROTOCOL.udp, hopLimit: 64 }
          const packet = ipv6.encode(header, payload)
          const fragments = fragmentIpv6(packet, mtu, 7)
          for (const fragment of fragments) expect(fragment.length).toBeLessThanOrEqual(mtu)
          if (fragments.length === 1) return
          expect(reassembleIpv6(fragments.toReversed())).toEqual(packet)
          expect(reassembleIpv6(fragments.slice(1))).toBeUndefined()
          expect(reassembleIpv6([fragments[0]!, ...fragments])).toBeUndefined()
        },
      ),
    )
  })
})

describe('congestion marks', () => {
  const [none, second, first, congested] = [0, 1, 2, 3]

  it.each([
    [none, none],
    [second, second],
    [first, first],
    [congested, first],
  ])('%i inside gets %i outside', (inner, outer) => {
    expect(outerEcn(0xb8 | inner)).toBe(outer)
  })

  it.each([
    { outer: congested, inner: first, merged: congested },
    { outer: congested, inner: second, merged: congested },
    { outer: congested, inner: none, merged: undefined },
    { outer: second, inner: first, merged: second },
    { outer: first, inner: second, merged: second },
    { outer: first, inner: none, merged: none },
    { outer: none, inner: congested, merged: congested },
  ])('$outer outside and $inner inside come out as $merged', ({ outer, inner, merged }) => {
    const packet = echoRequest()
    packet[1] = 0xb8 | inner
    ipv4.writeChecksum(packet)
    expect(mergeEcn(0x20 | outer, packet)).toBe(merged !== undefined)
    expect(ipv4.typeOfService(packet)).toBe(0xb8 | (merged ?? inner))
    expect(ipv4.headerChecksumValid(packet)).toBe(true)
  })
})

describe('dissect', () => {
  it('finds both headers of IPIP', () => {
    const outer = {
      source: ipv4ToNumber(ip('172.16.170.128')),
      destination: ipv4ToNumber(ip('172.16.171.10')),
      timeToLive: 64,
      identification: 7,
      dontFragment: true,
    }
    const packet = ipip.encapsulate(echoRequest(), outer)
    expect(ipip.innerOffset(packet)).toBe(20)
    const found = dissect(packet)!
    expect(found).toMatchObject({ source: '172.16.170.128', protocol: 4, totalLength: 104 })
    expect(found.payload).toMatchObject({
      kind: 'ipip',
      inner: {
        source: '10.211.0.6',
        timeToLive: 63,
        identification: 23441,
        headerChecksumValid: true,
        payload: { kind: 'icmp', identifier: 23, sequence: 1, checksumValid: true },
      },
    })
  })

  it('takes a TCP packet of length 0 for one that is longer than its header can say, in a tunnel too', () => {
    const ends = {
      source: ipv4ToNumber(ip('10.211.0.6')),
      destination: ipv4ToNumber(ip('10.211.3.4')),
    }
    const bare = ipv4.encode({ ...ends, protocol: 6, timeToLive: 63 }, new Uint8Array(100))
    bare.set([0, 0], 2)
    expect(dissect(bare)).toMatchObject({ protocol: 6, totalLength: 65_536, truncated: true })
    const outer = { ...ends, timeToLive: 64, identification: 7, dontFragment: true }
    const packet = ipip.encapsulate(bare, outer)
    packet.set([0, 0], 2)
    expect(dissect(packet)).toMatchObject({
      totalLength: 65_536,
      payload: { kind: 'ipip', inner: { protocol: 6, totalLength: 65_536 } },
    })
    bare[9] = 17
    expect(dissect(bare)).toBeUndefined()
  })

  it('finds both headers of VXLAN, and the frame between them', () => {
    const header = {
      source: ipv4ToNumber(ip('172.16.170.128')),
      destination: ipv4ToNumber(ip('172.16.171.10')),
      timeToLive: 64,
      identification: 7,
      protocol: IP_PROTOCOL.udp,
    }
    const frame = { destination: 2, source: 1, etherType: 0x0800 }
    const around = (destinationPort: number): Uint8Array => {
      const data = vxlan.encode(4096, frame, echoRequest())
      const packet = ipv4.encode(header, udp.encode({ sourcePort: 40_000, destinationPort }, data))
      writeTransportChecksum(packet, 0, IP_PROTOCOL.udp, 20, packet.length)
      return packet
    }
    const packet = around(4789)
    expect(vxlan.innerOffset(packet)).toBe(vxlan.OVERHEAD_OCTETS)
    const found = dissect(packet)!
    expect(found).toMatchObject({ protocol: 17, totalLength: 134 })
    expect(found.payload).toMatchObject({
      kind: 'vxlan',
      sourcePort: 40_000,
      vni: 4096,
      checksumValid: true,
      inner: { source: '10.211.0.6', timeToLive: 63, payload: { kind: 'icmp', sequence: 1 } },
    })
    expect(describeOctets(packet)).toMatch(
      /172\.16\.170\.128\.40000 > 172\.16\.171\.10\.4789: VXLAN, flags \[I\] \(0x08\), vni 4096, IP /,
    )
    expect(vxlan.innerOffset(packet.subarray(0, 60))).toBeUndefined()
    expect(dissect(around(4790))?.payload.kind).toBe('udp')
    packet[28] = 0
    expect(dissect(packet)?.payload.kind).toBe('udp')
  })

  it('judges the checksums of TCP and UDP over both families', () => {
    const segment = tcp.encodeHeader({
      sourcePort: 1,
      destinationPort: 179,
      sequence: 5,
      acknowledgment: 6,
      flags: 18,
      window: 9,
    })
    const datagram = udp.encode({ sourcePort: 53, destinationPort: 54 }, new Uint8Array(5))
    for (const [protocol, message] of [
      [IP_PROTOCOL.tcp, segment],
      [IP_PROTOCOL.udp, datagram],
    ] as const) {
      const overIpv4 = ipv4.encode(
        { source: SOURCE, destination: DESTINATION, protocol, timeToLive: 1 },
        message,
      )
      writeTransportChecksum(overIpv4, 0, protocol, 20, overIpv4.length)
      for (const packet of [overIpv4, inIpv6(protocol, message)]) {
        expect(dissect(packet)!.payload).toMatchObject({ checksumValid: true })
        packet[packet.length - 1]! ^= 1
        expect(dissect(packet)!.payload).toMatchObject({ checksumValid: false })
        expect(dissect(packet.subarray(0, -1))!.payload).not.toMatchObject({ checksumValid: false })
      }
    }
  })

  it('shows the packet that an error is about', () => {
    const error = icmp.encode({
      type: icmp.TYPE.destinationUnreachable,
      code: icmp.UNREACHABLE.fragmentationNeeded,
      second: 1480,
      body: echoRequest().subarray(0, 28),
    })
    const packet = ipv4.encode(
      { source: DESTINATION, destination: SOURCE, protocol: 1, timeToLive: 64 },
      error,
    )
    expect(dissect(packet)!.payload).toMatchObject({
      mtu: 1480,
      checksumValid: true,
      about: { destination: '10.211.1.4', truncated: true, payload: { identifier: 23 } },
    })
  })

  it('answers a value or nothing for every cut and every changed octet, and never throws', () => {
    const packets = [
      ipip.encapsulate(echoRequest(), {
        source: 1,
        destination: 2,
        timeToLive: 3,
        identification: 4,
        dontFragment: false,
      }),
      inIpv6(
        IP_PROTOCOL.icmpv6,
        icmpv6.encodeNeighbor({
          kind: 'advertisement',
          target: addressOctets(ip('fe80::1')),
          linkAddress: 0xeeeeeeeeeeee,
          router: true,
          solicited: true,
          override: true,
        }),
      ),
    ]
    for (const packet of packets) {
      for (let length = 0; length <= packet.length; length++) {
        expect(typeof describeOctets(packet.subarray(0, length))).toBe('string')
      }
      for (let at = 0; at < packet.length; at++) {
        for (const value of [0, 1, 0x7f, 0xff]) {
          const changed = packet.slice()
          changed[at] = value
          expect(typeof describeOctets(changed)).toBe('string')
          icmpv6.decodeNeighbor(changed, 40, changed.length)
        }
      }
    }
  })

  it('never throws on octets of any kind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(4, 6), (octets, version) => {
        const packet = Uint8Array.from(octets)
        if (packet.length > 0) packet[0] = (version << 4) | (version === 4 ? 5 : 0)
        dissect(packet)
      }),
    )
  })
})

describe('describe', () => {
  it('prints the line that the seed document shows', () => {
    expect(describeOctets(echoRequest())).toBe(
      'IP (tos 0x0, ttl 63, id 23441, offset 0, flags [DF], proto ICMP (1), length 84) ' +
        '10.211.0.6 > 10.211.1.4: ICMP echo request, id 23, seq 1, length 64',
    )
  })

  it('prints ARP as tcpdump does', () => {
    const request = arp.encode({
      operation: arp.OPERATION.request,
      senderMac: 0x4e3025dc2188,
      senderAddress: SOURCE,
      targetMac: 0,
      targetAddress: ipv4ToNumber(ip('169.254.1.1')),
    })
    expect(arp.check(request)).toBe(true)
    expect(describeArp(request)).toBe('ARP, Request who-has 169.254.1.1 tell 10.211.0.6')
  })
})

describe('neighbour discovery', () => {
  it('reads back what it writes', () => {
    const message = {
      kind: 'solicitation',
      target: addressOctets(ip('fd00::2')),
      linkAddress: 0x0200000000aa,
      router: false,
      solicited: false,
      override: false,
    } as const
    const octets = icmpv6.encodeNeighbor(message)
    expect(icmpv6.decodeNeighbor(octets, 0, octets.length)).toEqual(message)
  })
})

describe('TCP options', () => {
  it('are found behind padding, and malformed ones are not', () => {
    const options = Uint8Array.of(1, 1, 2, 4, 5, 180)
    const header = { sourcePort: 1, destinationPort: 2, sequence: 0, acknowledgment: 0 }
    const segment = tcp.encodeHeader({ ...header, flags: 2, window: 0, options })
    expect(tcp.headerOctets(segment, 0)).toBe(28)
    expect(tcp.option(segment, 0, tcp.OPTION.maximumSegmentSize)).toEqual(Uint8Array.of(5, 180))
    segment[23] = 40
    expect(tcp.option(segment, 0, tcp.OPTION.maximumSegmentSize)).toBeUndefined()
  })
})

const tshark = '/usr/bin/tshark'
describe.skipIf(!existsSync(tshark))('pcapng, read by tshark', () => {
  it('keeps interface, time, direction and comment', () => {
    const writer = new PcapngWriter('tortie')
    writer.addInterface({ name: 'server01:cali50914021272', linkType: LINK_TYPE.raw })
    const ens33 = writer.addInterface({ name: 'server01:ens33', linkType: LINK_TYPE.raw })
    writer.addPacket({
      interface: ens33,
      atNanoseconds: 1_547_621_179_123_456_789n,
      octets: echoRequest(),
      direction: 'out',
      comment: 'seen, ttl 63',
    })
    const folder = mkdtempSync(join(tmpdir(), 'tortie-pcapng-'))
    try {
      const file = join(folder, 'trace.pcapng')
      writeFileSync(file, writer.take())
      const fields = 'frame.interface_name frame.time_epoch frame.comment ip.ttl icmp.seq'.split(
        ' ',
      )
      const { stdout } = spawnSync(
        tshark,
        ['-r', file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
        { encoding: 'utf8' },
      )
      expect(stdout.trim().split('\t')).toEqual([
        'server01:ens33',
        '1547621179.123456789',
        'seen, ttl 63',
        '63',
        '1',
      ])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
