import { parseJson, stringifyJson } from '../model/json.ts'
import { decodeResource, encodeResource, newResource } from '../model/parse-resource.ts'
import type { Kind, Resource, ResourceOf } from '../model/resource.ts'
import {
  AFFINITY_PREFIX,
  affinityPrefix,
  IPAM_CONFIG_KEY,
  parseAffinityKey,
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
  /** Undefined for a row that is not of this kind; throws on a value that is not as it must be. */
  decode(row: Row): Resource | undefined
  /** Why resources of this kind cannot be written here. */
  readonly readOnly?: string
}

export function storageOf(kind: Kind): KindStorage {
  if (kind === 'BlockAffinity') return affinities
  if (kind === 'IPAMConfiguration') return ipamConfiguration
  return {
    prefix: (namespace) => resourcePrefix(kind, namespace),
    key: (name, namespace) => resourceKey(kind, name, namespace),
    encode: encodeResource,
    decode: ({ value, modRevision }) => decodeResource(kind, value, modRevision),
  }
}

/** Affinities of blocks are keys of IPAM; only IPAM writes them, since it must write the blocks with them. */
const affinities: KindStorage = {
  prefix: (node) => (node === undefined ? AFFINITY_PREFIX : affinityPrefix(node)),
  key: () => undefined,
  encode: encodeResource,
  decode({ key, value, modRevision }) {
    const parsed = parseAffinityKey(key)
    if (parsed === undefined) return undefined
    const stored = (value === '' ? {} : parseJson(value)) as { state?: string; deleted?: unknown }
    const name = `${parsed.node}-${parsed.cidr.replaceAll(/[.:/]/g, '-')}`
    return newResource({
      kind: 'BlockAffinity',
      metadata: { name, resourceVersion: String(modRevision) },
      spec: {
        state: stored.state as ResourceOf<'BlockAffinity'>['spec']['state'] | undefined,
        node: parsed.node,
        type: 'host',
        cidr: parsed.cidr,
        deleted: String(stored.deleted === true),
      },
    })
  },
  readOnly: 'blocks are claimed and released by IPAM',
}

/** The form in which IPAM keeps its configuration: what is absent in an object that exists is false. */
interface StoredIpamConfiguration {
  readonly strict_affinity?: boolean
  readonly auto_allocate_blocks?: boolean
  readonly maxBlocksPerHost?: number
}

const ipamConfiguration: KindStorage = {
  prefix: () => IPAM_CONFIG_KEY,
  key: (name) => (name === 'default' ? IPAM_CONFIG_KEY : undefined),
  encode(resource) {
    const { strictAffinity, autoAllocateBlocks, maxBlocksPerHost } = (
      resource as ResourceOf<'IPAMConfiguration'>
    ).spec
    const stored: StoredIpamConfiguration = {
      ...(strictAffinity && { strict_affinity: true }),
      ...(autoAllocateBlocks && { auto_allocate_blocks: true }),
      ...(maxBlocksPerHost > 0 && { maxBlocksPerHost }),
    }
    return stringifyJson(stored)
  },
  decode({ value, modRevision }) {
    const stored = parseJson(value) as StoredIpamConfiguration
    return newResource({
      kind: 'IPAMConfiguration',
      metadata: { name: 'default', resourceVersion: String(modRevision) },
      spec: {
        strictAffinity: stored.strict_affinity ?? false,
        autoAllocateBlocks: stored.auto_allocate_blocks ?? false,
        maxBlocksPerHost: stored.maxBlocksPerHost ?? 0,
      },
    })
  },
}
