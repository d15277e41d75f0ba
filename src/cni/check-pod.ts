import type { CniResult } from '../api/cni-protocol.ts'
import { type Kernel, type Link, ROUTE_TABLE } from '../kernel/kernel.ts'
import { parseMacAddress } from '../net/mac-address.ts'
import { hostPrefix, parseInterfaceAddress } from '../net/prefix.ts'
import { POD_GATEWAY, POD_GATEWAY_PREFIX } from '../routes/desired-routes.ts'
import { wrongHostEndSysctls } from '../routes/host-end.ts'
import type { Attachment } from './attachment.ts'
import { destinationsOf } from './networking.ts'

/** One pod of a node, with what the runtime says ADD ended with, plugins behind this one included. */
export interface CheckedPod {
  readonly host: Kernel
  readonly pod: Kernel
  readonly attachment: Attachment
  readonly previous: CniResult
  /** Octets of pods that follow the node's MTU. */
  readonly nodeMtu: number
}

interface Ends extends CheckedPod {
  readonly hostEnd: Link
  readonly podEnd: Link
}

/**
 * What is not as ADD left it, or as plugins behind this one say that they left it, one sentence each;
 * none when all is right.
 */
export function checkPod(checked: CheckedPod): readonly string[] {
  const { host, pod, attachment } = checked
  const { hostInterfaceName, interfaceName } = attachment
  const hostEnd = host.link(hostInterfaceName)
  const podEnd = pod.link(interfaceName)
  const found: string[] = []
  if (hostEnd === undefined) found.push(`${hostInterfaceName} is missing on the host`)
  else if (!hostEnd.up) found.push(`${hostInterfaceName} is down`)
  if (podEnd === undefined) found.push(`${interfaceName} is missing in the pod`)
  else if (!podEnd.up) found.push(`${interfaceName} is down in the pod`)
  if (hostEnd === undefined || podEnd === undefined) return found
  const ends = { ...checked, hostEnd, podEnd }
  return [...found, ...CHECKS.flatMap((check) => check(ends))]
}

const CHECKS: readonly ((ends: Ends) => readonly string[])[] = [
  checkPrevious,
  checkAddresses,
  checkHostRoutes,
  checkPodRoutes,
  checkHostSettings,
]

/** The specification: "The plugin must consult the `prevResult`". */
function checkPrevious({ pod, podEnd, attachment, previous, nodeMtu }: Ends): string[] {
  const { interfaceName, followsNodeMtu } = attachment
  const index = previous.interfaces.findLastIndex(
    ({ name, sandbox }) => name === interfaceName && sandbox !== undefined && sandbox !== '',
  )
  const said = previous.interfaces[index]
  if (said === undefined) return [`prevResult has no interface ${interfaceName} of a container`]
  const found: string[] = []
  const macAddress = parseMacAddress(said.mac ?? '')
  if (macAddress !== undefined && macAddress !== podEnd.macAddress) {
    found.push(
      `${interfaceName} has the MAC address ${podEnd.macAddress}, in prevResult ${macAddress}`,
    )
  }
  const mtus = [said.mtu || podEnd.mtu, ...(followsNodeMtu === true ? [nodeMtu] : [])]
  if (!mtus.includes(podEnd.mtu)) {
    found.push(`${interfaceName} has an MTU of ${podEnd.mtu}, in prevResult ${said.mtu}`)
  }
  const own = addressesOn(pod, podEnd)
  for (const { address: text, interface: of } of previous.ips) {
    const address = parseInterfaceAddress(text)?.address
    if (of === index && address !== undefined && !own.has(address)) {
      found.push(`${interfaceName} lacks the address ${text} of prevResult`)
    }
  }
  return found
}

function addressesOn(pod: Kernel, { index }: Link): ReadonlySet<string> {
  const rows = pod.addresses().filter(({ linkIndex }) => linkIndex === index)
  return new Set(rows.map(({ address }) => address))
}

function checkAddresses({ pod, podEnd, attachment }: Ends): string[] {
  const own = addressesOn(pod, podEnd)
  return attachment.addresses
    .filter((address) => !own.has(address))
    .map((address) => `${attachment.interfaceName} lacks the address ${address}`)
}

function checkHostRoutes({ host, hostEnd, attachment }: Ends): string[] {
  const routes = host.routes()
  return attachment.addresses
    .filter((address) => {
      const route = routes.find(({ destination }) => destination === hostPrefix(address))
      return route?.nextHops[0]?.linkIndex !== hostEnd.index
    })
    .map((address) => `the host has no route to ${address} by ${hostEnd.name}`)
}

/** A plugin behind this one may have moved them to a table of its own, or led them elsewhere and said so. */
function checkPodRoutes({ pod, podEnd, attachment, previous }: Ends): string[] {
  const said = new Set(previous.routes.map(({ dst }) => dst))
  const routes = pod
    .routes({ table: 0 })
    .filter(
      ({ table, nextHops }) =>
        table !== ROUTE_TABLE.local && nextHops[0]?.linkIndex === podEnd.index,
    )
  const isThere = (destination: string, gateway?: string): boolean =>
    (said.size > 0 && !said.has(destination)) ||
    routes.some((row) => row.destination === destination && row.nextHops[0]?.gateway === gateway)
  const found: string[] = []
  if (!isThere(POD_GATEWAY_PREFIX)) found.push(`the pod has no route to its gateway ${POD_GATEWAY}`)
  for (const destination of destinationsOf(attachment)) {
    if (isThere(destination, POD_GATEWAY)) continue
    const what = destination === '0.0.0.0/0' ? 'default route' : `route to ${destination}`
    found.push(`the pod has no ${what} via ${POD_GATEWAY}`)
  }
  return found
}

function checkHostSettings({ host, hostEnd }: Ends): string[] {
  const wrong = wrongHostEndSysctls(host, hostEnd.name)
  const found = wrong.map(
    ({ path, found: value, wanted }) => `net.${path} is ${value} on the host, expected ${wanted}`,
  )
  const forwarding = host.readSysctl('ipv4.ip_forward')
  if (forwarding !== '1') found.push(`net.ipv4.ip_forward is ${forwarding} on the host, expected 1`)
  return found
}
