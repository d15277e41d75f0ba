import { fromHex, hex } from '../../../lib/bytes.ts'
import { ip, type IpAddress } from '../../../net/ip-address.ts'
import { prefix } from '../../../net/prefix.ts'
import { type CodecContext } from '../codec-context.ts'
import { type Message } from '../message.ts'
import { type PathAttributes } from '../path-attributes.ts'

/** A message as octets and as a value, each of which must give the other. */
export interface Golden {
  readonly name: string
  readonly octets: Uint8Array
  readonly message: Message
  readonly context: CodecContext
}

/** A session between routers of one AS with everything negotiated but path identifiers. */
export const SESSION: CodecContext = {
  fourOctetAs: true,
  internal: true,
  messageOctetsMax: 4096,
  ipv4: { negotiated: true, addPathReceive: false, addPathSend: false, extendedNextHop: true },
  ipv6: { negotiated: true, addPathReceive: false, addPathSend: false, extendedNextHop: false },
}

export const OLD_SPEAKER: CodecContext = { ...SESSION, fourOctetAs: false }

export const ADD_PATH: CodecContext = {
  ...SESSION,
  ipv4: { ...SESSION.ipv4, addPathReceive: true, addPathSend: true },
  ipv6: { ...SESSION.ipv6, addPathReceive: true, addPathSend: true },
}

