import crossSubnet from './topologies/cross-subnet.yaml'
import seed from './topologies/seed.yaml'
import vxlan from './topologies/vxlan.yaml'

/** Topologies that `tortie lab up` knows by name: the text of a file each, as a person would write it. */
export const BUILT_IN_TOPOLOGIES: Readonly<Record<string, string>> = {
  seed,
  'cross-subnet': crossSubnet,
  vxlan,
}
