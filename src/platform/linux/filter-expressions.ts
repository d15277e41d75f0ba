import type {
  FilterMatch,
  FilterRule,
  FilterSetMatch,
  FilterTable,
} from '../../kernel/packet-filter.ts'
import { addressOctets, familyOf } from '../../net/ip-address.ts'
import {
  type Expression,
  NF_NAT,
  NFT_CMP,
  NFT_FIB,
  NFT_LOOKUP_INVERTED,
  NFT_META,
  NFT_NAT_SOURCE,
  NFT_PAYLOAD,
  NFT_REG,
} from '../../wire/netlink/nftables-expressions.ts'
import { NF_VERDICT, NFPROTO, NFT_OBJECT_COUNTER } from '../../wire/netlink/nftables.ts'

const register = NFT_REG.first
/** IFNAMSIZ: a whole name is compared with the zeros behind it. */
const LINK_NAME_OCTETS = 16
/** Where addresses lie in the headers of IPv4 and IPv6. */
const ADDRESSES = {
  4: { source: 12, destination: 16, octets: 4, protocol: NFPROTO.ipv4 },
  6: { source: 8, destination: 24, octets: 16, protocol: NFPROTO.ipv6 },
} as const
const DESTINATION_PORT = { base: NFT_PAYLOAD.transport, offset: 2, length: 2 } as const

/** A rule as the kernel's steps: each of the match goes on or ends the rule, then it counts and decides. */
export function expressionsOf(table: FilterTable, rule: FilterRule): readonly Expression[] {
  return [
    ...matchExpressions(table, rule.match),
    ...(rule.counter === undefined ? [] : [count(rule.counter)]),
    ...verdictExpressions(rule),
  ]
}

function matchExpressions(table: FilterTable, match: FilterMatch): readonly Expression[] {
  const { inputLink, notInputLink, outputLink } = match
  const { protocol, destinationPort, source, destination } = match
  const set = source ?? destination
  const family = table.sets.find(({ name }) => name === set?.set)?.family
  return [
    ...(inputLink === undefined ? [] : [load(NFT_META.inputName), equal(linkName(inputLink))]),
    ...(notInputLink === undefined
      ? []
      : [load(NFT_META.inputName), notEqual(linkName(notInputLink))]),
    ...(outputLink === undefined ? [] : [load(NFT_META.outputName), equal(linkName(outputLink))]),
    ...(family === undefined ? [] : [load(NFT_META.family), equal([ADDRESSES[family].protocol])]),
    ...(protocol === undefined ? [] : [load(NFT_META.protocol), equal([protocol])]),
    ...(family === undefined || source === undefined ? [] : inSet(family, 'source', source)),
    ...(family === undefined || destination === undefined
      ? []
      : inSet(family, 'destination', destination)),
    ...(destinationPort === undefined
      ? []
      : [
          { name: 'payload', data: { register, ...DESTINATION_PORT } } as const,
          equal([destinationPort >>> 8, destinationPort & 255]),
        ]),
    ...(match.sourceIsElsewhere === undefined ? [] : WAY_BACK_MISSING),
  ]
}

function load(key: number): Expression {
  return { name: 'meta', data: { register, key } }
}

function equal(value: Iterable<number>): Expression {
  return compare(NFT_CMP.equal, value)
}

function notEqual(value: Iterable<number>): Expression {
  return compare(NFT_CMP.notEqual, value)
}

function compare(operation: number, value: Iterable<number>): Expression {
  return { name: 'cmp', data: { register, operation, data: { value: Uint8Array.from(value) } } }
}

/** A name is compared whole, the beginning of one as far as it goes. */
function linkName(pattern: string): Uint8Array {
  if (pattern.endsWith('*')) return Buffer.from(pattern.slice(0, -1))
  const octets = new Uint8Array(LINK_NAME_OCTETS)
  octets.set(Buffer.from(pattern))
  return octets
}

function inSet(
  family: 4 | 6,
  which: 'source' | 'destination',
  { set, not }: FilterSetMatch,
): readonly Expression[] {
  const { [which]: offset, octets: length } = ADDRESSES[family]
  const flags = not === true ? NFT_LOOKUP_INVERTED : 0
  return [
    { name: 'payload', data: { register, base: NFT_PAYLOAD.network, offset, length } },
    { name: 'lookup', data: { set, register, flags } },
  ]
}

/** "fib saddr . iif oif missing": is there a way back by that link, and if there is none. */
const WAY_BACK_MISSING: readonly Expression[] = [
  {
    name: 'fib',
    data: {
      register,
      result: NFT_FIB.resultOutputLink,
      flags: NFT_FIB.source | NFT_FIB.inputLink | NFT_FIB.present,
    },
  },
  equal([0, 0, 0, 0]),
]

function count(name: string): Expression {
  return { name: 'objref', data: { type: NFT_OBJECT_COUNTER, name } }
}

function verdictExpressions(rule: FilterRule): readonly Expression[] {
  const { verdict } = rule
  if (verdict !== 'accept' && verdict !== 'drop') return masquerade(rule)
  const code = NF_VERDICT[verdict]
  return [{ name: 'immediate', data: { register: NFT_REG.verdict, data: { verdict: { code } } } }]
}

/**
 * With flags and registers as the kernel tells of them afterwards, so that they compare: it sets those
 * of addresses and ports itself, and shows both ends of a range of one.
 */
function masquerade({ verdict, newSource = {} }: FilterRule): readonly Expression[] {
  const { address, ports } = newSource
  const flags =
    (verdict === 'masqueradeRandomly' ? NF_NAT.randomFully : 0) |
    (ports === undefined ? 0 : NF_NAT.portsSpecified) |
    (address === undefined ? 0 : NF_NAT.mapAddresses)
  const loadPorts = (ports ?? []).map((port, index) =>
    loadValue(NFT_REG.second + index, [port >>> 8, port & 255]),
  )
  const range = ports === undefined ? {} : { firstPort: NFT_REG.second, lastPort: NFT_REG.third }
  if (address === undefined) {
    return [...loadPorts, { name: 'masq', data: { ...(flags === 0 ? {} : { flags }), ...range } }]
  }
  const addresses = { firstAddress: register, lastAddress: register }
  const { protocol: family } = ADDRESSES[familyOf(address)]
  return [
    loadValue(register, addressOctets(address)),
    ...loadPorts,
    { name: 'nat', data: { type: NFT_NAT_SOURCE, family, ...addresses, ...range, flags } },
  ]
}

function loadValue(into: number, value: Iterable<number>): Expression {
  return { name: 'immediate', data: { register: into, data: { value: Uint8Array.from(value) } } }
}
