import { hex } from '../lib/bytes.ts'
import type { RpcMethods } from '../lib/rpc.ts'
import { RpcError } from '../lib/rpc.ts'
import { type IpAddress, parseIpAddress } from '../net/ip-address.ts'
import { covers, parsePrefix, type Prefix } from '../net/prefix.ts'
import type { RouteFilter, Speaker } from './speaker.ts'
import type { RibPath } from './status.ts'

/** Paths of one answer at most; more are fetched with its `next`. */
export const PATHS_PER_ANSWER_MAX = 1000
/** Paths looked at for one answer at most, so that the event loop is not held up. */
const PATHS_SCANNED_MAX = 5000
/** Listings that wait to be continued; the oldest is forgotten. */
const LISTINGS_MAX = 32

/** A page of `bgp.routes`. */
export interface RoutesPage {
  /** Of RibPath, octets of unknown attributes as hexadecimal. */
  readonly paths: readonly object[]
  /** Number to ask for the rest with; absent on the last page. */
  readonly next?: number
}

/**
 * What a speaker's process answers to `tortie bgp`. Parameters and results are plain JSON; octets of
 * unknown attributes are hexadecimal.
 *
 *     bgp.neighbors  {}                                               -> NeighborStatus[]
 *     bgp.routes     {family?, from?, to?, bestOnly?, within?, next?} -> RoutesPage
 *     bgp.route      {prefix}                                         -> RibPath[]
 *     bgp.history    {prefix}                                         -> RouteHistoryEntry[]
 *     bgp.reset      {neighbor, communication?}                       -> null
 *     bgp.refresh    {neighbor, direction: "in" | "out"}              -> null
 */
export function bgpControlMethods(speaker: Speaker): RpcMethods {
  const listings = new Map<number, Listing>()
  let lastListing = 0
  return {
    'bgp.neighbors': () => Promise.resolve(speaker.neighbors()),
    'bgp.routes': (params) => {
      const options = fieldsOf(params)
      const listing = takeListing(listings, options) ?? newListing(speaker, options)
      const page = nextPage(listing)
      if (listing.isDone) return Promise.resolve(page)
      if (listings.size >= LISTINGS_MAX) listings.delete([...listings.keys()][0]!)
      listings.set(++lastListing, listing)
      return Promise.resolve({ ...page, next: lastListing })
    },
    'bgp.route': (params) => {
      const paths = speaker.paths(prefixOf(fieldsOf(params), 'prefix'))
      return Promise.resolve(paths.map(plain))
    },
    'bgp.history': (params) =>
      Promise.resolve(speaker.history(prefixOf(fieldsOf(params), 'prefix'))),
    'bgp.reset': (params) => {
      const fields = fieldsOf(params)
      const communication = fields['communication']
      const neighbor = neighborOf(speaker, fields)
      speaker.reset(neighbor, typeof communication === 'string' ? { communication } : {})
      return Promise.resolve(null)
    },
    'bgp.refresh': (params) => {
      const fields = fieldsOf(params)
      const direction = fields['direction']
      if (direction !== 'in' && direction !== 'out') {
        throw invalid('direction', direction, '"in" or "out"')
      }
      speaker.refresh(neighborOf(speaker, fields), direction)
      return Promise.resolve(null)
    },
  }
}

type Fields = Readonly<Record<string, unknown>>

interface Listing {
  readonly rest: Iterator<RibPath>
  readonly within: Prefix | undefined
  isDone: boolean
}

function takeListing(listings: Map<number, Listing>, fields: Fields): Listing | undefined {
  const { next } = fields
  if (next === undefined) return undefined
  const listing = typeof next === 'number' ? listings.get(next) : undefined
  if (listing === undefined) {
    throw new RpcError('ESTALE', 'This listing is not known any more; begin it again')
  }
  listings.delete(next as number)
  return listing
}

function newListing(speaker: Speaker, fields: Fields): Listing {
  const { family } = fields
  if (family !== undefined && family !== 4 && family !== 6) {
    throw invalid('family', family, '4 or 6')
  }
  const filter: RouteFilter = {
    ...(fields['from'] === undefined ? {} : { from: addressOf(fields, 'from') }),
    ...(fields['to'] === undefined ? {} : { to: addressOf(fields, 'to') }),
    ...(family === undefined ? {} : { family }),
    ...(fields['bestOnly'] === true ? { bestOnly: true } : {}),
  }
  const within = fields['within'] === undefined ? undefined : prefixOf(fields, 'within')
  return { rest: speaker.routes(filter)[Symbol.iterator](), within, isDone: false }
}

function nextPage(listing: Listing): RoutesPage {
  const paths: object[] = []
  for (let scanned = 0; scanned < PATHS_SCANNED_MAX; scanned++) {
    if (paths.length >= PATHS_PER_ANSWER_MAX) break
    const found = listing.rest.next()
    if (found.done === true) {
      listing.isDone = true
      break
    }
    const path = found.value
    if (listing.within === undefined || covers(listing.within, path.prefix)) paths.push(plain(path))
  }
  return { paths }
}

/** A path as JSON can have it. */
function plain(path: RibPath): object {
  const { unknown } = path.attributes
  if (unknown === undefined) return path
  const shown = unknown.map(({ code, flags, octets }) => ({ code, flags, octets: hex(octets) }))
  return { ...path, attributes: { ...path.attributes, unknown: shown } }
}

function fieldsOf(params: unknown): Fields {
  if (typeof params === 'object' && params !== null) return params as Fields
  return {}
}

function invalid(field: string, value: unknown, expected: string): RpcError {
  return new RpcError('EINVAL', `${field} is ${JSON.stringify(value)}: expected ${expected}`)
}

function prefixOf(fields: Fields, field: string): Prefix {
  const value = fields[field]
  const prefix = typeof value === 'string' ? parsePrefix(value) : undefined
  if (prefix === undefined) throw invalid(field, value, 'a prefix such as 10.0.0.0/8')
  return prefix
}

function addressOf(fields: Fields, field: string): IpAddress {
  const value = fields[field]
  const address = typeof value === 'string' ? parseIpAddress(value) : undefined
  if (address === undefined) throw invalid(field, value, 'an IP address')
  return address
}

function neighborOf(speaker: Speaker, fields: Fields): IpAddress {
  const address = addressOf(fields, 'neighbor')
  if (speaker.neighbors().some((neighbor) => neighbor.address === address)) return address
  throw new RpcError('ENOENT', `There is no neighbor ${address}`)
}
