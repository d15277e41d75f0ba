import { type Family } from '../net/ip-address.ts'
import { parsePrefix, type Prefix, prefixFamily } from '../net/prefix.ts'

/**
 * Calico's keys of what IPAM keeps for itself (blocks, handles, affinities, configuration): paths of an
 * older model, in which the slash of a CIDR is "-".
 */
const IPAM = '/calico/ipam/v2/'

export const IPAM_CONFIG_KEY = `${IPAM}config`
export const HANDLE_PREFIX = `${IPAM}handle/`
export const AFFINITY_PREFIX = `${IPAM}host/`

/** 10.211.0.0/26 as in a key: 10.211.0.0-26. */
function cidrInKey(cidr: Prefix): string {
  return cidr.replace('/', '-')
}

function cidrOfKey(text: string): Prefix | undefined {
  const dash = text.lastIndexOf('-')
  return dash < 0 ? undefined : parsePrefix(`${text.slice(0, dash)}/${text.slice(dash + 1)}`)
}

export function blockPrefix(family: Family): string {
  return `${IPAM}assignment/ipv${family}/block/`
}

export function blockKey(cidr: Prefix): string {
  return blockPrefix(prefixFamily(cidr)) + cidrInKey(cidr)
}

/** The CIDR of a block from its key; undefined if the key is not one of a block. */
export function parseBlockKey(key: string): Prefix | undefined {
  const match = /^\/calico\/ipam\/v2\/assignment\/ipv[46]\/block\/([^/]+)$/.exec(key)
  return match === null ? undefined : cidrOfKey(match[1]!)
}

export function handleKey(handle: string): string {
  return HANDLE_PREFIX + handle
}

/** What the keys of all affinities of a node begin with; of one family, or both. */
export function affinityPrefix(node: string, family?: Family): string {
  return `${AFFINITY_PREFIX}${node}/${family === undefined ? '' : `ipv${family}/block/`}`
}

export function affinityKey(node: string, cidr: Prefix): string {
  return affinityPrefix(node, prefixFamily(cidr)) + cidrInKey(cidr)
}

export interface ParsedAffinityKey {
  readonly node: string
  readonly cidr: Prefix
}

/** Node and block of the key of an affinity; undefined if the key is not one. */
export function parseAffinityKey(key: string): ParsedAffinityKey | undefined {
  const match = /^\/calico\/ipam\/v2\/host\/([^/]+)\/ipv[46]\/block\/([^/]+)$/.exec(key)
  const cidr = match === null ? undefined : cidrOfKey(match[2]!)
  return cidr === undefined ? undefined : { node: match![1]!, cidr }
}
