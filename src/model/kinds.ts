import { bgpConfiguration } from './bgp-configuration.ts'
import { bgpFilter } from './bgp-filter.ts'
import { bgpPeer } from './bgp-peer.ts'
import { blockAffinity } from './block-affinity.ts'
import { clusterInformation } from './cluster-information.ts'
import { felixConfiguration } from './felix-configuration.ts'
import { ipPool } from './ip-pool.ts'
import { ipReservation } from './ip-reservation.ts'
import { ipamConfiguration } from './ipam-configuration.ts'
import { node } from './node.ts'
import { workloadEndpoint } from './workload-endpoint.ts'
import type { KindDefinition } from './kind-definition.ts'
import type { Kind } from './resource.ts'

/** Every kind; the plurals and aliases are calicoctl's. */
export const KINDS: { readonly [K in Kind]: KindDefinition<K> } = {
  Node: node,
  WorkloadEndpoint: workloadEndpoint,
  IPPool: ipPool,
  IPReservation: ipReservation,
  BGPConfiguration: bgpConfiguration,
  BGPPeer: bgpPeer,
  BGPFilter: bgpFilter,
  ClusterInformation: clusterInformation,
  FelixConfiguration: felixConfiguration,
  BlockAffinity: blockAffinity,
  IPAMConfiguration: ipamConfiguration,
}

/** The cast joins kind and definition, which the type of KINDS promises. */
export function definitionOf<K extends Kind>(kind: Kind): KindDefinition<K> {
  return KINDS[kind] as unknown as KindDefinition<K>
}

export const ALL_KINDS = Object.keys(KINDS) as readonly Kind[]

/** The kind that a person means by its name, plural or alias in any case; undefined if it is none. */
export function findKind(word: string): Kind | undefined {
  const wanted = word.toLowerCase()
  return ALL_KINDS.find((kind) => {
    const { plural, aliases } = KINDS[kind]
    return kind.toLowerCase() === wanted || plural === wanted || aliases.includes(wanted)
  })
}
