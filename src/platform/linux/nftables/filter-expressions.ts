import { isLookup, keyFamily, portRange } from '../../../kernel/filter-keys.ts'
import type {
  ConnectionState,
  FilterFieldType,
  FilterLookup,
  FilterMatch,
  FilterRule,
  FilterVerdict,
  MappedVerdict,
  MarkChange,
  PacketField,
  Rejection,
} from '../../../kernel/packet-filter.ts'
import { addressOctets, familyOf } from '../../../net/ip-address.ts'
import { prefixAddress, prefixFamily, prefixLength, type Prefix } from '../../../net/prefix.ts'
import {
  type Expression,
  NF_NAT,
  NFT_BITWISE_MASK_XOR,
  NFT_CMP,
  NFT_CT,
  NFT_CT_STATE,
  NFT_FIB,
  NFT_LOOKUP_INVERTED,
  NFT_META,
  NFT_NAT_SOURCE,
  NFT_PAYLOAD,
  NFT_RANGE,
  NFT_REG,
  NFT_REJECT,
  NFT_REJECT_ICMP,
  NFT_VERDICT,
  registerAt,
} from '../../../wire/netlink/nftables-expressions.ts'
import { NFPROTO, NFT_OBJECT_COUNTER } from '../../../wire/netlink/nftables.ts'
import { linkNameOctets, u16Octets, u32Octets } from './key-octets.ts'

const register = NFT_REG.first
/** Where addresses lie in the headers of IPv4 and IPv6. */
const ADDRESSES = {
  4: { source: 12, destination: 16, octets: 4, protocol: NFPROTO.ipv4 },
  6: { source: 8, destination: 24, octets: 16, protocol: NFPROTO.ipv6 },
} as const
const TRANSPORT_OFFSET = { sourcePort: 0, destinationPort: 2 } as const
/** RTN_LOCAL (linux/rtnetlink.h). */
const LOCAL_ROUTE = 2
/** NFT_LIMIT_PKTS. */
const LIMIT_PACKETS = 0
const UNIT_SECONDS = { second: 1n, minute: 60n, hour: 3600n } as const
/** LOG_NOTICE (syslog(3)). */
const LOG_LEVEL = 5

/** Types of the keys of a table's sets and maps, by name. */
export type KeyTypes = ReadonlyMap<string, readonly FilterFieldType[]>

/** A rule as the kernel's steps: each of the match goes on or ends the rule, then it acts and decides. */
export function expressionsOf(rule: FilterRule, keys: KeyTypes): readonly Expression[] {
  const builder = new RuleBuilder(keys)
  for (const match of rule.match) builder.match(match)
  return [...builder.expressions, ...actionsOf(rule, keys), ...verdictExpressions(rule, keys)]
}

/** Builds what a rule asks, and remembers what it has asked already. */
class RuleBuilder {
  readonly expressions: Expression[] = []
  readonly #keys: KeyTypes
  readonly #families = new Set<4 | 6>()

  constructor(keys: KeyTypes) {
    this.#keys = keys
  }

  match(match: FilterMatch): void {
    const row = MATCHES[match.kind] as (match: FilterMatch, builder: RuleBuilder) => void
    row(match, this)
  }

  add(...expressions: readonly Expression[]): void {
    this.expressions.push(...expressions)
  }

