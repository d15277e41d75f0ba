import { familyOf } from '../net/ip-address.ts'
import { covers, isHostPrefix, type Prefix, sortedPrefixes } from '../net/prefix.ts'
import { KernelError } from './kernel.ts'
import type { FilterChain, FilterMatch, FilterRule, FilterTable } from './packet-filter.ts'

/** Room for a NUL in the sixteen octets of a link's name (linux/if.h IFNAMSIZ). */
const LINK_NAME_MAX = 15
const NAME = /^[a-zA-Z][a-zA-Z0-9_-]{0,30}$/
const PROTOCOLS_WITH_PORTS: readonly unknown[] = [6, 17]

/** Throws EINVAL, saying which rule and why, for a table that no kernel could make. */
export function checkFilterTable(table: FilterTable): void {
  const families = new Map(table.sets.map(({ name, family }) => [name, family]))
  const names = [table, ...table.sets, ...table.chains].map(({ name }) => name)
  const counters = table.chains.flatMap(({ rules }) =>
    rules.flatMap(({ counter }) => counter ?? []),
  )
  for (const name of [...names, ...counters]) {
    if (!NAME.test(name)) throw invalid(table, `"${name}" is no name`)
  }
  for (const list of [table.sets, table.chains]) {
    if (new Set(list.map(({ name }) => name)).size < list.length) {
      throw invalid(table, 'two of its sets or two of its chains have one name')
    }
  }
  for (const { name, family, prefixes } of table.sets) {
    const other = prefixes.find((prefix) => prefix.includes(':') !== (family === 6))
    if (other !== undefined) throw invalid(table, `${other} in set ${name} is not IPv${family}`)
  }
  for (const chain of table.chains) {
    const fault = chainFault(chain)
    if (fault !== undefined) throw invalid(table, `chain ${chain.name}: ${fault}`)
    for (const [index, rule] of chain.rules.entries()) {
      const why =
        ruleFault(chain, rule) ?? setFault(rule.match, families) ?? sourceFault(rule, families)
      if (why !== undefined)
        throw invalid(table, `rule ${index + 1} of chain ${chain.name}: ${why}`)
    }
  }
}

function invalid(table: FilterTable, why: string): KernelError {
  return new KernelError(
    'EINVAL',
    `Unable to make table ${table.name} of the packet filter: ${why}`,
  )
}

function chainFault({ type, hook }: FilterChain): string | undefined {
  return type === 'nat' && hook !== 'postrouting'
    ? 'a chain of type nat belongs to the hook postrouting'
    : undefined
}

function ruleFault(chain: FilterChain, rule: FilterRule): string | undefined {
  const { match, verdict } = rule
  if (verdict.startsWith('masquerade') && chain.type !== 'nat')
    return 'only chains of type nat masquerade'
  if (verdict === 'drop' && chain.type === 'nat') return 'chains of type nat do not drop'
  if (match.sourceIsElsewhere === true && chain.hook !== 'prerouting') {
    return 'only packets in prerouting are asked for the way back'
  }
  if (match.destinationPort !== undefined && !PROTOCOLS_WITH_PORTS.includes(match.protocol)) {
    return 'a port goes with the protocol 6 (TCP) or 17 (UDP)'
  }
  const links = [match.inputLink, match.notInputLink, match.outputLink]
  if (links.some((link) => link !== undefined && !isLinkPattern(link))) {
    return `${links.join(' ')} is no name of a link`
  }
  return undefined
}

function isLinkPattern(text: string): boolean {
  return text.length <= LINK_NAME_MAX && /^[^/\s*]+\*?$/.test(text)
}

function setFault(match: FilterMatch, families: ReadonlyMap<string, 4 | 6>): string | undefined {
  const used = [match.source, match.destination].flatMap((each) => each?.set ?? [])
  const unknown = used.find((name) => !families.has(name))
  if (unknown !== undefined) return `there is no set ${unknown}`
  return new Set(used.map((name) => families.get(name))).size > 1
    ? 'no packet is both IPv4 and IPv6'
    : undefined
}

function sourceFault(
  { match, verdict, newSource }: FilterRule,
  families: ReadonlyMap<string, 4 | 6>,
): string | undefined {
  if (newSource === undefined) return undefined
  const { address, ports } = newSource
  if (!verdict.startsWith('masquerade')) return 'only a rule that masquerades has a new source'
  if (ports !== undefined && !PROTOCOLS_WITH_PORTS.includes(match.protocol)) {
    return 'a port goes with the protocol 6 (TCP) or 17 (UDP)'
  }
  const [first, last] = ports ?? [1, 1]
  if (first < 1 || last < first || last > 0xffff) return `${first} to ${last} is no range of ports`
  if (address === undefined) return undefined
  const family = families.get((match.source ?? match.destination)?.set ?? '')
  return family === familyOf(address) ? undefined : `no set of it has the family of ${address}`
}

/** The prefixes without those that lie in others, in order of address: what a kernel keeps of a set. */
export function distinctPrefixes(prefixes: readonly Prefix[]): readonly Prefix[] {
  const kept: Prefix[] = []
  for (const prefix of sortedPrefixes(prefixes)) {
    const last = kept.at(-1)
    const isWithin =
      last !== undefined && (isHostPrefix(last) ? last === prefix : covers(last, prefix))
    if (!isWithin) kept.push(prefix)
  }
  return kept
}
