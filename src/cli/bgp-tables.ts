import { formatAsPath } from '../bgp/route-attributes.ts'
import type { RibPathDocument } from '../api/bgp-documents.ts'
import type { FamilyStatus, NeighborStatus, RouteHistoryEntry } from '../bgp/status.ts'
import { printable } from '../lib/printable.ts'
import { table } from '../lib/table.ts'
import { formatCommunity, formatLargeCommunity } from '../wire/bgp/communities.ts'

/** "3d04h", "02:03:04": how long something has been so. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  const hours = seconds / 3600
  if (hours >= 24) return `${Math.floor(hours / 24)}d${two(hours % 24)}h`
  return `${two(hours)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`
}

/** Neighbors, one a line, and under the table why those that are down are. */
export function neighborsTable(neighbors: readonly NeighborStatus[], now: number): string {
  if (neighbors.length === 0) return 'There are no neighbors.\n'
  const rows = neighbors.map((neighbor) => [
    neighbor.address,
    String(neighbor.remoteAs),
    neighbor.state,
    formatDuration(now - neighbor.since),
    sum(neighbor, 'received'),
    sum(neighbor, 'accepted'),
    sum(neighbor, 'advertised'),
    neighbor.description ?? '',
  ])
  const header = [
    'NEIGHBOR',
    'AS',
    'STATE',
    'SINCE',
    'RECEIVED',
    'ACCEPTED',
    'ADVERTISED',
    'DESCRIPTION',
  ]
  const reasons = neighbors.flatMap((neighbor) => {
    const why = whyDown(neighbor)
    return why === undefined ? [] : [`${neighbor.address}: ${why}\n`]
  })
  return table([header, ...rows]) + (reasons.length === 0 ? '' : `\n${reasons.join('')}`)
}

function whyDown({ state, shutdown, lastError }: NeighborStatus): string | undefined {
  if (state === 'Established') return undefined
  if (shutdown === false) return lastError
  const text = typeof shutdown === 'string' ? `: ${shutdown}` : ''
  return `shut down by the configuration${text}`
}

function sum(neighbor: NeighborStatus, count: 'received' | 'accepted' | 'advertised'): string {
  if (neighbor.state !== 'Established' && neighbor.families.every(({ stale }) => stale === 0)) {
    return '-'
  }
  return String(neighbor.families.reduce((total, family) => total + family[count], 0))
}

