import { parseIpAddress } from '../net/ip-address.ts'
import { hostPrefix, parsePrefix, type Prefix } from '../net/prefix.ts'
import type { ClusterView } from './cluster-view.ts'
import { felixParameter } from './felix-parameter.ts'

/** Who may send a node IPIP and VXLAN beside the nodes of the cluster (Felix: externalNodesList). */
export function externalNodes(view: ClusterView, node: string): readonly Prefix[] {
  return (felixParameter(view, node, 'externalNodesList') ?? []).flatMap(prefixFrom)
}

/** A network, or an address without a length; what is neither is nobody. */
function prefixFrom(text: string): readonly Prefix[] {
  const address = parseIpAddress(text)
  if (address !== undefined) return [hostPrefix(address)]
  return [parsePrefix(text)].filter((prefix) => prefix !== undefined)
}
