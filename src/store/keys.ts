import { KINDS } from '../model/kinds.ts'
import type { Kind } from '../model/resource.ts'

/** Calico's keys of resources in etcd: they stand under their plural. */
const RESOURCES = '/calico/resources/v3/projectcalico.org/'

/** What all keys of a kind, or of a kind in a namespace, begin with. */
export function resourcePrefix(kind: Kind, namespace?: string): string {
  return `${RESOURCES}${KINDS[kind].plural}/${namespace === undefined ? '' : `${namespace}/`}`
}

export function resourceKey(kind: Kind, name: string, namespace?: string): string {
  return resourcePrefix(kind, KINDS[kind].namespaced ? (namespace ?? '') : undefined) + name
}
