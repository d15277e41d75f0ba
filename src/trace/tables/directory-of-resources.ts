import { type IpAddress, parseIpAddress } from '../../net/ip-address.ts'
import { parseInterfaceAddress } from '../../net/prefix.ts'
import type { Resources } from '../../store/resources.ts'
import type { Directory, DirectoryEndpoint, DirectoryNode } from './directory.ts'

/** The directory as the datastore has it. Errors: StoreUnavailable. */
export async function directoryOfResources(resources: Pick<Resources, 'list'>): Promise<Directory> {
  const [nodes, endpoints] = await Promise.all([
    resources.list('Node'),
    resources.list('WorkloadEndpoint'),
  ])
  return {
    nodes: nodes.map(({ metadata, spec }): DirectoryNode => {
      const { bgp } = spec
      const texts = [
        bgp?.ipv4Address,
        bgp?.ipv6Address,
        bgp?.ipv4IPIPTunnelAddr,
        spec.ipv4VXLANTunnelAddr,
        ...(spec.addresses ?? []).map(({ address }) => address),
      ]
      return { name: metadata.name, addresses: [...new Set(texts.flatMap(addressIn))] }
    }),
    endpoints: endpoints.map(({ metadata, spec }): DirectoryEndpoint => ({
      pod: `${metadata.namespace ?? 'default'}/${spec.pod ?? spec.workload ?? metadata.name}`,
      node: spec.node,
      addresses: (spec.ipNetworks ?? []).flatMap(addressIn),
      containerInterface: spec.endpoint ?? 'eth0',
      hostInterface: spec.interfaceName ?? '',
    })),
  }
}

/** The address of "172.16.170.128/24" or "10.211.0.1"; nothing of what is neither. */
function addressIn(text: string | undefined): IpAddress[] {
  if (text === undefined) return []
  const address = parseIpAddress(text) ?? parseInterfaceAddress(text)?.address
  return address === undefined ? [] : [address]
}
