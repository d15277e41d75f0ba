import fc from 'fast-check'
import { addressOctets, ip, ipv4ToNumber } from '../../net/ip-address.ts'
import { hostPrefix, type Prefix, prefix } from '../../net/prefix.ts'
import { writeTransportChecksum } from '../../wire/packet/checksum.ts'
import * as ipv4 from '../../wire/packet/ipv4.ts'
import * as ipv6 from '../../wire/packet/ipv6.ts'
import type {
  BaseChain,
  FilterFieldType,
  FilterKey,
  FilterMap,
  FilterMatch,
  FilterRule,
  FilterSet,
  FilterTable,
  FilterValue,
  FilterVerdict,
  MappedVerdict,
  PacketField,
} from '../packet-filter.ts'

/** What a random packet is, by which a disagreement can be read. */
export interface RandomPacket {
  /** Which end sends it. */
  readonly from: 'pod' | 'outside'
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly sourcePort: number
  readonly destinationPort: number
  /** It answers one that came the other way. */
  readonly answers?: true
}

/** Few, so that packets, sets and rules meet. The first is the pod's, then outside's, then the node's. */
export const ADDRESSES = {
  4: ['10.2.0.5', '10.1.0.2', '10.1.0.1', '10.2.0.6', '192.0.2.1'],
  6: ['fd00:2::5', 'fd00:1::2', 'fd00:1::1', 'fd00:2::6', '2001:db8::1'],
} as const
const PREFIXES = {
  4: ['0.0.0.0/0', '10.0.0.0/8', '10.2.0.0/16', '10.2.0.4/30', '10.1.0.0/31', '192.0.0.0/9'],
  6: ['::/0', 'fd00::/8', 'fd00:2::/32', 'fd00:2::4/126', 'fd00:1::/127', '2001::/17'],
} as const
const PORTS = [53, 80, 81, 443, 8080] as const
const PROTOCOLS = [6, 17, 132, 1, 58, 47, 253] as const
const LINKS = ['eth0', 'cali1', 'cali2', 'lo'] as const
const MARKS = [0, 1, 2, 0x10, 0x11, 0xffff_0000] as const
const CHAINS = ['c0', 'c1', 'c2', 'c3'] as const
const HOOKS = ['prerouting', 'input', 'forward', 'postrouting'] as const

const isIcmp = (protocol: number): boolean => protocol === 1 || protocol === 58

export const randomPacket: fc.Arbitrary<RandomPacket> = fc
  .record({
    family: fc.constantFrom(4 as const, 4 as const, 6 as const),
    from: fc.constantFrom('pod' as const, 'outside' as const),
    source: fc.nat(ADDRESSES[4].length - 1),
    destination: fc.nat(ADDRESSES[4].length - 1),
    protocol: fc.constantFrom(...PROTOCOLS),
    sourcePort: fc.constantFrom(...PORTS),
    destinationPort: fc.constantFrom(...PORTS),
  })
  .map(({ family, source, destination, ...rest }) => ({
    ...rest,
    source: ADDRESSES[family][source]!,
    destination: ADDRESSES[family][destination]!,
  }))
  .filter(
    ({ source, destination, from, protocol }) =>
      source !== destination &&
      // Nobody sends to himself, and the node does not take its own address from elsewhere.
      destination !== ownOf(from, destination) &&
      source !== ADDRESSES[4][2] &&
      source !== ADDRESSES[6][2] &&
      !(protocol === 1 && source.includes(':')) &&
      !(protocol === 58 && !source.includes(':')),
  )

function ownOf(from: RandomPacket['from'], like: string): string {
  return ADDRESSES[like.includes(':') ? 6 : 4][from === 'pod' ? 0 : 1]
}

/** Protocols whose connections both kernels follow alike. */
const TRACKED_ALIKE: ReadonlySet<number> = new Set([6, 17, 1, 58, 253])

/** Packets, some of them answered by the other end. */
export function randomPackets({
  stateful,
}: RandomFilterOptions): fc.Arbitrary<readonly RandomPacket[]> {
  const one = randomPacket.filter(({ protocol }) => !stateful || TRACKED_ALIKE.has(protocol))
  return fc
    .array(fc.tuple(one, fc.boolean()), { minLength: 1, maxLength: 12 })
    .map((list) =>
      list.flatMap(([packet, isAnswered]) =>
        isAnswered ? [packet, answerTo(packet), packet] : [packet],
      ),
    )
}