/** One neighbor in full. */
export function neighborDetails(neighbor: NeighborStatus, now: number): string {
  const fields: [string, string | undefined][] = [
    ['neighbor', `${neighbor.address} port ${neighbor.port}`],
    ['description', neighbor.description],
    ['AS', `${neighbor.remoteAs} (${neighbor.kind}, ours ${neighbor.localAs})`],
    ['state', `${neighbor.state} for ${formatDuration(now - neighbor.since)}`],
    ['down because', whyDown(neighbor)],
    ['it said', neighbor.shutdownCommunication],
    ['local address', neighbor.localAddress],
    ['router id', neighbor.routerId],
    ['hold time', secondsText(neighbor.holdTimeSeconds)],
    ['keepalive', secondsText(neighbor.keepaliveSeconds)],
    ['capabilities', neighbor.capabilities.join(', ') || undefined],
    ['graceful restart', neighbor.gracefulRestart],
    ['flaps', String(neighbor.flaps)],
    ['messages', `${neighbor.messages.received} received, ${neighbor.messages.sent} sent`],
    ['updates', `${neighbor.updates.received} received, ${neighbor.updates.sent} sent`],
    ...neighbor.families.map((family): [string, string] => [
      `IPv${family.family}`,
      `${family.received} received, ${family.accepted} accepted, ${family.advertised} advertised, ` +
        `${refusedWords(family)}${family.stale} stale, End-of-RIB ${family.endOfRibReceived ? 'received' : 'not received'}`,
    ]),
  ]
  return fields
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${`${name}:`.padEnd(18)}${printable(value!)}\n`)
    .join('')
}

function secondsText(value: number | undefined): string | undefined {
  return value === undefined ? undefined : `${value} s`
}

/** Paths as routers print them: * usable, > best, = used beside it; and why. */
export function pathsTable(paths: readonly RibPathDocument[]): string {
  if (paths.length === 0) return 'No routes.\n'
  const rows = paths.map((path) => [
    marks(path),
    path.prefix,
    path.kind === 'own' ? 'own' : path.nextHop,
    path.from ?? '-',
    text(path.attributes.med),
    text(path.attributes.localPreference),
    `${formatAsPath(path.attributes.asPath)} ${path.attributes.origin[0]!}`.trim(),
    path.ineligible ?? why(path),
  ])
  const header = ['', 'PREFIX', 'NEXTHOP', 'FROM', 'MED', 'LOCALPREF', 'PATH', 'WHY']
  return table([header, ...rows])
}

function text(value: number | undefined): string {
  return value === undefined ? '-' : String(value)
}

function marks(path: RibPathDocument): string {
  const usable = path.ineligible === undefined ? '*' : ' '
  const chosen = path.best ? '>' : path.multipath ? '=' : ' '
  return `${usable}${chosen}${path.stale ? 'S' : ' '}`
}

function why(path: RibPathDocument): string {
  if (path.reason === 'only path') return 'best: the only path'
  if (path.best) return `best by ${path.reason}`
  return path.multipath ? `used beside the best; less by ${path.reason}` : `less by ${path.reason}`
}

/** All that there is to say of the paths of one prefix. */
export function pathDetails(paths: readonly RibPathDocument[]): string {
  return paths.map((path) => onePath(path)).join('\n')
}

function onePath(path: RibPathDocument): string {
  const { attributes: a } = path
  const fields: [string, string | undefined][] = [
    ['prefix', `${path.prefix}${path.pathId === 0 ? '' : ` path ${path.pathId}`}`],
    ['standing', path.ineligible === undefined ? why(path) : `not usable: ${path.ineligible}`],
    ['from', path.from === undefined ? 'this speaker' : `${path.from} (${path.kind})`],
    ['next hop', [path.nextHop, a.linkLocalNextHop].filter(Boolean).join(' ')],
    ['stale', path.stale ? 'kept over a restart of its neighbor' : undefined],
    ['AS path', formatAsPath(a.asPath) || '(empty)'],
    ['origin', a.origin],
    ['MED', a.med?.toString()],
    ['local preference', a.localPreference?.toString()],
    ['communities', a.communities?.map(formatCommunity).join(' ')],
    ['extended', a.extendedCommunities?.join(' ')],
    ['large', a.largeCommunities?.map(formatLargeCommunity).join(' ')],
    ['aggregator', a.aggregator && `AS ${a.aggregator.asn} ${a.aggregator.address}`],
    ['atomic aggregate', a.atomicAggregate === true ? 'yes' : undefined],
    ['originator', a.originatorId],
    ['cluster list', a.clusterList?.join(' ')],
    ['other attributes', a.unknown?.map(({ code }) => `type ${code}`).join(', ')],
  ]
  return fields
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${`${name}:`.padEnd(18)}${printable(value!)}\n`)
    .join('')
}

/** Changes of one prefix, oldest first. */
export function historyTable(entries: readonly RouteHistoryEntry[]): string {
  if (entries.length === 0) {
    return 'No history: nothing has changed, or the configuration keeps none (historyPerRoute).\n'
  }
  const rows = entries.map(({ at, event, from, detail }) => [
    new Date(at).toISOString(),
    event,
    from ?? '-',
    detail,
  ])
  return table([['WHEN', 'EVENT', 'FROM', 'DETAIL'], ...rows])
}

function refusedWords({ refused = 0 }: FamilyStatus): string {
  return refused === 0 ? '' : `${refused} refused beyond the prefix limit, `
}
