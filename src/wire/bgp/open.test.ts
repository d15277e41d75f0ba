import { describe, expect, it } from 'vitest'
import { hex } from '../../lib/bytes.ts'
import { ip } from '../../net/ip-address.ts'
import { BgpError } from './bgp-error.ts'
import { type Capability } from './capabilities.ts'
import { decodeMessage, encodeMessage } from './message.ts'
import { capabilityOf, negotiate } from './negotiate.ts'
import { type Open } from './open.ts'
import { framed, SESSION } from './testing/goldens.ts'

const FIXED = '04 fde8 00b4 0a000001'

function refusal(body: string): string {
  const octets = framed(1, body)
  try {
    decodeMessage(octets, 0, octets.length, SESSION)
  } catch (error) {
    if (error instanceof BgpError) return `${error.code}/${error.subcode} ${hex(error.data)}`.trim()
    throw error
  }
  return 'accepted'
}

describe('OPEN', () => {
  it.each([
    ['version 3: the version that we speak as data', '03 fde8 00b4 0a000001 00', '2/1 0004'],
    ['version 5', '05 fde8 00b4 0a000001 00', '2/1 0004'],
    ['AS 0', '04 0000 00b4 0a000001 00', '2/2'],
    ['AS 0 in the capability', `${FIXED} 08 02 06 41 04 00000000`, '2/2'],
    ['identifier 0.0.0.0', '04 fde8 00b4 00000000 00', '2/3'],
    ['an identifier that is no host address (RFC 6286)', '04 fde8 00b4 ffffffff 00', 'accepted'],
    ['hold time 1', '04 fde8 0001 0a000001 00', '2/6'],
    ['hold time 2', '04 fde8 0002 0a000001 00', '2/6'],
    ['hold time 0', '04 fde8 0000 0a000001 00', 'accepted'],
    ['a parameter that is not capabilities', `${FIXED} 04 01 02 0000`, '2/4'],
    ['parameters beyond the message', `${FIXED} 09 02 06 41 04 0000fde8`, '2/0'],
    ['octets behind the parameters', `${FIXED} 00 00`, '2/0'],
    ['a parameter cut', `${FIXED} 01 02`, '2/0'],
    ['a parameter beyond the others', `${FIXED} 03 02 02 02`, '2/0'],
    ['a capability beyond its parameter', `${FIXED} 04 02 02 02 01`, '2/0'],
    ['a multiprotocol capability of three octets', `${FIXED} 07 02 05 01 03 000100`, '2/0'],
    ['a four-octet AS capability of two octets', `${FIXED} 06 02 04 41 02 fde8`, '2/0'],
    ['a graceful restart capability cut in a family', `${FIXED} 08 02 06 40 04 0078 0001`, '2/0'],
    ['a graceful restart capability without families', `${FIXED} 06 02 04 40 02 0078`, 'accepted'],
    [
      'route refresh with a value, which is not looked at',
      `${FIXED} 05 02 03 02 01 00`,
      'accepted',
    ],
    [
      'extended length where it was not needed (RFC 9072 2)',
      `${FIXED} ff ff 0005 02 0002 02 00`,
      'accepted',
    ],
    [
      'extended length with another first octet (RFC 9072 2)',
      `${FIXED} 08 ff 0005 02 0002 02 00`,
      'accepted',
    ],
    ['extended length beyond the message', `${FIXED} ff ff 0006 02 0002 02 00`, '2/0'],
  ])('%s: %s', (_, body, outcome) => {
    expect(refusal(body)).toBe(outcome)
  })

  it('sends AS_TRANS for a number that does not fit', () => {
    const open: Open = {
      kind: 'open',
      asn: 4200000000,
      holdTimeSeconds: 90,
      bgpIdentifier: ip('10.0.0.1'),
      capabilities: [{ kind: 'fourOctetAs', asn: 4200000000 }],
    }
    expect(hex(encodeMessage(open, SESSION).subarray(20, 22))).toBe('5ba0')
  })

  it('reads a name that is not UTF-8 or not printable as something that can be shown', () => {
    const octets = framed(1, `${FIXED} 09 02 07 49 05 03 610aff 00`)
    expect(decodeMessage(octets, 0, octets.length, SESSION)).toMatchObject({
      capabilities: [{ kind: 'fqdn', hostName: 'a\uFFFD\uFFFD', domainName: '' }],
    })
  })
})