function answerTo(packet: RandomPacket): RandomPacket {
  const { source, destination, sourcePort, destinationPort, from } = packet
  return {
    ...packet,
    from: from === 'pod' ? 'outside' : 'pod',
    source: destination,
    destination: source,
    // An echo has one number for both ends.
    ...(isIcmp(packet.protocol)
      ? {}
      : { sourcePort: destinationPort, destinationPort: sourcePort }),
    answers: true,
  }
}

/**
 * The packet as it is sent: TCP begins a connection or answers that, ICMP is an echo, all checksums are
 * right.
 */
export function octetsOf(packet: RandomPacket): Uint8Array {
  const { source, destination, protocol, sourcePort, destinationPort, answers = false } = packet
  const payload = new Uint8Array(24)
  const view = new DataView(payload.buffer)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  if (protocol === 6) {
    payload.set([0, 0, 0, 1, 0, 0, 0, answers ? 2 : 0, 0x60, answers ? 0x12 : 2, 0xff, 0xff], 4)
  }
  if (protocol === 17) view.setUint16(4, payload.length)
  const echo = protocol === 1 ? (answers ? 0 : 8) : answers ? 129 : 128
  if (isIcmp(protocol)) payload.set([echo, 0, 0, 0, 0, sourcePort & 0xff, 0, 1])
  if (source.includes(':')) {
    const header = {
      source: addressOctets(ip(source)),
      destination: addressOctets(ip(destination)),
      nextHeader: protocol,
      hopLimit: 64,
    }
    const octets = ipv6.encode(header, payload)
    writeTransportChecksum(octets, 0, protocol, ipv6.HEADER_OCTETS, octets.length)
    return octets
  }
  const octets = new Uint8Array(ipv4.HEADER_OCTETS + payload.length)
  octets.set(payload, ipv4.HEADER_OCTETS)
  const header = {
    source: ipv4ToNumber(ip(source)),
    destination: ipv4ToNumber(ip(destination)),
    protocol,
    timeToLive: 64,
    typeOfService: 0,
    identification: 1,
    dontFragment: false,
  }
  ipv4.write(octets, 0, header, octets.length)
  writeTransportChecksum(octets, 0, protocol, ipv4.HEADER_OCTETS, octets.length)
  return octets
}

/** Whether the table may make state: what limits and conntrack keep depends on what came before. */
export interface RandomFilterOptions {
  readonly stateful: boolean
}

const KEYS: readonly (readonly PacketField[])[] = [
  ['source'],
  ['destination'],
  ['protocol'],
  ['inputLink'],
  ['outputLink'],
  ['mark'],
  ['destination', 'protocol', 'destinationPort'],
  ['source', 'protocol', 'sourcePort'],
  ['source', 'destination'],
  ['inputLink', 'source'],
  ['destinationPort'],
]

interface KeyPlan {
  readonly fields: readonly PacketField[]
  readonly types: readonly FilterFieldType[]
}

const keyPlan: fc.Arbitrary<KeyPlan> = fc
  .tuple(fc.constantFrom(...KEYS), fc.constantFrom('ipv4' as const, 'ipv6' as const))
  .map(([fields, address]) => ({ fields, types: fields.map((field) => typeOf(field, address)) }))

function typeOf(field: PacketField, address: 'ipv4' | 'ipv6'): FilterFieldType {
  switch (field) {
    case 'source':
    case 'destination':
      return address
    case 'protocol':
      return 'protocol'
    case 'sourcePort':
    case 'destinationPort':
      return 'port'
    case 'inputLink':
    case 'outputLink':
      return 'link'
    case 'mark':
      return 'mark'
  }
}

const hosts = (family: 4 | 6): readonly Prefix[] =>
  ADDRESSES[family].map((address) => hostPrefix(ip(address)))
const portRange = fc
  .tuple(fc.constantFrom(...PORTS), fc.constantFrom(...PORTS))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }))

