import type * as z from 'zod'
import {
  BGP_CONFIGURATION_PARTS,
  bgpConfigurationSpec,
  checkBgpConfiguration,
} from './bgp-configuration.ts'
import { bgpFilterSpec, checkBgpFilter } from './bgp-filter.ts'
import { bgpPeerSpec, checkBgpPeer } from './bgp-peer.ts'
import type { Checks } from './checks.ts'
import { checkIpPool, checkIpPoolAmongOthers, checkIpPoolChange, ipPoolSpec } from './ip-pool.ts'
import { FELIX_CONFIGURATION_PARTS, felixConfigurationSpec } from './felix-configuration.ts'
import { checkNode, NODE_PARTS, nodeSpec, nodeStatus } from './node.ts'
import {
  blockAffinitySpec,
  checkIpamConfiguration,
  checkIpReservation,
  clusterInformationSpec,
  IP_RESERVATION_PARTS,
  ipamConfigurationSpec,
  ipReservationSpec,
} from './plain-kinds.ts'
import type { DocumentOf, Kind, ResourceOf } from './resource.ts'
import {
  checkWorkloadEndpoint,
  completeWorkloadEndpoint,
  WORKLOAD_ENDPOINT_PARTS,
  workloadEndpointSpec,
} from './workload-endpoint.ts'

/** What the program knows of one kind of resource. */
export interface KindDefinition<K extends Kind> {
  /** Lower case, as in the store's keys and on the command line. */
  readonly plural: string
  readonly aliases: readonly string[]
  readonly namespaced: boolean
  readonly spec: z.ZodType
  readonly status?: z.ZodType
  /** What stands alone in it: left out where it is wrong, while the rest counts ({@link parseParts}). */
  readonly parts?: readonly string[]
  /** Fills in what follows from other fields. */
  complete?(resource: ResourceOf<K>): void
  /**
   * Rules beyond the types of fields; checked when something is written.
   *
   * @param document the resource as it was written, before its values were parsed
   */
  check?(checks: Checks, resource: ResourceOf<K>, document: DocumentOf<K>): void
  /** Rules among all of the kind; checked when another comes. */
  checkAmong?(checks: Checks, resource: ResourceOf<K>, others: readonly ResourceOf<K>[]): void
  /** What may not become of what is there. */
  checkChange?(checks: Checks, before: ResourceOf<K>, after: ResourceOf<K>): void
}

/** Every kind; the plurals and aliases are calicoctl's. */
export const KINDS: { readonly [K in Kind]: KindDefinition<K> } = {
  Node: {
    plural: 'nodes',
    aliases: ['no'],
    namespaced: false,
    spec: nodeSpec,
    status: nodeStatus,
    parts: NODE_PARTS,
    check: checkNode,
  },
  WorkloadEndpoint: {
    plural: 'workloadendpoints',
    aliases: ['wep', 'weps'],
    namespaced: true,
    spec: workloadEndpointSpec,
    parts: WORKLOAD_ENDPOINT_PARTS,
    complete: completeWorkloadEndpoint,
    check: checkWorkloadEndpoint,
  },
  IPPool: {
    plural: 'ippools',
    aliases: ['ipp', 'ipps', 'pool', 'pools'],
    namespaced: false,
    spec: ipPoolSpec,
    check: checkIpPool,
    checkAmong: checkIpPoolAmongOthers,
    checkChange: checkIpPoolChange,
  },
  IPReservation: {
    plural: 'ipreservations',
    aliases: ['reservation', 'reservations'],
    namespaced: false,
    spec: ipReservationSpec,
    parts: IP_RESERVATION_PARTS,
    check: checkIpReservation,
  },
  BGPConfiguration: {
    plural: 'bgpconfigurations',
    aliases: ['bgpconfig', 'bgpconfigs'],
    namespaced: false,
    spec: bgpConfigurationSpec,
    parts: BGP_CONFIGURATION_PARTS,
    check: checkBgpConfiguration,
  },
  BGPPeer: {
    plural: 'bgppeers',
    aliases: ['bgpp', 'bgpps', 'bp', 'bps'],
    namespaced: false,
    spec: bgpPeerSpec,
    check: checkBgpPeer,
  },
  BGPFilter: {
    plural: 'bgpfilters',
    aliases: ['bgpf', 'bf'],
    namespaced: false,
    spec: bgpFilterSpec,
    check: checkBgpFilter,
  },
  ClusterInformation: {
    plural: 'clusterinformations',
    aliases: ['clusterinfo', 'clusterinfos'],
    namespaced: false,
    spec: clusterInformationSpec,
  },
  FelixConfiguration: {
    plural: 'felixconfigurations',
    aliases: ['felixconfig', 'felixconfigs'],
    namespaced: false,
    spec: felixConfigurationSpec,
    parts: FELIX_CONFIGURATION_PARTS,
  },
  BlockAffinity: {
    plural: 'blockaffinities',
    aliases: ['affinity', 'affinities'],
    namespaced: false,
    spec: blockAffinitySpec,
  },
  IPAMConfiguration: {
    plural: 'ipamconfigurations',
    aliases: ['ipamconfig', 'ipamconfigs'],
    namespaced: false,
    spec: ipamConfigurationSpec,
    check: checkIpamConfiguration,
  },
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
