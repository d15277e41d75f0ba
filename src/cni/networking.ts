import {
  isKernelError,
  type Kernel,
  KernelError,
  type Link,
  type Route,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
} from '../kernel/kernel.ts'
import { addressBits, familyOf } from '../net/ip-address.ts'
import { type Prefix, prefix, prefixFamily } from '../net/prefix.ts'
import { POD_GATEWAY, POD_GATEWAY_PREFIX, podRoute } from '../routes/desired-routes.ts'
import { isOurRoute, POD_LINK_PREFIX } from '../routes/ownership.ts'
import { HOST_END_MAC, setHostEndSysctls } from '../routes/host-end.ts'
import type { Attachment } from './attachment.ts'

export type PodNetwork = Pick<
  Attachment,
  | 'hostInterfaceName'
  | 'interfaceName'
  | 'addresses'
  | 'mtu'
  | 'macAddress'
  | 'destinations'
  | 'forwards'
>

const EVERYWHERE = prefix('0.0.0.0/0')

/** What the pod's routes by the gateway lead to. */
export function destinationsOf({
  destinations = [EVERYWHERE],
}: Pick<Attachment, 'destinations'>): readonly Prefix[] {
  return destinations
}

/**
 * Makes the veth pair, the pod's addresses and routes, and the host's route to each address; answers
 * the pod's end. A host end of the same name left by an earlier container of the pod is replaced.
 * Errors: KernelError; EEXIST if the pod has an interface of that name, or the host its own route to one.
 */
export function attachPod(host: Kernel, pod: Kernel, network: PodNetwork): Link {
  const stale = host.link(network.hostInterfaceName)
  if (stale !== undefined) host.deleteLink(stale.index)
  const hostEnd = host.createLink({
    kind: 'veth',
    name: network.hostInterfaceName,
    mtu: network.mtu,
    macAddress: HOST_END_MAC,
    peer: {
      name: network.interfaceName,
      kernel: pod,
      ...(network.macAddress === undefined ? {} : { macAddress: network.macAddress }),
    },
  })
  setHostEndSysctls(host, network.hostInterfaceName)
  host.changeLink(hostEnd.index, { up: true })
  const podEnd = pod.link(network.interfaceName)!
  if (podEnd.mtu !== network.mtu) pod.changeLink(podEnd.index, { mtu: network.mtu })
  pod.changeLink(podEnd.index, { up: true })
  addPodRoutes(pod, podEnd.index, network)
  for (const address of network.addresses) {
    const prefixLength = addressBits(familyOf(address))
    pod.addAddress({ linkIndex: podEnd.index, address, prefixLength, scope: 'global' })
    addHostRoute(host, podRoute(address, hostEnd.index))
  }
  pod.writeSysctl(FORWARDING, network.forwards === true ? '1' : '0')
  return pod.link(network.interfaceName)!
}

const FORWARDING = 'ipv4.ip_forward'

/** The route of another pod that had the address is swapped for it; one of the host itself stays. */
function addHostRoute(host: Kernel, route: Route): void {
  try {
    host.addRoute(route)
  } catch (thrown) {
    if (!isKernelError(thrown, 'EEXIST')) throw thrown
    const names = new Map(host.links().map(({ index, name }) => [index, name]))
    const before = host
      .routes({ family: prefixFamily(route.destination) })
      .filter(({ destination }) => destination === route.destination)
      .find((row) => isOurRoute(row, (index) => names.get(index)))
    if (before !== undefined) return host.swapRoute(before, route)
    const why = `The host has a route of its own to ${route.destination}, the address of a pod`
    throw new KernelError('EEXIST', why)
  }
}

/** Those of another interface of the pod stay, and are preferred to these. */
function addPodRoutes(pod: Kernel, linkIndex: number, network: PodNetwork): void {
  if (!network.addresses.some((address) => familyOf(address) === 4)) return
  const present = pod.routes({ family: 4 })
  const add = (destination: Prefix, how: Pick<Route, 'scope' | 'nextHops'>): void => {
    const taken = present
      .filter((row) => row.destination === destination && row.nextHops[0]?.linkIndex !== linkIndex)
      .map(({ priority }) => priority)
    pod.replaceRoute({
      ...how,
      destination,
      type: 'unicast',
      table: ROUTE_TABLE.main,
      protocol: ROUTE_PROTOCOL.boot,
      priority: Math.max(-1, ...taken) + 1,
    })
  }
  add(POD_GATEWAY_PREFIX, { scope: 'link', nextHops: [{ linkIndex }] })
  for (const destination of destinationsOf(network)) {
    add(destination, { scope: 'global', nextHops: [{ linkIndex, gateway: POD_GATEWAY }] })
  }
}

/** Removes what {@link attachPod} made, wherever it stopped and however often: with one end goes the other. */
export function detachPod(host: Kernel, hostInterfaceName: string): void {
  const link = host.link(hostInterfaceName)
  if (link === undefined) return
  try {
    host.deleteLink(link.index)
  } catch (thrown) {
    if (!isKernelError(thrown, 'ENODEV')) throw thrown
  }
}

/** The host end of an interface in a pod, found by the pod's end; undefined if that is nothing of ours. */
export function hostEndOf(host: Kernel, pod: Kernel, interfaceName: string): Link | undefined {
  const podEnd = pod.link(interfaceName)
  if (podEnd?.kind !== 'veth') return undefined
  return host
    .links()
    .find(
      (link) =>
        link.index === podEnd.peerIndex &&
        link.peerIndex === podEnd.index &&
        link.macAddress === HOST_END_MAC &&
        link.name.startsWith(POD_LINK_PREFIX),
    )
}