function value(type: FilterFieldType, isAlone: boolean): fc.Arbitrary<FilterValue> {
  switch (type) {
    case 'ipv4':
    case 'ipv6': {
      const family = type === 'ipv4' ? 4 : 6
      const wide = PREFIXES[family].map(prefix)
      return fc.constantFrom(...hosts(family), ...(isAlone ? wide : []))
    }
    case 'protocol':
      return fc.constantFrom(...PROTOCOLS)
    case 'port':
      return isAlone ? fc.constantFrom<FilterValue>(...PORTS) : fc.constantFrom(...PORTS)
    case 'link':
      return fc.constantFrom(...LINKS.map((link) => ({ link })))
    case 'mark':
      return fc.constantFrom(...MARKS)
  }
}

function key({ types }: KeyPlan): fc.Arbitrary<FilterKey> {
  if (types.length === 1) return value(types[0]!, true)
  return fc.tuple(...types.map((type) => value(type, false)))
}

interface NamedKey {
  readonly name: string
  readonly plan: KeyPlan
}

const set = (name: string): fc.Arbitrary<NamedKey & { readonly set: FilterSet }> =>
  keyPlan.chain((plan) =>
    fc
      .array(key(plan), { maxLength: 5 })
      .map((elements) => ({ name, plan, set: { name, key: plan.types, elements } })),
  )

/** Keys of maps are told apart by text; of prefixes only single addresses, which do not overlap. */
function mapEntries<Value>(
  plan: KeyPlan,
  values: fc.Arbitrary<Value>,
): fc.Arbitrary<readonly (readonly [FilterKey, Value])[]> {
  const exact = fc.tuple(...plan.types.map((type) => value(type, false)))
  const oneKey: fc.Arbitrary<FilterKey> = exact.map((each) => (each.length === 1 ? each[0]! : each))
  return fc.uniqueArray(fc.tuple(oneKey, values), {
    maxLength: 5,
    selector: ([each]) => JSON.stringify(each),
  })
}

/** Chains lead to later ones alone, so that none leads to itself. */
const mappedVerdict = (after: number): fc.Arbitrary<MappedVerdict> => {
  const later = CHAINS.slice(after)
  const ends = fc.constantFrom<MappedVerdict>('accept', 'drop', 'return')
  if (later.length === 0) return ends
  return fc.oneof(
    ends,
    fc.constantFrom(...later).map((jump) => ({ jump })),
    fc.constantFrom(...later).map((goto) => ({ goto })),
  )
}

const verdictMap = (
  name: string,
  after: number,
): fc.Arbitrary<NamedKey & { readonly map: FilterMap }> =>
  keyPlan.chain((plan) =>
    mapEntries(plan, mappedVerdict(after)).map((entries) => ({
      name,
      plan,
      map: { name, key: plan.types, value: 'verdict', entries },
    })),
  )

const markMap = (name: string): fc.Arbitrary<NamedKey & { readonly map: FilterMap }> =>
  keyPlan.chain((plan) =>
    mapEntries(plan, fc.constantFrom(...MARKS)).map((entries) => ({
      name,
      plan,
      map: { name, key: plan.types, value: 'mark', entries },
    })),
  )

const not = fc.constantFrom({}, {}, { not: true as const })

