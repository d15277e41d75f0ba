import { prefixAddress, prefixFamily, prefixLength } from '../../../net/prefix.ts'
import { portRange } from '../../filter-keys.ts'
import type { FilterMatch } from '../../packet-filter.ts'
import { addrFamily, addrFromText, isLoopbackAddr, maskAddr } from '../routing/addr.ts'
import type { Device } from '../links/device.ts'
import type { Namespace } from '../namespace.ts'
import { connectionState } from './connections.ts'
import { type FilteredPacket, portAt } from './filtered-packet.ts'
import type { LiveLookup } from './live-lookup.ts'
import { sourceIsElsewhere } from './source-is-elsewhere.ts'

/** What a rule is matched in. */
export interface MatchContext {
  readonly namespace: Namespace
  readonly lookups: ReadonlyMap<string, LiveLookup>
}

/** Limits have a state, which is their rule's. */
export type StatelessMatch = Exclude<FilterMatch, { readonly kind: 'limit' }>
type Kind = StatelessMatch['kind']
/** Undefined where the packet lacks what is asked for: it does not match, with or without `not`. */
type Matcher<Of extends Kind> = (
  match: Extract<StatelessMatch, { readonly kind: Of }>,
  packet: FilteredPacket,
  context: MatchContext,
) => boolean | undefined

const MATCHERS: { readonly [Of in Kind]: Matcher<Of> } = {
  inputLink: ({ link }, { input }) => isLink(link, input),
  outputLink: ({ link }, { output }) => isLink(link, output),
  family: ({ family }, { source }) => addrFamily(source) === family,
  protocol: ({ protocol }, packet) => packet.protocol === protocol,
  sourcePort: ({ ports }, packet) => isPort(ports, portAt(packet, 0)),
  destinationPort: ({ ports }, packet) => isPort(ports, portAt(packet, 2)),
  icmp: ({ type, code }, packet) => {
    const both = portAt(packet, 0)
    if (both === undefined) return undefined
    return both >>> 8 === type && (code === undefined || (both & 0xff) === code)
  },
  source: ({ prefix }, { source }) => isIn(prefix, source),
  destination: ({ prefix }, { destination }) => isIn(prefix, destination),
  set: ({ set, key }, packet, { lookups }) => {
    const found = lookups.get(set)!.find(packet, key)
    return found === undefined ? undefined : found !== 'absent'
  },
  mark: ({ mask, value }, { meta }) => (meta.mark & mask) >>> 0 === value,
  connection: ({ states }, { meta }) => states.includes(connectionState(meta)),
  destinationIsLocal: (_, { destination }, { namespace }) =>
    namespace.isLocal(destination) ||
    (typeof destination === 'number' && isLoopbackAddr(destination)),
  sourceIsElsewhere: (_, packet, { namespace }) =>
    packet.input !== undefined && sourceIsElsewhere(namespace, packet, packet.input),
}

export function matchesPacket(
  match: StatelessMatch,
  packet: FilteredPacket,
  context: MatchContext,
): boolean {
  const matcher = MATCHERS[match.kind] as Matcher<Kind>
  const holds = matcher(match, packet, context)
  return holds !== undefined && holds !== ('not' in match && match.not)
}

function isLink(pattern: string, device: Device | undefined): boolean {
  const name = device?.name ?? ''
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name
}

function isPort(
  ports: Extract<FilterMatch, { kind: 'sourcePort' }>['ports'],
  port: number | undefined,
): boolean | undefined {
  const { first, last } = portRange(ports)
  return port === undefined ? undefined : port >= first && port <= last
}

function isIn(
  prefix: Extract<FilterMatch, { kind: 'source' }>['prefix'],
  addr: FilteredPacket['source'],
): boolean | undefined {
  if (addrFamily(addr) !== prefixFamily(prefix)) return undefined
  return maskAddr(addr, prefixLength(prefix)) === addrFromText(prefixAddress(prefix))
}
