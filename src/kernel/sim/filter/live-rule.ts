import { isLookup } from '../../filter-keys.ts'
import type {
  FilterCounter,
  FilterLookup,
  FilterMatch,
  FilterRule,
  FilterVerdict,
  MarkChange,
} from '../../packet-filter.ts'
import type { Namespace } from '../namespace.ts'
import type { Tracked } from './connections.ts'
import type { FilteredPacket } from './filtered-packet.ts'
import type { LiveLookup } from './live-lookup.ts'
import { matchesPacket } from './match-packet.ts'

export interface RuleContext {
  readonly namespace: Namespace
  readonly lookups: ReadonlyMap<string, LiveLookup>
  readonly counters: ReadonlyMap<string, { packets: number; octets: number }>
}

type Limit = Extract<FilterMatch, { readonly kind: 'limit' }>

/** A rule and the state of its limits. */
export class LiveRule {
  readonly rule: FilterRule
  readonly #buckets = new Map<Limit, TokenBucket>()

  constructor(rule: FilterRule) {
    this.rule = rule
  }

  get tracks(): boolean {
    const { match, connectionMark, untracked, offload } = this.rule
    return (
      connectionMark !== undefined ||
      untracked !== undefined ||
      offload !== undefined ||
      match.some(({ kind }) => kind === 'connection')
    )
  }

  /** What the rule decides about a packet, if it matches and decides anything. */
  ask(
    packet: FilteredPacket,
    context: RuleContext,
  ): Exclude<FilterVerdict, FilterLookup> | undefined {
    const { match, counter, mark, connectionMark, untracked, verdict } = this.rule
    const isMatched = match.every((each) =>
      each.kind === 'limit'
        ? this.#bucket(each).take(context.namespace)
        : matchesPacket(each, packet, context),
    )
    if (!isMatched) return undefined
    if (counter !== undefined) count(context.counters.get(counter)!, packet)
    if (mark !== undefined && !setMark(mark, packet, context)) return undefined
    if (connectionMark !== undefined && !moveMark(connectionMark, packet)) return undefined
    if (untracked === true) packet.meta.tracked ??= UNTRACKED
    if (!isLookup(verdict)) return verdict
    const found = context.lookups.get(verdict.map)!.find(packet, verdict.key)
    return typeof found === 'object'
      ? (found.value as Exclude<FilterVerdict, FilterLookup>)
      : undefined
  }

  #bucket(limit: Limit): TokenBucket {
    let bucket = this.#buckets.get(limit)
    if (bucket === undefined) this.#buckets.set(limit, (bucket = new TokenBucket(limit)))
    return bucket
  }
}

function count(
  counter: { -readonly [Name in keyof FilterCounter]: number },
  { octets }: FilteredPacket,
): void {
  counter.packets++
  counter.octets += octets.length
}

/** False where the map has no mark for the packet, which ends the rule. */
function setMark(
  mark: MarkChange | FilterLookup,
  packet: FilteredPacket,
  { lookups }: RuleContext,
): boolean {
  const { meta } = packet
  if (!isLookup(mark)) {
    meta.mark = ((meta.mark & ~mark.mask) | mark.value) >>> 0
    return true
  }
  const found = lookups.get(mark.map)!.find(packet, mark.key)
  if (typeof found !== 'object') return false
  meta.mark = found.value as number
  return true
}

const UNTRACKED: Tracked = { connection: undefined, state: 'untracked' }

/** False where there is no connection to restore a mark from, which ends the rule. */
function moveMark(direction: 'save' | 'restore', { meta }: FilteredPacket): boolean {
  const connection = meta.tracked?.connection
  if (connection === undefined) return direction === 'save'
  if (direction === 'save') connection.mark = meta.mark
  else meta.mark = connection.mark
  return true
}

const MILLISECONDS = { second: 1000, minute: 60_000, hour: 3_600_000 } as const

/** nft_limit: full at first, a token a packet. */
class TokenBucket {
  readonly #costMilliseconds: number
  readonly #mostMilliseconds: number
  #tokensMilliseconds: number
  #at: number | undefined

  constructor({ packets, per, burst }: Limit) {
    this.#costMilliseconds = MILLISECONDS[per] / packets
    this.#mostMilliseconds = this.#costMilliseconds * burst
    this.#tokensMilliseconds = this.#mostMilliseconds
  }

  take({ machine }: Namespace): boolean {
    const now = machine.clock.now()
    const grown = this.#tokensMilliseconds + (now - (this.#at ?? now))
    this.#at = now
    this.#tokensMilliseconds = Math.min(grown, this.#mostMilliseconds)
    if (this.#tokensMilliseconds < this.#costMilliseconds) return false
    this.#tokensMilliseconds -= this.#costMilliseconds
    return true
  }
}