function match(sets: readonly NamedKey[], stateful: boolean): fc.Arbitrary<readonly FilterMatch[]> {
  const protocolIs = (protocol: number): FilterMatch => ({ kind: 'protocol', protocol })
  const link = fc.constantFrom(...LINKS, 'cali*', 'e*')
  const address = fc.constantFrom(
    ...hosts(4),
    ...hosts(6),
    ...PREFIXES[4].map(prefix),
    ...PREFIXES[6].map(prefix),
  )
  const one = (each: fc.Arbitrary<FilterMatch>) => each.map((made) => [made])
  const ports = (kind: 'sourcePort' | 'destinationPort') =>
    fc
      .tuple(fc.constantFrom(6, 17, 132), fc.oneof(portRange, fc.constantFrom(...PORTS)), not)
      .map(([protocol, range, inverted]): FilterMatch[] => [
        protocolIs(protocol),
        { kind, ports: range, ...inverted },
      ])
  const stateless: fc.Arbitrary<readonly FilterMatch[]>[] = [
    one(
      fc
        .tuple(fc.constantFrom('inputLink' as const, 'outputLink' as const), link, not)
        .map(([kind, name, inverted]) => ({ kind, link: name, ...inverted })),
    ),
    one(fc.constantFrom(4 as const, 6 as const).map((family) => ({ kind: 'family', family }))),
    one(
      fc
        .tuple(fc.constantFrom(...PROTOCOLS), not)
        .map(([protocol, inverted]) => ({ kind: 'protocol', protocol, ...inverted })),
    ),
    ports('sourcePort'),
    ports('destinationPort'),
    fc.constantFrom<FilterMatch[]>(
      [protocolIs(1), { kind: 'icmp', type: 8 }],
      [protocolIs(1), { kind: 'icmp', type: 8, code: 1 }],
      [protocolIs(58), { kind: 'icmp', type: 128, code: 0 }],
    ),
    one(
      fc
        .tuple(fc.constantFrom('source' as const, 'destination' as const), address, not)
        .map(([kind, each, inverted]) => ({ kind, prefix: each, ...inverted })),
    ),
    one(
      fc
        .tuple(
          fc.constantFrom(...MARKS),
          fc.constantFrom(0xffff_ffff, 0xff, 0x10, 0xffff_0000),
          not,
        )
        .map(([mark, mask, inverted]) => ({
          kind: 'mark',
          mask,
          value: (mark & mask) >>> 0,
          ...inverted,
        })),
    ),
    one(not.map((inverted) => ({ kind: 'destinationIsLocal', ...inverted }))),
    ...sets.map(({ name, plan }) =>
      not.chain((inverted) =>
        withPort(plan).map((before) => [
          ...before,
          { kind: 'set', set: name, key: plan.fields, ...inverted } as const,
        ]),
      ),
    ),
  ]
  const states = fc.subarray(['new', 'established', 'related', 'invalid', 'untracked'] as const, {
    minLength: 1,
  })
  const stateMatches: fc.Arbitrary<readonly FilterMatch[]>[] = [
    one(states.map((each) => ({ kind: 'connection', states: each }))),
    one(
      fc
        .integer({ min: 1, max: 3 })
        .map((burst) => ({ kind: 'limit', packets: 1, per: 'hour', burst })),
    ),
  ]
  return fc
    .array(fc.oneof(...stateless, ...(stateful ? stateMatches : [])), { maxLength: 2 })
    .map((lists) => lists.flat())
}

/** A key with ports but without the protocol goes with one that has ports. */
function withPort({ fields }: KeyPlan): fc.Arbitrary<readonly FilterMatch[]> {
  const needs = fields.some((field) => field.endsWith('Port')) && !fields.includes('protocol')
  if (!needs) return fc.constant([])
  return fc.constantFrom(6, 17, 132).map((protocol) => [{ kind: 'protocol', protocol } as const])
}

interface Objects {
  readonly sets: readonly (NamedKey & { readonly set: FilterSet })[]
  readonly marks: readonly (NamedKey & { readonly map: FilterMap })[]
  /** Of which chain on each leads. */
  readonly verdicts: readonly (NamedKey & { readonly map: FilterMap; readonly after: number })[]
}

/** No rule asks about both families. */
function isOfOneFamily(rule: FilterRule, { sets, marks, verdicts }: Objects): boolean {
  const named = new Map([...sets, ...marks, ...verdicts].map(({ name, plan }) => [name, plan]))
  const names = [
    ...rule.match.flatMap((each) => (each.kind === 'set' ? each.set : [])),
    ...[rule.mark, rule.verdict].flatMap((each) =>
      typeof each === 'object' && 'map' in each ? each.map : [],
    ),
  ]
  const types = new Set(names.flatMap((name) => named.get(name)!.types))
  return !(types.has('ipv4') && types.has('ipv6'))
}

