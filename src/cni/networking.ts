import {
  isKernelError,
  type Kernel,
  KernelError,
  type Link,
  type Route,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
} from '../kernel/kernel.ts'
import { addressBits, familyOf, type IpAddress } from '../net/ip-address.ts'
import { mac } from '../net/mac-address.ts'
import { hostPrefix, prefix, prefixFamily } from '../net/prefix.ts'
import { POD_GATEWAY, podRoute } from '../routes/desired-routes.ts'
import { isOurRoute } from '../routes/ownership.ts'
import { setHostEndSysctls, wrongHostEndSysctls } from '../routes/host-end.ts'

/** All host ends have it: a pod's neighbour entry stays right when its host end is made anew. */
export const HOST_END_MAC = mac('ee:ee:ee:ee:ee:ee')

export interface PodNetwork {
  readonly hostInterfaceName: string
  readonly interfaceName: string
  readonly addresses: readonly IpAddress[]
  readonly mtu: number
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
    peer: { name: network.interfaceName, kernel: pod },
  })
  setHostEndSysctls(host, network.hostInterfaceName)
  host.changeLink(hostEnd.index, { up: true })
  const podEnd = pod.link(network.interfaceName)!
  if (podEnd.mtu !== network.mtu) pod.changeLink(podEnd.index, { mtu: network.mtu })
  pod.changeLink(podEnd.index, { up: true })
  addPodRoutes(pod, podEnd.index, network.addresses)
  for (const address of network.addresses) {
    const prefixLength = addressBits(familyOf(address))
    pod.addAddress({ linkIndex: podEnd.index, address, prefixLength, scope: 'global' })
    addHostRoute(host, podRoute(address, hostEnd.index))
  }
  return pod.link(network.interfaceName)!
}

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

function addPodRoutes(pod: Kernel, linkIndex: number, addresses: readonly IpAddress[]): void {
  if (!addresses.some((address) => familyOf(address) === 4)) return
  const common = {
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.boot,
    priority: 0,
  } as const
  pod.replaceRoute({
    ...common,
    destination: hostPrefix(POD_GATEWAY),
    scope: 'link',
    nextHops: [{ linkIndex }],
  })
  pod.replaceRoute({
    ...common,
    destination: prefix('0.0.0.0/0'),
    scope: 'global',
    nextHops: [{ linkIndex, gateway: POD_GATEWAY }],
  })
}

/** Removes what {@link attachPod} made, wherever it stopped and however often; `pod` is absent when its namespace is gone. */
export function detachPod(
  host: Kernel,
  pod: Kernel | undefined,
  network: Pick<PodNetwork, 'hostInterfaceName' | 'interfaceName'>,
): void {
  removeLink(host, network.hostInterfaceName)
  // A host end that a newer container of the same pod replaced took the old pair with it.
  if (pod !== undefined) removeLink(pod, network.interfaceName)
}

function removeLink(kernel: Kernel, name: string): void {
  const link = kernel.link(name)
  if (link === undefined) return
  try {
    kernel.deleteLink(link.index)
  } catch (thrown) {
    if (!isKernelError(thrown, 'ENODEV')) throw thrown
  }
}

/** What is not as {@link attachPod} left it, one sentence each; none when all is right. */
export function checkPod(host: Kernel, pod: Kernel, network: PodNetwork): readonly string[] {
  const { hostInterfaceName, interfaceName } = network
  const hostEnd = host.link(hostInterfaceName)
  const podEnd = pod.link(interfaceName)
  const found: string[] = []
  if (hostEnd === undefined) found.push(`${hostInterfaceName} is missing on the host`)
  else if (!hostEnd.up) found.push(`${hostInterfaceName} is down`)
  if (podEnd === undefined) found.push(`${interfaceName} is missing in the pod`)
  else if (!podEnd.up) found.push(`${interfaceName} is down in the pod`)
  if (hostEnd === undefined || podEnd === undefined) return found
  for (const { path, found: value, wanted } of wrongHostEndSysctls(host, hostInterfaceName)) {
    found.push(`net.${path} is ${value} on the host, expected ${wanted}`)
  }
  const own = pod.addresses().filter((row) => row.linkIndex === podEnd.index)
  const routes = host.routes()
  for (const address of network.addresses) {
    if (!own.some((row) => row.address === address)) {
      found.push(`${interfaceName} lacks the address ${address}`)
    }
    const route = routes.find((row) => row.destination === hostPrefix(address))
    if (route?.nextHops[0]?.linkIndex !== hostEnd.index) {
      found.push(`the host has no route to ${address} by ${hostInterfaceName}`)
    }
  }
  const gateway = pod.routes().find((row) => row.destination === '0.0.0.0/0')?.nextHops[0]?.gateway
  if (network.addresses.some((row) => familyOf(row) === 4) && gateway !== POD_GATEWAY) {
    found.push(`the pod has no default route via ${POD_GATEWAY}`)
  }
  return found
}
