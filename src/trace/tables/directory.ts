import type { IpAddress } from '../../net/ip-address.ts'

/** What the datastore knows of the cluster, as far as a trace asks: who has which address, and where. */
export interface Directory {
  readonly nodes: readonly DirectoryNode[]
  readonly endpoints: readonly DirectoryEndpoint[]
}

export interface DirectoryNode {
  readonly name: string
  /** The node's own, its tunnel's included; the one that others reach it by first. */
  readonly addresses: readonly IpAddress[]
}

/** A workload endpoint. */
export interface DirectoryEndpoint {
  /** "default/network-5z4qp". */
  readonly pod: string
  readonly node: string
  readonly addresses: readonly IpAddress[]
  /** "eth0". */
  readonly containerInterface: string
  /** "cali50914021272". */
  readonly hostInterface: string
}