function rule(
  objects: Objects,
  after: number,
  stateful: boolean,
): fc.Arbitrary<Omit<FilterRule, 'counter'>> {
  const lookups = objects.verdicts.filter((each) => each.after >= after)
  const change = fc
    .tuple(fc.constantFrom(...MARKS), fc.constantFrom(0xffff_ffff, 0xf, 0x10))
    .map(([mark, mask]) => ({ mask, value: (mark & mask) >>> 0 }))
  const noPorts = (each: NamedKey): boolean =>
    !each.plan.fields.some((field) => field.endsWith('Port')) ||
    each.plan.fields.includes('protocol')
  const asLookup = (each: NamedKey) => ({ map: each.name, key: each.plan.fields })
  const verdict: fc.Arbitrary<FilterVerdict | undefined> = fc.oneof(
    fc.constant(undefined),
    mappedVerdict(after),
    ...lookups.filter(noPorts).map((each) => fc.constant(asLookup(each))),
  )
  const mark = fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: change },
    ...objects.marks
      .filter(noPorts)
      .map((each) => ({ weight: 1, arbitrary: fc.constant(asLookup(each)) })),
  )
  const connectionMark = stateful
    ? fc.constantFrom(undefined, undefined, undefined, 'save' as const, 'restore' as const)
    : fc.constant(undefined)
  return fc
    .tuple(match(objects.sets, stateful), verdict, mark, connectionMark)
    .map(([matches, decided, marked, moved]) => ({
      match: matches,
      ...(marked === undefined ? {} : { mark: marked }),
      ...(moved === undefined ? {} : { connectionMark: moved }),
      ...(decided === undefined ? {} : { verdict: decided }),
    }))
    .filter((made) => isOfOneFamily(made, objects))
}

/** What the network itself says by IPv6 goes by no rule that counts. */
const NOISE: readonly FilterRule[] = [
  { match: [{ kind: 'source', prefix: prefix('fe80::/10') }], verdict: 'accept' },
  { match: [{ kind: 'destination', prefix: prefix('ff00::/8') }], verdict: 'accept' },
]

/** Every rule counts by itself. */
function counting(chain: string, rules: readonly Omit<FilterRule, 'counter'>[]): FilterRule[] {
  return rules.map((each, index) => ({ ...each, counter: `${chain}-${index}` }))
}

/** A table of base chains at every hook where packets pass, chains behind them, sets and maps. */
export function randomTable({ stateful }: RandomFilterOptions): fc.Arbitrary<FilterTable> {
  const objects: fc.Arbitrary<Objects> = fc.record({
    sets: fc.tuple(set('s0'), set('s1'), set('s2')),
    marks: fc.tuple(markMap('m0')),
    verdicts: fc.tuple(
      verdictMap('v0', 0).map((each) => ({ ...each, after: 0 })),
      verdictMap('v2', 2).map((each) => ({ ...each, after: 2 })),
    ),
  })
  return objects.chain((made) => {
    const rules = (after: number) => fc.array(rule(made, after, stateful), { maxLength: 5 })
    const base = fc
      .tuple(
        fc.constantFrom(...HOOKS),
        fc.constantFrom(-300, -150, 0, 10),
        fc.constantFrom('accept' as const, 'accept' as const, 'drop' as const),
        rules(0),
      )
      .map(([hook, priority, policy, list]) => ({ hook, priority, policy, list }))
    return fc
      .tuple(
        fc.uniqueArray(base, {
          minLength: 1,
          maxLength: 4,
          selector: ({ hook, priority }) => `${hook} ${priority}`,
        }),
        fc.tuple(...CHAINS.map((_, index) => rules(index + 1))),
      )
      .map(([bases, chains]): FilterTable => ({
        name: 'test',
        sets: made.sets.map((each) => each.set),
        maps: [...made.marks, ...made.verdicts].map((each) => each.map),
        chains: [
          ...bases.map(({ hook, priority, policy, list }): BaseChain => {
            const name = `${hook}${priority < 0 ? 'm' : 'p'}${Math.abs(priority)}`
            const own = [...NOISE, ...counting(name, list)]
            return { name, type: 'filter', hook, priority, policy, rules: own }
          }),
          ...chains.map((list, index) => ({
            name: CHAINS[index]!,
            rules: counting(CHAINS[index]!, list),
          })),
        ],
      }))
  })
}
