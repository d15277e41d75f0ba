import type { Prefix } from '../../net/prefix.ts'
import type { ViewOf } from './derived.ts'
import { felixParameter } from './felix-parameter.ts'

/** Who may send a node IPIP and VXLAN beside the nodes of the cluster (Felix: externalNodesList). */
export function externalNodes(view: ViewOf<'FelixConfiguration'>, node: string): readonly Prefix[] {
  return felixParameter(view, node, 'externalNodesList') ?? []
}
