import { familyOf } from '../net/ip-address.ts'
import { isHostPrefix, prefixFamily } from '../net/prefix.ts'
import {
  FIELD_TYPES,
  type FilterLookupTable,
  isIntervalKey,
  isLookup,
  keyFamily,
  keyText,
  keyValues,
  lookupsOf,
  overlapIn,
  portRange,
  verdictChain,
} from './filter-keys.ts'
import { KernelError } from './kernel.ts'
import type {
  BaseChain,
  FilterChain,
  FilterFieldType,
  FilterMatch,
  FilterRule,
  FilterTable,
  FilterValue,
  PacketField,
} from './packet-filter.ts'

/** Room for a NUL in the sixteen octets of a link's name (linux/if.h IFNAMSIZ). */
const LINK_NAME_MAX = 15
const NAME = /^[a-zA-Z][a-zA-Z0-9_-]{0,30}$/
/** NF_LOG_PREFIXLEN, and what nft reads of a comment. */
const TEXT_OCTETS_MAX = 127
const PROTOCOL = { icmp: 1, tcp: 6, icmp6: 58 } as const
/** TCP, UDP, DCCP, SCTP, UDP-Lite. */
const PROTOCOLS_WITH_PORTS: ReadonlySet<unknown> = new Set([6, 17, 33, 132, 136])
/** newSource gives ports to these alone. */
const PROTOCOLS_OF_NEW_PORTS: ReadonlySet<unknown> = new Set([6, 17])
/** NFT_JUMP_STACK_SIZE: chains that a packet can be inside of, one behind the other. */
const DEPTH_MAX = 16

/** Throws EINVAL, saying which object and why, for a table that no kernel could make. */
export function checkFilterTable(table: FilterTable): void {
  const lookups = new Map<string, FilterLookupTable>()
  for (const each of [...table.sets, ...(table.maps ?? [])]) lookups.set(each.name, each)
  const facts: TableFacts = {
    lookups,
    chains: new Map(table.chains.map((chain) => [chain.name, chain])),
    flowtables: new Set((table.flowtables ?? []).map(({ name }) => name)),
  }
  const fault = tableFault(table, facts) ?? chainsFault(table, facts)
  if (fault !== undefined) {
    const what = `Unable to make table ${table.name} of the packet filter`
    throw new KernelError('EINVAL', `${what}: ${fault}`)
  }
}

interface TableFacts {
  readonly lookups: ReadonlyMap<string, FilterLookupTable>
  readonly chains: ReadonlyMap<string, FilterChain>
  readonly flowtables: ReadonlySet<string>
}

function tableFault(table: FilterTable, facts: TableFacts): string | undefined {
  const { sets, maps = [], flowtables = [], chains } = table
  const objects = [...sets, ...maps, ...flowtables, ...chains]
  const counters = chains.flatMap(({ rules }) => rules.flatMap(({ counter }) => counter ?? []))
  const bad = [table.name, ...objects.map(({ name }) => name), ...counters].find(
    (name) => !NAME.test(name),
  )
  if (bad !== undefined) return `"${bad}" is no name`
  for (const list of [[...sets, ...maps], chains, flowtables]) {
    const seen = new Set<string>()
    for (const { name } of list) {
      if (seen.has(name)) return `two of its sets or two of its chains have one name: ${name}`
      seen.add(name)
    }
  }
  return first([...sets, ...maps], (lookup) => lookupFault(lookup, facts.chains))
}

