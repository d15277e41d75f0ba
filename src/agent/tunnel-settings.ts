import type { IpAddress } from '../net/ip-address.ts'
import * as vxlan from '../wire/packet/vxlan.ts'
import type { ClusterView } from './cluster-view.ts'
import type { TunnelDevice } from './tunnel-device.ts'
import { usesVxlan } from './vxlan-settings.ts'

/** Octets of an outer IPv4 header. */
const IPIP_OVERHEAD = 20

/** Whether any pool, disabled ones included, may send packets through IPIP (Felix: ipipEnabled auto). */
export function tunnelsAnything(view: ClusterView): boolean {
  const forced = view.get('FelixConfiguration', 'default')?.spec.ipipEnabled
  if (forced !== undefined) return forced
  return view.list('IPPool').some(({ spec }) => spec.ipipMode !== 'Never')
}

/** Octets that the largest header of a tunnel in use takes of every packet between nodes. */
export function tunnelOverhead(view: ClusterView): number {
  if (usesVxlan(view)) return vxlan.OVERHEAD_OCTETS
  return tunnelsAnything(view) ? IPIP_OVERHEAD : 0
}

/** tunl0 as it should be; undefined where nothing tunnels. */
export function tunnelDevice(
  view: ClusterView,
  address: IpAddress | undefined,
  uplinkMtu: number,
): TunnelDevice | undefined {
  if (!tunnelsAnything(view)) return undefined
  const configured = view.get('FelixConfiguration', 'default')?.spec.ipipMTU ?? 0
  return { address, mtu: configured > 0 ? configured : uplinkMtu - IPIP_OVERHEAD }
}
