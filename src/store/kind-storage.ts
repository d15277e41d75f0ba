import { parseJson, stringifyJson } from '../model/json.ts'
import { shown } from '../model/problem.ts'
import { type Decoded, decodeResource, type StoredValue } from '../model/decode-resource.ts'
import { encodeResource } from '../model/parse-resource.ts'
import type { Draft, Kind, Resource, ResourceOf } from '../model/resource.ts'
import {
  AFFINITY_PREFIX,
  affinityPrefix,
  IPAM_CONFIG_KEY,
  parseAffinityKey,
  type ParsedAffinityKey,
  resourceKey,
  resourcePrefix,
} from './keys.ts'
import type { Row } from './store.ts'

/** Where and how the resources of one kind are kept. */
export interface KindStorage {
  /** @param within a namespace, or the node whose affinities are meant */
  prefix(within?: string): string
  /** Undefined: there can be none by that name, or it cannot be found by name alone. */
  key(name: string, namespace?: string): string | undefined
  encode(resource: Resource): string
  /** Undefined for a row that is not of this kind. Never throws. */
  decode(row: Row): Decoded | undefined
  /** Whether uid, labels and the like are kept: not in the older forms of IPAM. */
  readonly holdsMetadata: boolean
  /** Why resources of this kind cannot be written here. */
  readonly readOnly?: string
}

export function storageOf(kind: Kind): KindStorage {
  return STORAGE[kind]
}

function ofKind(kind: Kind): KindStorage {
  return {
    prefix: (namespace) => resourcePrefix(kind, namespace),
    key: (name, namespace) => resourceKey(kind, name, namespace),
    encode: encodeResource,
    decode: (row) => underOwnKey(decodeResource(kind, row), row),
    holdsMetadata: true,
  }
}

/** A resource whose name is not that of its key could take the place of another. */
function underOwnKey(decoded: Decoded, { key }: Row): Decoded {
  if ('problem' in decoded) return decoded
  const { kind, metadata } = decoded.resource
  const own = resourceKey(kind, metadata.name, metadata.namespace)
  if (own === key) return decoded
  const expected = `expected a name as the key of the row has it (its key would be ${shown(own)})`
  const value = shown(metadata.name)
  return { problem: { kind, key: shown(key), field: 'metadata.name', value, expected } }
}

/** Affinities of blocks are keys of IPAM; only IPAM writes them, since it must write the blocks with them. */
const affinities: KindStorage = {
  prefix: (node) => (node === undefined ? AFFINITY_PREFIX : affinityPrefix(node)),
  key: () => undefined,
  encode: encodeResource,
  decode(row) {
    const parsed = parseAffinityKey(row.key)
    return parsed && decodeResource('BlockAffinity', row, (stored) => affinity(stored, parsed))
  },
  holdsMetadata: false,
  readOnly: 'blocks are claimed and released by IPAM',
}

function affinity({ value }: StoredValue, { node, cidr }: ParsedAffinityKey): Draft {
  const stored: { readonly state?: never; readonly deleted?: unknown } = storedMap(value || '{}')
  const { state, deleted } = stored
  const name = `${node}-${cidr.replaceAll(/[.:/]/g, '-')}`
  const spec = { state, node, type: 'host' as const, cidr, deleted: String(deleted === true) }
  return { kind: 'BlockAffinity', metadata: { name }, spec }
}

/** Throws SyntaxError on a value that is no JSON or no map. */
function storedMap(text: string): object {
  const value = parseJson(text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new SyntaxError('expected a map')
}

/** The form in which IPAM keeps its configuration: what is absent in an object that exists is false. */
interface StoredIpamConfiguration {
  readonly strict_affinity?: boolean
  readonly auto_allocate_blocks?: boolean
  readonly maxBlocksPerHost?: number
}

const ipamConfiguration: KindStorage = {
  holdsMetadata: false,
  prefix: () => IPAM_CONFIG_KEY,
  key: (name) => (name === 'default' ? IPAM_CONFIG_KEY : undefined),
  encode(resource) {
    const { strictAffinity, autoAllocateBlocks, maxBlocksPerHost, ...others } = (
      resource as ResourceOf<'IPAMConfiguration'>
    ).spec
    const stored: StoredIpamConfiguration = {
      ...others,
      ...(strictAffinity && { strict_affinity: true }),
      ...(autoAllocateBlocks && { auto_allocate_blocks: true }),
      ...(maxBlocksPerHost > 0 && { maxBlocksPerHost }),
    }
    return stringifyJson(stored)
  },
  decode: (row) =>
    decodeResource('IPAMConfiguration', row, ({ value }): Draft => {
      const {
        strict_affinity: strictAffinity = false,
        auto_allocate_blocks: autoAllocateBlocks = false,
        maxBlocksPerHost = 0,
        ...others
      }: StoredIpamConfiguration = storedMap(value)
      return {
        kind: 'IPAMConfiguration',
        metadata: { name: 'default' },
        spec: { strictAffinity, autoAllocateBlocks, maxBlocksPerHost, ...others },
      }
    }),
}

const STORAGE: { readonly [K in Kind]: KindStorage } = {
  Node: ofKind('Node'),
  WorkloadEndpoint: ofKind('WorkloadEndpoint'),
  IPPool: ofKind('IPPool'),
  IPReservation: ofKind('IPReservation'),
  BGPConfiguration: ofKind('BGPConfiguration'),
  BGPPeer: ofKind('BGPPeer'),
  BGPFilter: ofKind('BGPFilter'),
  ClusterInformation: ofKind('ClusterInformation'),
  FelixConfiguration: ofKind('FelixConfiguration'),
  BlockAffinity: affinities,
  IPAMConfiguration: ipamConfiguration,
}
