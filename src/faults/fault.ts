import type { Family, IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Prefix } from '../net/prefix.ts'
import type { Effect } from './effect.ts'

/**
 * One way to break a cluster. What is broken, and nothing of how it would be found: a diagnosis that
 * knew this file would only find what it was told.
 */
export interface Fault {
  readonly id: string
  /** What is wrong, for a list of faults: "the far node does not forward". */
  readonly summary: string
  /** What the packets between the two ends must travel in for it to show; bare where they are neighbors. */
  readonly path: Path
  /** Families in which it shows. */
  readonly families: readonly Family[]
  /** Why no real kernel is brought to show it. */
  readonly onlySimulated?: string
  /** The packets that show it, where those of `ping` from pod to pod do not. */
  readonly probe?: FaultProbe
  readonly effects: (scene: Scene) => readonly Effect[]
  /** What comes while packets are under way and is gone when somebody looks. */
  readonly flaps?: (scene: Scene) => readonly Effect[]
}

export type Path = 'bare' | 'ipip' | 'vxlan'

export interface FaultProbe {
  readonly octets?: number
  /** From the one node itself to the other. */
  readonly isOfNodes?: true
  /** A pod to send to other than the scene's. */
  readonly to?: string
}

/** Two pods on two nodes, and what is between them. */
export interface Scene {
  readonly family: Family
  readonly from: SceneEnd
  readonly to: SceneEnd
  /** A node in the subnet of `from` that has no part in it. */
  readonly bystander: SceneNode
  /** What is set in it is set for the whole machine that all is on. */
  readonly firstNamespace: string
  readonly network: {
    readonly namespace: string
    /** The router's address in the subnet of `from`. */
    readonly router: IpAddress
  }
}

export interface SceneNode {
  readonly name: string
  /** Network namespace, as effects call it. */
  readonly namespace: string
  readonly uplink: string
  readonly uplinkMac: MacAddress
  readonly address: IpAddress
  readonly block: Prefix
  /** The port of the network that its uplink ends in. */
  readonly port: string
  /** Its VXLAN link's address and MAC address; undefined without VXLAN. */
  readonly vtep: { readonly address: IpAddress; readonly mac: MacAddress } | undefined
}

export interface SceneEnd extends SceneNode {
  readonly pod: ScenePod
}

export interface ScenePod {
  /** "default/network-5z4qp". */
  readonly name: string
  readonly namespace: string
  /** In its own namespace, and in its node's. */
  readonly link: string
  readonly hostLink: string
  readonly address: IpAddress
}