function open(asn: number, capabilities: readonly Capability[], holdTimeSeconds = 90): Open {
  return { kind: 'open', asn, holdTimeSeconds, bgpIdentifier: ip('10.0.0.1'), capabilities }
}

const IPV4 = { kind: 'multiprotocol', afi: 1, safi: 1 } as const
const IPV6 = { kind: 'multiprotocol', afi: 2, safi: 1 } as const

describe('negotiation', () => {
  it('is IPv4 alone with two-octet numbers when the neighbor says nothing', () => {
    const found = negotiate(
      open(65000, [IPV4, IPV6, { kind: 'fourOctetAs', asn: 65000 }]),
      open(65001, [], 30),
    )
    expect(found).toMatchObject({
      fourOctetAs: false,
      internal: false,
      holdTimeSeconds: 30,
      routeRefresh: false,
      messageOctetsMax: 4096,
      ipv4: { negotiated: true, addPathReceive: false, addPathSend: false },
      ipv6: { negotiated: false },
      gracefulRestart: undefined,
    })
  })

  it('is no IPv4 when the neighbor names IPv6 alone', () => {
    const found = negotiate(open(65000, [IPV4, IPV6]), open(65000, [IPV6]))
    expect(found).toMatchObject({
      internal: true,
      ipv4: { negotiated: false },
      ipv6: { negotiated: true },
    })
  })

  it('takes each direction of add-path and of long messages for itself', () => {
    const addPath = (mode: number): Capability => ({
      kind: 'addPath',
      families: [{ afi: 1, safi: 1, mode }],
    })
    const both = negotiate(
      open(1, [IPV4, addPath(3)]),
      open(2, [IPV4, addPath(1), { kind: 'extendedMessage' }]),
    )
    expect(both.ipv4).toMatchObject({ addPathSend: true, addPathReceive: false })
    expect(both).toMatchObject({ messageOctetsMax: 65535, receiveOctetsMax: 4096 })
    const receive = negotiate(
      open(1, [IPV4, addPath(1), { kind: 'extendedMessage' }]),
      open(2, [IPV4, addPath(2)]),
    )
    expect(receive.ipv4).toMatchObject({ addPathSend: false, addPathReceive: true })
    expect(receive).toMatchObject({ messageOctetsMax: 4096, receiveOctetsMax: 65535 })
  })

  it('needs both sides for IPv6 next hops of IPv4 routes', () => {
    const nextHop: Capability = {
      kind: 'extendedNextHop',
      families: [{ afi: 1, safi: 1, nextHopAfi: 2 }],
    }
    expect(negotiate(open(1, [nextHop]), open(2, [])).ipv4.extendedNextHop).toBe(false)
    expect(negotiate(open(1, [nextHop]), open(2, [nextHop])).ipv4.extendedNextHop).toBe(true)
  })

  it('ignores long-lived graceful restart without graceful restart', () => {
    const long: Capability = { kind: 'longLivedGracefulRestart', families: [] }
    const short: Capability = {
      kind: 'gracefulRestart',
      restarting: false,
      notification: true,
      restartTimeSeconds: 10,
      families: [],
    }
    const alone = negotiate(open(1, [short, long]), open(2, [long]))
    expect(alone.longLivedGracefulRestart).toBeUndefined()
    const together = negotiate(open(1, [short, long]), open(2, [short, long]))
    expect(together).toMatchObject({ longLivedGracefulRestart: long, gracefulNotification: true })
  })

  it('takes the last of several graceful restart capabilities', () => {
    const restart = (restartTimeSeconds: number): Capability => ({
      kind: 'gracefulRestart',
      restarting: false,
      notification: false,
      restartTimeSeconds,
      families: [],
    })
    const found = capabilityOf(open(1, [restart(1), restart(2)]), 'gracefulRestart')
    expect(found?.restartTimeSeconds).toBe(2)
  })
})
