import type { RibPathDocument, RoutesPage, RoutesRequest } from '../api/bgp-documents.ts'
import type { BgpApi, Handlers } from '../api/methods.ts'
import type { Speaker } from '../bgp/speaker.ts'
import type { RibPath } from '../bgp/status.ts'
import { hex } from '../lib/bytes.ts'
import { RpcError } from '../lib/rpc.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { covers, type Prefix } from '../net/prefix.ts'

/** Paths of one answer at most; more are fetched with its `next`. */
export const PATHS_PER_ANSWER_MAX = 1000
/** Paths looked at for one answer at most, so that the event loop is not held up. */
const PATHS_SCANNED_MAX = 5000
/** Listings that wait to be continued; the oldest is forgotten. */
const LISTINGS_MAX = 32

/** What a process with a speaker answers to `tortie bgp`. */
export function bgpControlMethods(speaker: Speaker): Handlers<BgpApi> {
  const listings = new Map<number, Listing>()
  let lastListing = 0
  return {
    'bgp.neighbors': () => Promise.resolve(speaker.neighbors()),
    'bgp.routes': async (request) => {
      const listing = takeListing(listings, request) ?? newListing(speaker, request)
      const page = nextPage(listing)
      if (listing.isDone) return page
      if (listings.size >= LISTINGS_MAX) listings.delete([...listings.keys()][0]!)
      listings.set(++lastListing, listing)
      return { ...page, next: lastListing }
    },
    'bgp.route': ({ prefix }) => Promise.resolve(speaker.paths(prefix).map(document)),
    'bgp.history': ({ prefix }) => Promise.resolve(speaker.history(prefix)),
    'bgp.reset': async ({ neighbor, ...options }) => {
      assertNeighbor(speaker, neighbor)
      speaker.reset(neighbor, options)
      return null
    },
    'bgp.refresh': async ({ neighbor, direction }) => {
      assertNeighbor(speaker, neighbor)
      speaker.refresh(neighbor, direction)
      return null
    },
  }
}

interface Listing {
  readonly rest: Iterator<RibPath>
  readonly within: Prefix | undefined
  isDone: boolean
}

function takeListing(listings: Map<number, Listing>, { next }: RoutesRequest): Listing | undefined {
  if (next === undefined) return undefined
  const listing = listings.get(next)
  if (listing === undefined) {
    throw new RpcError('ESTALE', 'This listing is not known any more; begin it again')
  }
  listings.delete(next)
  return listing
}

function newListing(speaker: Speaker, request: RoutesRequest): Listing {
  const { within } = request
  return { rest: speaker.routes(request)[Symbol.iterator](), within, isDone: false }
}

function nextPage(listing: Listing): RoutesPage {
  const paths: RibPathDocument[] = []
  for (let scanned = 0; scanned < PATHS_SCANNED_MAX; scanned++) {
    if (paths.length >= PATHS_PER_ANSWER_MAX) break
    const found = listing.rest.next()
    if (found.done === true) {
      listing.isDone = true
      break
    }
    const path = found.value
    if (listing.within === undefined || covers(listing.within, path.prefix))
      paths.push(document(path))
  }
  return { paths }
}

function document({ attributes, ...path }: RibPath): RibPathDocument {
  const { unknown, ...known } = attributes
  if (unknown === undefined) return { ...path, attributes: known }
  const shown = unknown.map(({ octets, ...rest }) => ({ ...rest, octets: hex(octets) }))
  return { ...path, attributes: { ...known, unknown: shown } }
}

function assertNeighbor(speaker: Speaker, address: IpAddress): void {
  if (speaker.neighbors().some((neighbor) => neighbor.address === address)) return
  throw new RpcError('ENOENT', `There is no neighbor ${address}`)
}