  /** Ends the rule for packets of the other family. */
  requireFamily(family: 4 | 6 | undefined): void {
    if (family === undefined || this.#families.has(family)) return
    this.#families.add(family)
    this.add(load(NFT_META.family), equal([ADDRESSES[family].protocol]))
  }

  keyOf(lookup: string): readonly FilterFieldType[] {
    return this.#keys.get(lookup)!
  }
}

type Kind = FilterMatch['kind']
type MatchOf<Of extends Kind> = Extract<FilterMatch, { readonly kind: Of }>

const MATCHES: {
  readonly [Of in Kind]: (match: MatchOf<Of>, builder: RuleBuilder) => void
} = {
  inputLink: ({ link, not }, builder) =>
    builder.add(load(NFT_META.inputName), compare(not, linkPattern(link))),
  outputLink: ({ link, not }, builder) =>
    builder.add(load(NFT_META.outputName), compare(not, linkPattern(link))),
  family: ({ family }, builder) => builder.requireFamily(family),
  protocol: ({ protocol, not }, builder) =>
    builder.add(load(NFT_META.protocol), compare(not, [protocol])),
  sourcePort: portMatch,
  destinationPort: portMatch,
  icmp: ({ type, code }, builder) => {
    const length = code === undefined ? 1 : 2
    const value = code === undefined ? [type] : [type, code]
    builder.add(payload(NFT_PAYLOAD.transport, 0, length, register), equal(value))
  },
  source: addressMatch,
  destination: addressMatch,
  set: ({ set, key, not }, builder) => {
    const types = builder.keyOf(set)
    builder.requireFamily(keyFamily(types))
    const flags = not === true ? NFT_LOOKUP_INVERTED : 0
    builder.add(...loadFields(key, types), { name: 'lookup', data: { set, register, flags } })
  },
  mark: ({ mask, value, not }, builder) => {
    const masked = mask === 0xffff_ffff ? [] : [bitwise(mask, 0)]
    builder.add(load(NFT_META.mark), ...masked, compare(not, u32Octets(value)))
  },
  connection: ({ states }, builder) =>
    builder.add(
      { name: 'ct', data: { register, key: NFT_CT.state } },
      bitwise(stateBits(states), 0),
      compare(true, u32Octets(0)),
    ),
  destinationIsLocal: ({ not }, builder) => {
    const flags = NFT_FIB.destination
    const result = NFT_FIB.resultAddressType
    builder.add(
      { name: 'fib', data: { register, result, flags } },
      compare(not, u32Octets(LOCAL_ROUTE)),
    )
  },
  sourceIsElsewhere: (_, builder) => builder.add(...WAY_BACK_MISSING),
  limit: ({ packets, per, burst }, builder) =>
    builder.add({
      name: 'limit',
      data: {
        rate: BigInt(packets),
        unitSeconds: UNIT_SECONDS[per],
        burst,
        type: LIMIT_PACKETS,
        flags: 0,
      },
    }),
}

function portMatch(
  { kind, ports, not }: MatchOf<'sourcePort' | 'destinationPort'>,
  builder: RuleBuilder,
): void {
  const { first, last } = portRange(ports)
  builder.add(payload(NFT_PAYLOAD.transport, TRANSPORT_OFFSET[kind], 2, register))
  if (first === last) return builder.add(compare(not, u16Octets(first)))
  builder.add({
    name: 'range',
    data: {
      register,
      operation: not === true ? NFT_RANGE.notEqual : NFT_RANGE.equal,
      first: { value: u16Octets(first) },
      last: { value: u16Octets(last) },
    },
  })
}

function addressMatch(
  { kind, prefix, not }: MatchOf<'source' | 'destination'>,
  builder: RuleBuilder,
): void {
  const { [kind]: offset, octets } = ADDRESSES[prefixFamily(prefix)]
  builder.requireFamily(prefixFamily(prefix))
  const length = prefixLength(prefix)
  const masked = length === octets * 8 ? [] : [maskTo(prefix, octets)]
  const value = addressOctets(prefixAddress(prefix))
  builder.add(
    payload(NFT_PAYLOAD.network, offset, octets, register),
    ...masked,
    compare(not, value),
  )
}

function maskTo(prefix: Prefix, octets: number): Expression {
  const mask = Uint8Array.from({ length: octets }, (_, at) => {
    const bits = Math.min(8, Math.max(0, prefixLength(prefix) - at * 8))
    return (0xff << (8 - bits)) & 0xff
  })
  return masking(mask, new Uint8Array(octets))
}

function bitwise(mask: number, xor: number): Expression {
  return masking(u32Octets(mask), u32Octets(xor))
}

function masking(mask: Uint8Array, xor: Uint8Array): Expression {
  return {
    name: 'bitwise',
    data: {
      from: register,
      register,
      octets: mask.length,
      mask: { value: mask },
      xor: { value: xor },
      operation: NFT_BITWISE_MASK_XOR,
    },
  }
}

function stateBits(states: readonly ConnectionState[]): number {
  return states.reduce((bits, state) => bits | NFT_CT_STATE[state], 0)
}

function load(key: number, into: number = register): Expression {
  return { name: 'meta', data: { register: into, key } }
}

function payload(base: number, offset: number, length: number, into: number): Expression {
  return { name: 'payload', data: { register: into, base, offset, length } }
}

function equal(value: Iterable<number>): Expression {
  return compare(undefined, value)
}

function compare(not: boolean | undefined, value: Iterable<number>): Expression {
  const operation = not === true ? NFT_CMP.notEqual : NFT_CMP.equal
  return { name: 'cmp', data: { register, operation, data: { value: Uint8Array.from(value) } } }
}

/** A name is compared whole, the beginning of one as far as it goes. */
function linkPattern(pattern: string): Uint8Array {
  return pattern.endsWith('*') ? Buffer.from(pattern.slice(0, -1)) : linkNameOctets(pattern)
}

/** Each field into the registers behind the one before; all are multiples of four octets. */
function loadFields(
  fields: readonly PacketField[],
  types: readonly FilterFieldType[],
): readonly Expression[] {
  let words = 0
  return fields.map((field, index) => {
    const into = registerAt(words)
    const isWide = types[index] === 'ipv6' || types[index] === 'link'
    words += isWide ? 4 : 1
    return FIELDS[field](into, types[index]!)
  })
}

const FIELDS: Readonly<Record<PacketField, (into: number, type: FilterFieldType) => Expression>> = {
  source: (into, type) => addressField('source', into, type),
  destination: (into, type) => addressField('destination', into, type),
  protocol: (into) => load(NFT_META.protocol, into),
  sourcePort: (into) => payload(NFT_PAYLOAD.transport, TRANSPORT_OFFSET.sourcePort, 2, into),
  destinationPort: (into) =>
    payload(NFT_PAYLOAD.transport, TRANSPORT_OFFSET.destinationPort, 2, into),
  inputLink: (into) => load(NFT_META.inputName, into),
  outputLink: (into) => load(NFT_META.outputName, into),
  mark: (into) => load(NFT_META.mark, into),
}

function addressField(
  which: 'source' | 'destination',
  into: number,
  type: FilterFieldType,
): Expression {
  const { [which]: offset, octets } = ADDRESSES[type === 'ipv4' ? 4 : 6]
  return payload(NFT_PAYLOAD.network, offset, octets, into)
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

function actionsOf(rule: FilterRule, keys: KeyTypes): readonly Expression[] {
  const { counter, log, mark, connectionMark, untracked, offload } = rule
  return [
    ...(counter === undefined
      ? []
      : [{ name: 'objref', data: { type: NFT_OBJECT_COUNTER, name: counter } } as const]),
    ...(log === undefined ? [] : [logExpression(log)]),
    ...(mark === undefined ? [] : markExpressions(mark, keys)),
    ...(connectionMark === undefined ? [] : CONNECTION_MARK[connectionMark]),
    ...(untracked === true ? [{ name: 'notrack', data: {} } as const] : []),
    ...(offload === undefined ? [] : [{ name: 'flow_offload', data: { table: offload } } as const]),
  ]
}

function logExpression({ prefix, group }: NonNullable<FilterRule['log']>): Expression {
  const text = prefix === '' ? {} : { prefix }
  if (group !== undefined) return { name: 'log', data: { ...text, group } }
  return { name: 'log', data: { ...text, level: LOG_LEVEL, flags: 0 } }
}

function markExpressions(mark: MarkChange | FilterLookup, keys: KeyTypes): readonly Expression[] {
  const set: Expression = { name: 'meta', data: { key: NFT_META.mark, from: register } }
  if (isLookup(mark)) return [...lookupIn(mark, keys, register), set]
  return [load(NFT_META.mark), bitwise(~mark.mask >>> 0, mark.value), set]
}

function lookupIn({ map, key }: FilterLookup, keys: KeyTypes, into: number): readonly Expression[] {
  const builder = new RuleBuilder(keys)
  const types = builder.keyOf(map)
  builder.requireFamily(keyFamily(types))
  builder.add(...loadFields(key, types), {
    name: 'lookup',
    data: { set: map, register, into, flags: 0 },
  })
  return builder.expressions
}

const CONNECTION_MARK: Readonly<Record<'save' | 'restore', readonly Expression[]>> = {
  save: [load(NFT_META.mark), { name: 'ct', data: { key: NFT_CT.mark, from: register } }],
  restore: [
    { name: 'ct', data: { register, key: NFT_CT.mark } },
    { name: 'meta', data: { key: NFT_META.mark, from: register } },
  ],
}

/** What an element of a verdict map holds, and a rule that decides. */
export function verdictData(verdict: MappedVerdict): {
  readonly verdict: { readonly code: number; readonly chain?: string }
} {
  if (typeof verdict === 'string') return { verdict: { code: NFT_VERDICT[verdict] } }
  return 'jump' in verdict
    ? { verdict: { code: NFT_VERDICT.jump, chain: verdict.jump } }
    : { verdict: { code: NFT_VERDICT.goto, chain: verdict.goto } }
}

function verdictExpressions(rule: FilterRule, keys: KeyTypes): readonly Expression[] {
  const { verdict } = rule
  if (verdict === undefined) return []
  if (verdict === 'masquerade' || verdict === 'masqueradeRandomly') return masquerade(rule)
  if (isLookup(verdict)) return lookupIn(verdict, keys, NFT_REG.verdict)
  if (isRejection(verdict)) return [rejection(verdict.reject)]
  return [{ name: 'immediate', data: { register: NFT_REG.verdict, data: verdictData(verdict) } }]
}

function isRejection(verdict: FilterVerdict): verdict is { readonly reject: Rejection } {
  return typeof verdict === 'object' && 'reject' in verdict
}

/** With the code that the kernel shows for a reset, too. */
function rejection(reason: Rejection): Expression {
  if (reason === 'tcpReset') return { name: 'reject', data: { type: NFT_REJECT.tcpReset } }
  return { name: 'reject', data: { type: NFT_REJECT.icmp, code: NFT_REJECT_ICMP[reason] } }
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
    loadValue(NFT_REG.second + index, u16Octets(port)),
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

function loadValue(into: number, value: Uint8Array): Expression {
  return { name: 'immediate', data: { register: into, data: { value } } }
}
