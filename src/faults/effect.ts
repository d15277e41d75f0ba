import type { IpAddress } from '../net/ip-address.ts'
import type { MacAddress } from '../net/mac-address.ts'
import type { Scope, VxlanSettings } from '../kernel/kernel.ts'
import type { FilterTable } from '../kernel/packet-filter.ts'
import type { NamedRoute } from './named-route.ts'

/**
 * One change that breaks something, and as well one that mends it. All is by name and survives JSON, so
 * that what one process breaks another one mends. `in` is a network namespace.
 */
export type Effect =
  | Change<'sysctl', { readonly path: string; readonly value: string }>
  | Change<'link', { readonly link: string; readonly change: LinkEffect }>
  /** Of a pair, both ends go: `peer` says where the other one is. */
  | Change<'delete-link', { readonly link: string; readonly peer?: PairEnd }>
  | Change<
      'create-pair',
      { readonly link: string; readonly mac: MacAddress; readonly peer: NewPairEnd }
    >
  | Change<
      'create-tunnel',
      { readonly link: string; readonly mtu: number; readonly vxlan?: VxlanEffect }
    >
  | Change<'add-address', AddressEffect>
  | Change<'delete-address', AddressEffect>
  | Change<'add-route', { readonly route: NamedRoute }>
  | Change<'replace-route', { readonly route: NamedRoute }>
  | Change<'delete-route', { readonly route: NamedRoute }>
  /** Without a MAC address the entry is deleted. */
  | Change<
      'neighbor',
      { readonly link: string; readonly address: IpAddress; readonly mac?: MacAddress }
    >
  /** Without a remote address the row of the forwarding database is deleted. */
  | Change<
      'forwarding',
      { readonly link: string; readonly mac: MacAddress; readonly remote?: IpAddress }
    >
  | Change<'filter', { readonly table: FilterTable }>
  | Change<'delete-filter', { readonly name: string }>
  /** Only a simulated cable can be told to: it flips a bit of every packet that leaves by the link. */
  | Change<'corrupt', { readonly link: string; readonly isOn: boolean }>
  /** The datastore says that a pod is on a node, whatever the node says. */
  | Change<'register-pod', RegisteredPod>
  | Change<'unregister-pod', { readonly pod: string }>

type Change<Kind extends string, Fields> = { readonly do: Kind; readonly in: string } & Fields

export interface LinkEffect {
  readonly up?: boolean
  readonly mtu?: number
  readonly name?: string
}

/** What a VXLAN link is made with; the link beneath by its name. */
export interface VxlanEffect extends Omit<VxlanSettings, 'parentIndex'> {
  readonly mac: MacAddress
  readonly parent: string
}

export interface PairEnd {
  readonly in: string
  readonly link: string
}

export interface NewPairEnd extends PairEnd {
  readonly mac: MacAddress
}

export interface AddressEffect {
  readonly link: string
  readonly address: IpAddress
  readonly prefixLength: number
  readonly scope: Scope
}

export interface RegisteredPod {
  /** "default/left-over". */
  readonly pod: string
  readonly node: string
  readonly address: IpAddress
}
