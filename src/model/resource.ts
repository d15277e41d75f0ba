import type * as z from 'zod'
import type { bgpConfigurationSpec } from './bgp-configuration.ts'
import type { bgpFilterSpec } from './bgp-filter.ts'
import type { bgpPeerSpec } from './bgp-peer.ts'
import type { felixConfigurationSpec } from './felix-configuration.ts'
import type { ipPoolSpec } from './ip-pool.ts'
import type { Metadata } from './metadata.ts'
import type { nodeSpec, nodeStatus } from './node.ts'
import type { blockAffinitySpec } from './block-affinity.ts'
import type { clusterInformationSpec } from './cluster-information.ts'
import type { ipamConfigurationSpec } from './ipam-configuration.ts'
import type { ipReservationSpec } from './ip-reservation.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { InterfaceAddressText, Prefix } from '../net/prefix.ts'
import type { workloadEndpointSpec } from './workload-endpoint.ts'

export const API_VERSION = 'projectcalico.org/v3'

interface Shape<KindName extends string, Spec extends z.ZodType, Status = unknown> {
  kind: KindName
  apiVersion: typeof API_VERSION
  metadata: Metadata
  spec: z.infer<Spec>
  status?: Status | undefined
}

export type Node = Shape<'Node', typeof nodeSpec, z.infer<typeof nodeStatus>>
export type WorkloadEndpoint = Shape<'WorkloadEndpoint', typeof workloadEndpointSpec>
export type IPPool = Shape<'IPPool', typeof ipPoolSpec>
export type IPReservation = Shape<'IPReservation', typeof ipReservationSpec>
export type BGPConfiguration = Shape<'BGPConfiguration', typeof bgpConfigurationSpec>
export type BGPPeer = Shape<'BGPPeer', typeof bgpPeerSpec>
export type BGPFilter = Shape<'BGPFilter', typeof bgpFilterSpec>
export type ClusterInformation = Shape<'ClusterInformation', typeof clusterInformationSpec>
export type FelixConfiguration = Shape<'FelixConfiguration', typeof felixConfigurationSpec>
export type BlockAffinity = Shape<'BlockAffinity', typeof blockAffinitySpec>
export type IPAMConfiguration = Shape<'IPAMConfiguration', typeof ipamConfigurationSpec>

/** A resource of any kind; `switch (resource.kind)` tells which. */
export type Resource =
  | Node
  | WorkloadEndpoint
  | IPPool
  | IPReservation
  | BGPConfiguration
  | BGPPeer
  | BGPFilter
  | ClusterInformation
  | FelixConfiguration
  | BlockAffinity
  | IPAMConfiguration

export type Kind = Resource['kind']
export type ResourceOf<K extends Kind> = Extract<Resource, { kind: K }>

/** A resource as a person or a program begins it: what has a default may be absent. */
export interface Draft<K extends Kind = Kind> {
  readonly kind: K
  readonly apiVersion?: string
  readonly metadata: Partial<Metadata>
  readonly spec?: DeepPartial<ResourceOf<K>['spec']>
  readonly status?: DeepPartial<ResourceOf<K>['status']>
}

/**
 * A resource as it stands in a file or in the datastore: texts and numbers that nobody has parsed yet, in
 * which anything may be absent. Changes are made to this.
 */
export interface DocumentOf<K extends Kind = Kind> {
  kind: K
  apiVersion: typeof API_VERSION
  metadata: Metadata
  spec: Unparsed<ResourceOf<K>['spec']>
  status?: Unparsed<NonNullable<ResourceOf<K>['status']>> | undefined
}

/** Text that a parser has made, which whoever writes it need not know. */
type ParsedText = IpAddress | Prefix | InterfaceAddressText | MacAddress

type Unparsed<T> = T extends ParsedText
  ? string
  : T extends readonly (infer Item)[]
    ? Unparsed<Item>[]
    : T extends object
      ? { [Key in keyof T]?: Unparsed<T[Key]> | undefined }
      : T

type DeepPartial<T> = T extends ParsedText
  ? string
  : T extends readonly (infer Item)[]
    ? readonly DeepPartial<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]?: DeepPartial<T[Key]> | undefined }
      : T

/** Kind(name) or Kind(namespace/name), as Calico's errors name a resource. */
export function identifierOf(kind: string, name: string, namespace?: string): string {
  return `${kind}(${namespace === undefined || namespace === '' ? '' : `${namespace}/`}${name})`
}
