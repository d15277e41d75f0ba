import { type Decoded, decodeResource } from '../model/decode-resource.ts'
import { stringifyJson } from '../model/json.ts'
import type { RowForm } from '../model/kind-definition.ts'
import { ALL_KINDS, definitionOf } from '../model/kinds.ts'
import { encodeResource } from '../model/parse-resource.ts'
import { shown } from '../model/problem.ts'
import type { Kind, Resource } from '../model/resource.ts'
import { resourceKey, resourcePrefix } from './keys.ts'
import type { Row } from './store.ts'

/** Where and how the resources of one kind are kept. */
export interface KindStorage {
  /** @param within a namespace, or the node whose affinities are meant */
  prefix(within?: string): string
  /** Undefined: there can be none by that name, or it cannot be found by name alone. */
  key(name: string, namespace?: string): string | undefined
  encode(resource: Resource): string
  /** Whether a row under the prefix is of this kind. */
  isOfKind(key: string): boolean
  /** Of such a row. Never throws. */
  decode(row: Row): Decoded
  /** Whether uid, labels and the like are kept: not in the older forms of IPAM. */
  readonly holdsMetadata: boolean
  /** Why resources of this kind cannot be written here. */
  readonly readOnly?: string | undefined
}

export function storageOf(kind: Kind): KindStorage {
  return STORAGE[kind]
}

const STORAGE = Object.fromEntries(ALL_KINDS.map((kind) => [kind, makeStorage(kind)])) as Readonly<
  Record<Kind, KindStorage>
>

function makeStorage(kind: Kind): KindStorage {
  const { row } = definitionOf(kind)
  return row === undefined ? resources(kind) : rowsOfIpam(kind, row)
}

function resources(kind: Kind): KindStorage {
  return {
    prefix: (namespace) => resourcePrefix(kind, namespace),
    key: (name, namespace) => resourceKey(kind, name, namespace),
    encode: encodeResource,
    isOfKind: () => true,
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

function rowsOfIpam(kind: Kind, form: RowForm<Kind>): KindStorage {
  return {
    prefix: (within) => form.prefix(within),
    key: (name) => form.key(name),
    encode: (resource) => stringifyJson(form.write(resource)),
    isOfKind: (key) => form.isOfKind(key),
    decode: (row) => decodeResource(kind, row, (stored) => form.read(stored)),
    holdsMetadata: false,
    readOnly: form.readOnly,
  }
}
