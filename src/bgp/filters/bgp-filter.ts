import { UserError } from '../../lib/errors.ts'
import type { BGPFilterRule } from '../../model/bgp-filter.ts'
import { addressBits } from '../../net/ip-address.ts'
import { prefixFamily } from '../../net/prefix.ts'
import type { AsPathSegment, RouteAttributes } from '../route-attributes.ts'
import { hasCommunity, parseCommunityValue, withCommunity } from './communities.ts'
import type { FilterRoute, RouteVerdict } from './filter-route.ts'
import { isSame, isWithin, type PrefixOctets, prefixOctets } from './prefix-set.ts'
import { priorityOf, withPriority } from './route-priority.ts'

/**
 * Calico's BGPFilter: rules in order, the first that matches decides, and where none does the default of
 * the direction applies (import: accept; export: `calicoExport`). A rule without conditions matches all.
 */
export type BgpFilter = (route: FilterRoute) => RouteVerdict | undefined

type Condition = (route: FilterRoute, prefix: PrefixOctets) => boolean
type Operation = (attributes: RouteAttributes) => RouteAttributes

interface CompiledRule {
  readonly name: string
  readonly conditions: readonly Condition[]
  readonly operations: readonly Operation[]
  readonly accept: boolean
}

/**
 * The filter that a list of rules describes.
 *
 * @param name what verdicts call it: "BGPFilter drop-defaults exportV4"
 * @throws UserError that names the rule and field, for values that the resource's schema lets through
 */
export function compileBgpFilter(name: string, rules: readonly BGPFilterRule[]): BgpFilter {
  const compiled = rules.map((rule, at) => compileRule(`${name}[${at}]`, rule))
  return (route) => {
    const prefix = prefixOctets(route.prefix)
    for (const rule of compiled) {
      if (!rule.conditions.every((condition) => condition(route, prefix))) continue
      if (!rule.accept) return { accept: false, because: rule.name }
      const attributes = rule.operations.reduce((sum, each) => each(sum), route.attributes)
      return { accept: true, attributes, because: rule.name }
    }
    return undefined
  }
}

function compileRule(name: string, rule: BGPFilterRule): CompiledRule {
  return {
    name,
    conditions: CONDITIONS.flatMap((compile) => compile(rule, name) ?? []),
    operations: (rule.operations ?? []).flatMap((operation) => compileOperation(operation, name)),
    accept: rule.action === 'Accept',
  }
}

function invalid(where: string, value: unknown, expected: string): UserError {
  return new UserError(`${where} is ${JSON.stringify(value)}: expected ${expected}`)
}

/** All that a rule can ask for; what it does not mention it does not ask for. */
const CONDITIONS: readonly ((rule: BGPFilterRule, name: string) => Condition | undefined)[] = [
  compileCidr,
  ({ source }) => (source === 'RemotePeers' ? ({ isFromBgp }) => isFromBgp : undefined),
  (rule) => {
    if (rule.interface === undefined) return undefined
    const pattern = glob(rule.interface)
    return (route) => route.interface !== undefined && pattern.test(route.interface)
  },
  ({ peerType }) => (peerType === undefined ? undefined : (route) => route.peerType === peerType),
  compileCommunities,
  ({ asPathPrefix }) =>
    asPathPrefix === undefined || asPathPrefix.length === 0
      ? undefined
      : ({ attributes }) => startsWith(attributes.asPath, asPathPrefix),
  ({ priority }) =>
    priority === undefined ? undefined : ({ attributes }) => priorityOf(attributes) === priority,
]

/** `net = cidr`, `!=`, `~`, `!~`; with lengths `net ~ [cidr{max(min, length), max}]` and its negation. */
function compileCidr(rule: BGPFilterRule): Condition | undefined {
  if (rule.cidr === undefined) return undefined
  const outer = prefixOctets(rule.cidr)
  const operator = rule.matchOperator ?? 'Equal'
  const isEqual = operator === 'Equal' || operator === 'NotEqual'
  const isNegated = operator === 'NotEqual' || operator === 'NotIn'
  const least = Math.max(outer.length, rule.prefixLength?.min ?? 0)
  const most = rule.prefixLength?.max ?? addressBits(prefixFamily(rule.cidr))
  return (_, inner) => {
    const matches = isEqual ? isSame(inner, outer) : isWithin(inner, outer)
    return (matches && inner.length >= least && inner.length <= most) !== isNegated
  }
}

function compileCommunities(rule: BGPFilterRule, name: string): Condition | undefined {
  const values = rule.communities?.values ?? []
  if (values.length === 0) return undefined
  const communities = values.map((text) => communityOf(text, `${name}.communities.values`))
  return ({ attributes }) => communities.every((one) => hasCommunity(attributes, one))
}

function communityOf(text: string, where: string) {
  const community = parseCommunityValue(text)
  if (community === undefined) throw invalid(where, text, 'a community aa:nn or aa:nn:mm')
  return community
}

/** BIRD's patterns: `*` any characters, `?` any one. */
function glob(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's')
}

/** `bgp_path ~ [= a b * =]`; a set never equals a number. */
function startsWith(path: readonly AsPathSegment[], wanted: readonly number[]): boolean {
  const numbers: (number | undefined)[] = []
  for (const { kind, asns } of path) {
    if (kind === 'sequence') numbers.push(...asns)
    else numbers.push(undefined)
    if (numbers.length >= wanted.length) break
  }
  return wanted.every((asn, at) => numbers[at] === asn)
}

type RuleOperation = NonNullable<BGPFilterRule['operations']>[number]

function compileOperation(operation: RuleOperation, name: string): Operation[] {
  const { addCommunity, prependASPath, setPriority } = operation
  const found: Operation[] = []
  if (addCommunity !== undefined) {
    const where = `${name}.operations.addCommunity.value`
    const community = communityOf(addCommunity.value, where)
    found.push((attributes) => withCommunity(attributes, community))
  }
  if (prependASPath !== undefined) {
    found.push((attributes) => prepend(attributes, prependASPath.prefix))
  }
  if (setPriority !== undefined) {
    found.push((attributes) => withPriority(attributes, setPriority.value))
  }
  return found
}

/** The path begins with `numbers` in this order. */
function prepend(attributes: RouteAttributes, numbers: readonly number[]): RouteAttributes {
  if (numbers.length === 0) return attributes
  const [first, ...rest] = attributes.asPath
  const asPath: readonly AsPathSegment[] =
    first?.kind === 'sequence'
      ? [{ kind: 'sequence', asns: [...numbers, ...first.asns] }, ...rest]
      : [{ kind: 'sequence', asns: [...numbers] }, ...attributes.asPath]
  return { ...attributes, asPath }
}