/** Hexadecimal with white space and `# comments`. */
export function annotated(text: string): Uint8Array {
  return fromHex(text.replaceAll(/#.*$/gm, ''))
}

/** A message of this type around a body in {@link annotated} hexadecimal. */
export function framed(type: number, body: string): Uint8Array {
  const octets = annotated(body)
  const length = (19 + octets.length).toString(16).padStart(4, '0')
  return fromHex(
    `${'ff'.repeat(16)} ${length} ${type.toString(16).padStart(2, '0')} ${hex(octets)}`,
  )
}

/** An UPDATE of path attributes (as hexadecimal) and announced NLRI. */
export function updateOf(attributes: string, nlri = '18 0a0100', withdrawn = ''): Uint8Array {
  const counted = (text: string): string => {
    const octets = annotated(text)
    return octets.length.toString(16).padStart(4, '0') + hex(octets)
  }
  return framed(2, `${counted(withdrawn)} ${counted(attributes)} ${hex(annotated(nlri))}`)
}

const golden = (name: string, octets: Uint8Array, message: Message, context = SESSION): Golden => ({
  name,
  octets,
  message,
  context,
})

/** The attributes that every announcement needs, as octets and as a value. */
export const MANDATORY = `
  40 01 01 00                                 # ORIGIN IGP
  40 02 06 02 01 0000fde9                     # AS_PATH 65001
  40 03 04 0a000001                           # NEXT_HOP 10.0.0.1
`
const MANDATORY_VALUE = {
  origin: 0,
  asPath: [{ kind: 'sequence', asns: [65001] }],
  nextHop: ip('10.0.0.1'),
} as const satisfies PathAttributes

/** MANDATORY and one attribute more, for 10.1.0.0/24. */
const attribute = (name: string, octets: string, value: PathAttributes): Golden =>
  golden(`UPDATE with ${name}`, updateOf(MANDATORY + octets), {
    kind: 'update',
    withdrawn: [],
    attributes: { ...MANDATORY_VALUE, ...value },
    announced: [{ prefix: prefix('10.1.0.0/24') }],
  })

const address = (text: string): IpAddress => ip(text)

const OPENS: readonly Golden[] = [
  golden(
    'OPEN without optional parameters',
    annotated(`
      ffffffff ffffffff ffffffff ffffffff 001d 01   # marker, length 29, OPEN
      04 fde8 00f0 ac10aa80                         # version 4, AS 65000, hold time 240, 172.16.170.128
      00                                            # no optional parameters
    `),
    {
      kind: 'open',
      asn: 65000,
      holdTimeSeconds: 240,
      bgpIdentifier: address('172.16.170.128'),
      capabilities: [],
    },
  ),
  golden(
    'OPEN with every capability',
    framed(
      1,
      `04 5ba0 005a 0a000001                        # version 4, AS_TRANS, hold time 90, 10.0.0.1
       85                                           # 133 octets of parameters
       02 06 01 04 0001 00 01                       # multiprotocol IPv4 unicast
       02 06 01 04 0002 00 01                       # multiprotocol IPv6 unicast
       02 02 02 00                                  # route refresh
       02 02 46 00                                  # enhanced route refresh
       02 02 06 00                                  # extended message
       02 06 41 04 fa56ea00                         # four-octet AS 4200000000
       02 0c 40 0a c078 0001 01 80 0002 01 00       # graceful restart: R, N, 120 s, IPv4 kept, IPv6 not
       02 10 47 0e 0001 01 80 000e10 0002 01 00 01518 0  # long-lived: IPv4 kept 3600 s, IPv6 86400 s
       02 0a 45 08 0001 01 01 0002 01 03            # add-path: IPv4 receive, IPv6 both
       02 08 05 06 0001 0001 0002                   # extended next hop: IPv4 unicast over IPv6
       02 12 49 10 08 7365727665723031 06 6c61622e6361  # FQDN server01 lab.ca
       02 03 09 01 03                               # role: peer's customer
       02 05 4b 03 616263                           # software version, kept as octets
       02 05 4c 03 010203                           # unassigned, kept as octets
       02 02 50 00                                  # unassigned, empty`,
    ),
    {
      kind: 'open',
      asn: 4200000000,
      holdTimeSeconds: 90,
      bgpIdentifier: address('10.0.0.1'),
      capabilities: [
        { kind: 'multiprotocol', afi: 1, safi: 1 },
        { kind: 'multiprotocol', afi: 2, safi: 1 },
        { kind: 'routeRefresh' },
        { kind: 'enhancedRouteRefresh' },
        { kind: 'extendedMessage' },
        { kind: 'fourOctetAs', asn: 4200000000 },
        {
          kind: 'gracefulRestart',
          restarting: true,
          notification: true,
          restartTimeSeconds: 120,
          families: [
            { afi: 1, safi: 1, forwardingPreserved: true },
            { afi: 2, safi: 1, forwardingPreserved: false },
          ],
        },
        {
          kind: 'longLivedGracefulRestart',
          families: [
            { afi: 1, safi: 1, forwardingPreserved: true, staleTimeSeconds: 3600 },
            { afi: 2, safi: 1, forwardingPreserved: false, staleTimeSeconds: 86400 },
          ],
        },
        {
          kind: 'addPath',
          families: [
            { afi: 1, safi: 1, mode: 1 },
            { afi: 2, safi: 1, mode: 3 },
          ],
        },
        { kind: 'extendedNextHop', families: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
        { kind: 'fqdn', hostName: 'server01', domainName: 'lab.ca' },
        { kind: 'role', role: 3 },
        { kind: 'unknown', code: 75, octets: fromHex('616263') },
        { kind: 'unknown', code: 76, octets: fromHex('010203') },
        { kind: 'unknown', code: 80, octets: fromHex('') },
      ],
    },
  ),
  golden(
    'OPEN with extended optional parameters length',
    framed(
      1,
      `04 fde8 00b4 0a000001                        # version 4, AS 65000, hold time 180, 10.0.0.1
       ff ff 010e                                   # RFC 9072: 270 octets of parameters
       02 0085 c8 83 ${'5a'.repeat(131)}            # capability 200, 131 octets
       02 0083 c9 81 ${'a5'.repeat(129)}            # capability 201, 129 octets`,
    ),
    {
      kind: 'open',
      asn: 65000,
      holdTimeSeconds: 180,
      bgpIdentifier: address('10.0.0.1'),
      capabilities: [
        { kind: 'unknown', code: 200, octets: new Uint8Array(131).fill(0x5a) },
        { kind: 'unknown', code: 201, octets: new Uint8Array(129).fill(0xa5) },
      ],
    },
  ),
]

const OTHERS: readonly Golden[] = [
  golden(
    'KEEPALIVE',
    annotated('ffffffff ffffffff ffffffff ffffffff 0013 04   # marker, length 19, KEEPALIVE'),
    { kind: 'keepalive' },
  ),
  golden('NOTIFICATION of the hold timer', framed(3, '04 00'), {
    kind: 'notification',
    code: 4,
    subcode: 0,
    data: fromHex(''),
  }),
  golden(
    'NOTIFICATION with a shutdown communication',
    framed(3, '06 02 0b 7061746368 206e69676874   # cease, administrative shutdown, "patch night"'),
    { kind: 'notification', code: 6, subcode: 2, data: fromHex('0b7061746368206e69676874') },
  ),
  golden('ROUTE-REFRESH for IPv4', framed(5, '0001 00 01   # IPv4, request, unicast'), {
    kind: 'routeRefresh',
    afi: 1,
    subtype: 0,
    safi: 1,
  }),
  golden('ROUTE-REFRESH, the beginning for IPv6', framed(5, '0002 01 01   # IPv6, BoRR, unicast'), {
    kind: 'routeRefresh',
    afi: 2,
    subtype: 1,
    safi: 1,
  }),
]

const ATTRIBUTES: readonly Golden[] = [
  golden(
    'UPDATE with the mandatory attributes',
    annotated(`
      ffffffff ffffffff ffffffff ffffffff 0036 02   # marker, length 54, UPDATE
      0005 10 ac10 08 0b                            # withdrawn: 172.16.0.0/16, 11.0.0.0/8
      0014                                          # 20 octets of attributes
      40 01 01 02                                   # ORIGIN incomplete
      40 02 06 02 01 0000fde9                       # AS_PATH 65001
      40 03 04 0a000001                             # NEXT_HOP 10.0.0.1
      00 20 c0000207                                # 0.0.0.0/0, 192.0.2.7/32
    `),
    {
      kind: 'update',
      withdrawn: [{ prefix: prefix('172.16.0.0/16') }, { prefix: prefix('11.0.0.0/8') }],
      attributes: { ...MANDATORY_VALUE, origin: 2 },
      announced: [{ prefix: prefix('0.0.0.0/0') }, { prefix: prefix('192.0.2.7/32') }],
    },
  ),
  golden('UPDATE that ends the RIB of IPv4', framed(2, '0000 0000'), {
    kind: 'update',
    withdrawn: [],
    attributes: {},
    announced: [],
  }),
  golden('UPDATE that ends the RIB of IPv6', framed(2, '0000 0006 80 0f 03 0002 01'), {
    kind: 'update',
    withdrawn: [],
    attributes: { mpUnreachNlri: { family: 6, nlri: [] } },
    announced: [],
  }),
  golden(
    'UPDATE with a set in AS_PATH and an empty one',
    updateOf(
      `40 01 01 00
       40 02 10 02 01 0000fde9 01 02 0000fdea fa56ea00   # AS_PATH 65001 {65002 4200000000}
       40 03 04 0a000001`,
    ),
    {
      kind: 'update',
      withdrawn: [],
      attributes: {
        ...MANDATORY_VALUE,
        asPath: [
          { kind: 'sequence', asns: [65001] },
          { kind: 'set', asns: [65002, 4200000000] },
        ],
      },
      announced: [{ prefix: prefix('10.1.0.0/24') }],
    },
  ),
  golden(
    'UPDATE of our own AS, AS_PATH empty',
    updateOf('40 01 01 00 40 02 00 40 03 04 0a000001'),
    {
      kind: 'update',
      withdrawn: [],
      attributes: { ...MANDATORY_VALUE, asPath: [] },
      announced: [{ prefix: prefix('10.1.0.0/24') }],
    },
  ),
  attribute('MULTI_EXIT_DISC', '80 04 04 ffffffff', { multiExitDisc: 4294967295 }),
  attribute('LOCAL_PREF', '40 05 04 00000064', { localPref: 100 }),
  attribute('ATOMIC_AGGREGATE', '40 06 00', { atomicAggregate: true }),
  attribute('AGGREGATOR', 'c0 07 08 fa56ea00 0a000002', {
    aggregator: { asn: 4200000000, address: address('10.0.0.2') },
  }),
  attribute('COMMUNITIES', 'c0 08 08 fde80064 ffffff01', {
    communities: [(65000 * 65536 + 100) >>> 0, 0xffffff01],
  }),
  attribute('ORIGINATOR_ID', '80 09 04 0a000003', { originatorId: address('10.0.0.3') }),
  attribute('CLUSTER_LIST', '80 0a 08 f4000001 f4000002', {
    clusterList: [address('244.0.0.1'), address('244.0.0.2')],
  }),
  attribute('EXTENDED_COMMUNITIES', 'c0 10 10 0002fde800000064 4301000000000001', {
    extendedCommunities: ['0002fde800000064', '4301000000000001'],
  }),
  attribute('LARGE_COMMUNITIES', 'c0 20 0c fa56ea00 00000001 ffffffff', {
    largeCommunities: [{ globalAdministrator: 4200000000, localData1: 1, localData2: 4294967295 }],
  }),
  attribute('an attribute of two-octet length', `d0 08 0104 ${'fde80001'.repeat(65)}`, {
    communities: Array.from({ length: 65 }, () => 0xfde80001),
  }),
  attribute('a transitive attribute that is not known', 'e0 63 03 010203', {
    unknown: [{ flags: 0xe0, code: 99, octets: fromHex('010203') }],
  }),
]

const FAMILIES: readonly Golden[] = [
  golden(
    'UPDATE with MP_REACH_NLRI',
    updateOf(
      `80 0e 1d 0002 01 10 20010db8000000000000000000000001 00   # IPv6 unicast, 2001:db8::1
               30 20010db80005 00                                # 2001:db8:5::/48, ::/0
       40 01 01 00
       40 02 06 02 01 0000fde9`,
      '',
    ),
    {
      kind: 'update',
      withdrawn: [],
      attributes: {
        origin: 0,
        asPath: MANDATORY_VALUE.asPath,
        mpReachNlri: {
          family: 6,
          nextHop: address('2001:db8::1'),
          nlri: [{ prefix: prefix('2001:db8:5::/48') }, { prefix: prefix('::/0') }],
        },
      },
      announced: [],
    },
  ),
  golden(
    'UPDATE with a link-local next hop',
    updateOf(
      `80 0e 36 0002 01 20 20010db8000000000000000000000001      # IPv6 unicast, 2001:db8::1
               fe800000000000000000000000000001 00              # and fe80::1
               80 20010db8000000000000000000000099              # 2001:db8::99/128
       40 01 01 00
       40 02 00`,
      '',
    ),
    {
      kind: 'update',
      withdrawn: [],
      attributes: {
        origin: 0,
        asPath: [],
        mpReachNlri: {
          family: 6,
          nextHop: address('2001:db8::1'),
          linkLocalNextHop: address('fe80::1'),
          nlri: [{ prefix: prefix('2001:db8::99/128') }],
        },
      },
      announced: [],
    },
  ),
  golden(
    'UPDATE with MP_UNREACH_NLRI',
    updateOf('80 0f 0a 0002 01 30 20010db80005   # IPv6 unicast, 2001:db8:5::/48', ''),
    {
      kind: 'update',
      withdrawn: [],
      attributes: {
        mpUnreachNlri: { family: 6, nlri: [{ prefix: prefix('2001:db8:5::/48') }] },
      },
      announced: [],
    },
  ),
  golden(
    'UPDATE of IPv4 over an IPv6 next hop',
    updateOf(
      `80 0e 19 0001 01 10 20010db8000000000000000000000001 00 18 0a0100
       40 01 01 00
       40 02 00`,
      '',
    ),
    {
      kind: 'update',
      withdrawn: [],
      attributes: {
        origin: 0,
        asPath: [],
        mpReachNlri: {
          family: 4,
          nextHop: address('2001:db8::1'),
          nlri: [{ prefix: prefix('10.1.0.0/24') }],
        },
      },
      announced: [],
    },
  ),
  golden(
    'UPDATE with path identifiers',
    updateOf(
      `80 0e 1c 0002 01 10 20010db8000000000000000000000001 00 00000007 10 2001
       ${MANDATORY}`,
      '00000001 18 0a0100 00000002 18 0a0100',
      'ffffffff 08 0b',
    ),
    {
      kind: 'update',
      withdrawn: [{ prefix: prefix('11.0.0.0/8'), pathId: 4294967295 }],
      attributes: {
        ...MANDATORY_VALUE,
        mpReachNlri: {
          family: 6,
          nextHop: address('2001:db8::1'),
          nlri: [{ prefix: prefix('2001::/16'), pathId: 7 }],
        },
      },
      announced: [
        { prefix: prefix('10.1.0.0/24'), pathId: 1 },
        { prefix: prefix('10.1.0.0/24'), pathId: 2 },
      ],
    },
    ADD_PATH,
  ),
  golden(
    'UPDATE of a speaker of two-octet AS numbers',
    updateOf(
      `40 01 01 00
       40 02 06 02 02 fde9 5ba0                     # AS_PATH 65001 AS_TRANS
       40 03 04 0a000001
       c0 07 06 5ba0 0a000002                       # AGGREGATOR AS_TRANS
       c0 11 06 02 01 fa56ea00                      # AS4_PATH 4200000000
       c0 12 08 fa56ea00 0a000002                   # AS4_AGGREGATOR 4200000000`,
    ),
    {
      kind: 'update',
      withdrawn: [],
      attributes: {
        origin: 0,
        asPath: [{ kind: 'sequence', asns: [65001, 23456] }],
        nextHop: address('10.0.0.1'),
        aggregator: { asn: 23456, address: address('10.0.0.2') },
        as4Path: [{ kind: 'sequence', asns: [4200000000] }],
        as4Aggregator: { asn: 4200000000, address: address('10.0.0.2') },
      },
      announced: [{ prefix: prefix('10.1.0.0/24') }],
    },
    OLD_SPEAKER,
  ),
]

export const GOLDENS: readonly Golden[] = [...OPENS, ...OTHERS, ...ATTRIBUTES, ...FAMILIES]
