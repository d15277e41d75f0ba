import { type FilterLookupTable, isIntervalKey } from '../../../kernel/filter-keys.ts'
import type { FilterChain } from '../../../kernel/packet-filter.ts'
import { NF_INET, NFT_DATA_VERDICT, NFT_KEY_TYPE, NFT_SET } from '../../../wire/netlink/nftables.ts'
import { keyShape } from './key-octets.ts'

/** What a base chain cannot change; "" of a regular one. */
export function chainShape(
  hook:
    | {
        readonly type?: string | undefined
        readonly number?: number | undefined
        readonly priority?: number | undefined
      }
    | undefined,
): string {
  return hook === undefined ? '' : [hook.type, hook.number, hook.priority].join(' ')
}

export function wantedChainShape(chain: FilterChain): string {
  if (chain.hook === undefined) return chainShape(undefined)
  return chainShape({ type: chain.type, number: NF_INET[chain.hook], priority: chain.priority })
}

/** What a set or map cannot change. */
export interface LookupShape {
  readonly flags: number
  readonly keyType: number
  readonly keyOctets: number
  /** Of maps. */
  readonly valueType?: number | undefined
}

export function lookupShape({ flags, keyType, keyOctets, valueType }: LookupShape): string {
  return [flags, keyType, keyOctets, valueType].join(' ')
}

export function wantedLookupShape(table: FilterLookupTable): LookupShape {
  const { octets: keyOctets, nftType: keyType } = keyShape(table.key)
  const interval = isIntervalKey(table.key) ? NFT_SET.interval : 0
  if (!('entries' in table)) return { flags: interval, keyType, keyOctets }
  const valueType = table.value === 'mark' ? NFT_KEY_TYPE.mark : NFT_DATA_VERDICT
  return { flags: interval | NFT_SET.map, keyType, keyOctets, valueType }
}

export function flowtableShape(priority: number, links: readonly string[]): string {
  return [priority, ...links.toSorted()].join(' ')
}