function first<Value>(
  values: Iterable<Value>,
  faultOf: (value: Value) => string | undefined,
): string | undefined {
  for (const value of values) {
    const fault = faultOf(value)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** Whether a value can stand in a field of a key, alone or as one of several. */
const VALUE_FAULTS: Readonly<
  Record<FilterFieldType, (value: FilterValue, alone: boolean) => string | undefined>
> = {
  ipv4: (value, alone) => prefixFault(value, 4, alone),
  ipv6: (value, alone) => prefixFault(value, 6, alone),
  protocol: (value) => numberFault(value, 0, 0xff, 'protocol'),
  port: (value, alone) => portFault(value, alone),
  link: (value) =>
    typeof value === 'object' && 'link' in value && isLinkName(value.link)
      ? undefined
      : `${valueShown(value)} is no name of a link`,
  mark: (value) => numberFault(value, 0, 0xffff_ffff, 'mark'),
}

function valueShown(value: FilterValue): string {
  if (typeof value !== 'object') return String(value)
  return 'link' in value ? value.link : JSON.stringify(value)
}

function prefixFault(value: FilterValue, family: 4 | 6, alone: boolean): string | undefined {
  if (typeof value !== 'string' || prefixFamily(value) !== family) {
    return `${valueShown(value)} is not IPv${family}`
  }
  return alone || isHostPrefix(value)
    ? undefined
    : `${value} is no single address, as a key of several fields needs`
}

function numberFault(
  value: FilterValue,
  least: number,
  most: number,
  what: string,
): string | undefined {
  const isOne = typeof value === 'number' && Number.isInteger(value) && value >= least
  return isOne && value <= most ? undefined : `${valueShown(value)} is no ${what}`
}

function portFault(value: FilterValue, alone: boolean): string | undefined {
  if (typeof value === 'string' || (typeof value === 'object' && 'link' in value)) {
    return `${valueShown(value)} is no port`
  }
  if (typeof value === 'object' && !alone) {
    return `${valueShown(value)} is no single port, as a key of several fields needs`
  }
  const { first: low, last: high } = portRange(value)
  const fault = numberFault(low, 0, 0xffff, 'port') ?? numberFault(high, 0, 0xffff, 'port')
  return fault ?? (low <= high ? undefined : `${low} to ${high} is no range of ports`)
}

function lookupFault(lookup: FilterLookupTable, chains: TableFacts['chains']): string | undefined {
  const { name, key } = lookup
  const where = 'entries' in lookup ? `map ${name}` : `set ${name}`
  if (key.length === 0) return `${where}: its key has no field`
  const keys = 'entries' in lookup ? lookup.entries.map(([each]) => each) : lookup.elements
  for (const each of keys) {
    const values = keyValues(each)
    if (values.length !== key.length) {
      return `${keyText(each)} in ${where} has not one value for each of ${key.join(', ')}`
    }
    const alone = isIntervalKey(key)
    const fault = first(values.entries(), ([at, value]) => VALUE_FAULTS[key[at]!](value, alone))
    if (fault !== undefined) return `${where}: ${fault}`
  }
  const overlap = overlapIn(lookup)
  if (overlap !== undefined) return `${where}: ${overlap}`
  if (!('entries' in lookup)) return undefined
  const texts = new Set(keys.map(keyText))
  if (texts.size < keys.length) return `${where}: two of its entries have one key`
  const entries: readonly (readonly [unknown, unknown])[] = lookup.entries
  return first(entries, ([, value]) => {
    const fault =
      lookup.value === 'mark'
        ? numberFault(value as number, 0, 0xffff_ffff, 'mark')
        : chainFault(value as FilterRule['verdict'], chains)
    return fault === undefined ? undefined : `${where}: ${fault}`
  })
}

function chainFault(
  verdict: FilterRule['verdict'],
  chains: TableFacts['chains'],
): string | undefined {
  const to = verdictChain(verdict)
  if (to === undefined) return undefined
  const chain = chains.get(to)
  if (chain === undefined) return `there is no chain ${to}`
  return chain.hook === undefined ? undefined : `${to} is a base chain, which nobody can jump to`
}

function chainsFault({ chains }: FilterTable, facts: TableFacts): string | undefined {
  return (
    first(chains, (chain) => {
      const fault = baseFault(chain)
      if (fault !== undefined) return `chain ${chain.name}: ${fault}`
      return inRules(chain, (rule) => ruleFault(rule, facts))
    }) ??
    first(chains, (chain) => (chain.hook === undefined ? undefined : reachFault(chain, facts)))
  )
}

function inRules(
  chain: FilterChain,
  faultOf: (rule: FilterRule) => string | undefined,
): string | undefined {
  return first(chain.rules.entries(), ([index, rule]) => {
    const fault = faultOf(rule)
    return fault === undefined ? undefined : `rule ${index + 1} of chain ${chain.name}: ${fault}`
  })
}

function baseFault(chain: FilterChain): string | undefined {
  return chain.hook !== undefined && chain.type === 'nat' && chain.hook !== 'postrouting'
    ? 'a chain of type nat belongs to the hook postrouting'
    : undefined
}

/** What packets of a base chain can meet, by whatever jumps: what a hook forbids, loops, too many jumps. */
function reachFault(base: BaseChain, facts: TableFacts): string | undefined {
  const done = new Map<string, number>()
  const visit = (chain: FilterChain, path: readonly string[]): string | undefined => {
    if (path.includes(chain.name)) {
      return `chain ${chain.name} leads to itself: ${[...path, chain.name].join(', ')}`
    }
    if (path.length >= DEPTH_MAX) {
      return `${[...path, chain.name].join(', ')}: more than ${DEPTH_MAX} chains one behind the other`
    }
    if ((done.get(chain.name) ?? -1) >= path.length) return undefined
    done.set(chain.name, path.length)
    const fault = inRules(chain, (rule) => hookFault(base, rule))
    if (fault !== undefined) return fault
    const targets = new Set(chain.rules.flatMap((rule) => targetsOf(rule, facts)))
    const inside = [...path, chain.name]
    return first(targets, (name) => visit(facts.chains.get(name)!, inside))
  }
  return visit(base, [])
}

/** Chains that a rule can lead to. */
function targetsOf({ verdict }: FilterRule, { lookups }: TableFacts): readonly string[] {
  if (!isLookup(verdict)) return [verdictChain(verdict) ?? []].flat()
  const map = lookups.get(verdict.map)
  if (map === undefined || !('entries' in map) || map.value !== 'verdict') return []
  return map.entries.flatMap(([, each]) => verdictChain(each) ?? [])
}

function hookFault({ type, hook, priority }: BaseChain, rule: FilterRule): string | undefined {
  const { verdict, match } = rule
  if (isMasquerade(verdict) && type !== 'nat') return 'only chains of type nat masquerade'
  if (verdict === 'drop' && type === 'nat') return 'chains of type nat do not drop'
  if (isRejection(verdict) && (type === 'nat' || !REJECTING.has(hook))) {
    return 'only packets in prerouting, input, forward and output are rejected'
  }
  if (match.some(({ kind }) => kind === 'sourceIsElsewhere') && hook !== 'prerouting') {
    return 'only packets in prerouting are asked for the way back'
  }
  if (rule.offload !== undefined && hook !== 'forward')
    return 'only forwarded packets are offloaded'
  if (rule.untracked === true && priority >= TRACKING_PRIORITY) {
    return 'packets are tracked before they come here'
  }
  return undefined
}

const REJECTING: ReadonlySet<string> = new Set(['prerouting', 'input', 'forward', 'output'])
/** NF_IP_PRI_CONNTRACK. */
const TRACKING_PRIORITY = -200

function isMasquerade(verdict: FilterRule['verdict']): boolean {
  return verdict === 'masquerade' || verdict === 'masqueradeRandomly'
}

function isRejection(verdict: FilterRule['verdict']): verdict is { reject: 'tcpReset' } {
  return typeof verdict === 'object' && 'reject' in verdict
}

function ruleFault(rule: FilterRule, facts: TableFacts): string | undefined {
  const { verdict, mark } = rule
  return (
    first(rule.match, matchFault) ??
    protocolFault(rule) ??
    first(lookupsOf(rule), (lookup) => useFault(lookup, facts)) ??
    familyFault(rule, facts) ??
    chainFault(verdict, facts.chains) ??
    sourceFault(rule, facts) ??
    (isRejection(verdict) &&
    verdict.reject === 'tcpReset' &&
    protocolOf(rule.match) !== PROTOCOL.tcp
      ? 'a reset goes with the protocol 6 (TCP)'
      : undefined) ??
    (rule.offload === undefined || facts.flowtables.has(rule.offload)
      ? undefined
      : `there is no flowtable ${rule.offload}`) ??
    (mark === undefined || isLookup(mark) ? undefined : maskFault(mark.mask, mark.value)) ??
    textFault(rule.comment, 'a comment') ??
    textFault(rule.log?.prefix, 'what is logged')
  )
}

function textFault(text: string | undefined, what: string): string | undefined {
  return Buffer.byteLength(text ?? '') > TEXT_OCTETS_MAX || text?.includes('\0') === true
    ? `${what} has at most ${TEXT_OCTETS_MAX} octets, and no NUL`
    : undefined
}

function matchFault(match: FilterMatch): string | undefined {
  switch (match.kind) {
    case 'inputLink':
    case 'outputLink':
      return isLinkPattern(match.link) ? undefined : `${match.link} is no name of a link`
    case 'protocol':
      return numberFault(match.protocol, 0, 0xff, 'protocol')
    case 'sourcePort':
    case 'destinationPort':
      return portFault(match.ports, true)
    case 'icmp':
      return (
        numberFault(match.type, 0, 0xff, 'type of ICMP') ??
        numberFault(match.code ?? 0, 0, 0xff, 'code of ICMP')
      )
    case 'mark':
      return maskFault(match.mask, match.value)
    case 'connection':
      return match.states.length === 0 ? 'it matches no state of a connection' : undefined
    case 'limit':
      return (
        numberFault(match.packets, 1, 0xffff_ffff, 'number of packets') ??
        numberFault(match.burst, 1, 0xffff_ffff, 'number of packets')
      )
    case 'family':
    case 'source':
    case 'destination':
    case 'set':
    case 'destinationIsLocal':
    case 'sourceIsElsewhere':
      return undefined
  }
}

function maskFault(mask: number, value: number): string | undefined {
  const fault =
    numberFault(mask, 0, 0xffff_ffff, 'mask') ?? numberFault(value, 0, 0xffff_ffff, 'mark')
  return fault ?? ((value & ~mask) === 0 ? undefined : `${value} has bits outside the mask ${mask}`)
}

function isLinkName(text: string): boolean {
  return text.length > 0 && text.length <= LINK_NAME_MAX && /^[^/\s*]+$/.test(text)
}

function isLinkPattern(text: string): boolean {
  return isLinkName(text.endsWith('*') ? text.slice(0, -1) : text) && text.length <= LINK_NAME_MAX
}

/** The protocol that packets which match have for certain. */
function protocolOf(match: readonly FilterMatch[]): number | undefined {
  const last = match.findLast((each) => each.kind === 'protocol' && each.not !== true)
  return last?.kind === 'protocol' ? last.protocol : undefined
}

/** What lies behind the IP header means something only once the protocol is known. */
function protocolFault({ match, mark, verdict }: FilterRule): string | undefined {
  let protocol: number | undefined
  for (const each of match) {
    if (each.kind === 'protocol' && each.not !== true) protocol = each.protocol
    if (asksForPort(each) && !PROTOCOLS_WITH_PORTS.has(protocol)) return PORT_FAULT
    if (each.kind === 'icmp' && protocol !== PROTOCOL.icmp && protocol !== PROTOCOL.icmp6) {
      return 'a type of ICMP goes with the protocol 1 (ICMP) or 58 (ICMPv6), matched before'
    }
  }
  const isKnown = PROTOCOLS_WITH_PORTS.has(protocol)
  const asks = [mark, verdict].some((each) => isLookup(each) && hasPortAlone(each.key))
  return asks && !isKnown ? PORT_FAULT : undefined
}

const PORT_FAULT = 'a port goes with the protocol 6 (TCP), 17 (UDP), 33, 132 or 136, matched before'

function asksForPort(match: FilterMatch): boolean {
  if (match.kind === 'set') return hasPortAlone(match.key)
  return match.kind === 'sourcePort' || match.kind === 'destinationPort'
}

/** Without the protocol beside it. */
function hasPortAlone(key: readonly PacketField[]): boolean {
  return !key.includes('protocol') && key.some((field) => PORTS.has(field))
}

const PORTS: ReadonlySet<PacketField> = new Set(['sourcePort', 'destinationPort'])

function useFault(
  { name, key, of }: ReturnType<typeof lookupsOf>[number],
  { lookups }: TableFacts,
): string | undefined {
  const lookup = lookups.get(name)
  const isMap = lookup !== undefined && 'entries' in lookup
  if (lookup === undefined || isMap === (of === 'set')) {
    return `there is no ${of === 'set' ? 'set' : 'map'} ${name}`
  }
  if (isMap && lookup.value !== of) return `map ${name} holds no ${of}`
  const fits =
    key.length === lookup.key.length &&
    key.every((field, index) => FIELD_TYPES[field].includes(lookup.key[index]!))
  if (!fits)
    return `${key.join(', ')} is not looked up in ${name}, whose key is ${lookup.key.join(', ')}`
  return undefined
}

function familyFault(rule: FilterRule, { lookups }: TableFacts): string | undefined {
  const families = new Set(
    lookupsOf(rule).map(({ name }) => keyFamily(lookups.get(name)?.key ?? [])),
  )
  return families.has(4) && families.has(6) ? 'no packet is both IPv4 and IPv6' : undefined
}

function sourceFault(rule: FilterRule, { lookups }: TableFacts): string | undefined {
  const { verdict, newSource } = rule
  if (newSource === undefined) return undefined
  const { address, ports } = newSource
  if (!isMasquerade(verdict)) return 'only a rule that masquerades has a new source'
  if (ports !== undefined && !PROTOCOLS_OF_NEW_PORTS.has(protocolOf(rule.match))) {
    return 'a port goes with the protocol 6 (TCP) or 17 (UDP)'
  }
  const [low, high] = ports ?? [1, 1]
  if (low < 1 || high < low || high > 0xffff) return `${low} to ${high} is no range of ports`
  if (address === undefined) return undefined
  const families = lookupsOf(rule).map(({ name }) => keyFamily(lookups.get(name)!.key))
  return families.includes(familyOf(address))
    ? undefined
    : `no set of it has the family of ${address}`
}
