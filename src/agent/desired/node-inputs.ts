import type { CalicoExportRules, OwnBlock } from '../../bgp/filters/calico-export.ts'
import type { LinkAddress } from '../../kernel/kernel.ts'
import type { Derived } from '../../model/cluster-problem.ts'
import type { Node } from '../../model/resource.ts'
import type { InterfaceAddress, Prefix } from '../../net/prefix.ts'
import type { PoolEncapsulation } from '../../routes/encapsulation.ts'
import { exportRules } from '../bgp/bgp-policies.ts'
import type { ClusterView } from '../cluster/cluster-view.ts'
import { derived } from '../cluster/derived.ts'
import { linksWith, nodeAddress } from '../cluster/node-addresses.ts'
import { poolEncapsulations, takesVxlan } from '../cluster/pool-encapsulations.ts'
import { settledNodes, withNodes } from '../cluster/settled-nodes.ts'
import { type NodeMtus, nodeMtus } from '../tunnel/tunnel-settings.ts'
import { type TunnelEnd, tunnelEnds } from '../tunnel/vxlan-settings.ts'
import type { LocalFacts } from './local-facts.ts'

/** What several rows of a desired node follow from; each the same object until something in it changes. */
export interface NodeInputs {
  readonly view: ClusterView
  readonly local: LocalFacts
  /** The node's own row. */
  readonly own: Node | undefined
  /** The same as a list for views that need no other. */
  readonly ownRow: readonly Node[]
  /** All nodes, as far as they tell others of themselves. */
  readonly nodes: readonly Node[]
  readonly ownAddress: InterfaceAddress | undefined
  /** Links that have it, by index. */
  readonly uplinks: readonly number[]
  readonly pools: readonly PoolEncapsulation[]
  readonly mtus: NodeMtus
  /** Whether packets may come in VXLAN. */
  readonly hasVxlan: boolean
  /** Ends of the tunnel at other nodes, by name; undefined where there is no VXLAN. */
  readonly ends: ReadonlyMap<string, TunnelEnd> | undefined
  readonly rules: Derived<CalicoExportRules>
  readonly confirmedBlocks: readonly Prefix[]
}

/** Reads {@link NodeInputs}, each when it is asked for, and remembers them. @param self name of the Node */
export function nodeInputs(self: string): (view: ClusterView, local: LocalFacts) => NodeInputs {
  const rules = inputRules(self)
  return (view, local) => new DerivedInputs(self, rules, view, local)
}

type InputRules = ReturnType<typeof inputRules>

/** How each of the inputs follows from others. */
function inputRules(self: string) {
  return {
    nodes: rememberedNodes(),
    ownRow: derived([], (_, { own }: { own: Node | undefined }) => (own ? [own] : [])),
    ownAddress: derived([], (_, { own }: { own: Node | undefined }) => own && nodeAddress(own)),
    uplinks: derived([], (_, { addresses, own }: UplinkFacts) =>
      linksWith(addresses, own?.address),
    ),
    pools: derived(['IPPool'], poolEncapsulations),
    mtus: derived(['FelixConfiguration', 'IPPool'], (view, facts: MtuFacts) =>
      nodeMtus(view, self, facts.links, facts.uplinks[0]),
    ),
    hasVxlan: derived(
      ['IPPool', 'FelixConfiguration', 'Node'],
      (view, { formerPools }: Pick<LocalFacts, 'formerPools'>) =>
        takesVxlan(view, self, formerPools),
    ),
    ends: derived(['Node'], (view) => tunnelEnds(view, self)),
    rules: derived(['IPPool', 'BGPConfiguration'], (view, facts: RuleFacts) =>
      exportRules(withNodes(view, facts.ownRow), self, facts.blocks),
    ),
    confirmedBlocks: derived([], (_, { blocks }: { blocks: readonly OwnBlock[] }) =>
      blocks.filter(({ state }) => state === 'confirmed').map(({ cidr }) => cidr),
    ),
  }
}

/** A class: an object with as many accessors of its own costs more than what most of them answer. */
class DerivedInputs implements NodeInputs {
  readonly view: ClusterView
  readonly local: LocalFacts
  readonly #self: string
  readonly #rules: InputRules

  constructor(self: string, rules: InputRules, view: ClusterView, local: LocalFacts) {
    this.#self = self
    this.#rules = rules
    this.view = view
    this.local = local
  }

  get own() {
    return this.view.get('Node', this.#self)
  }

  get ownRow() {
    return this.#rules.ownRow(this.view, { own: this.own })
  }

  get nodes() {
    return this.#rules.nodes(this.view.list('Node'))
  }

  get ownAddress() {
    return this.#rules.ownAddress(this.view, { own: this.own })
  }

  get uplinks() {
    const { addresses } = this.local.host
    return this.#rules.uplinks(this.view, { addresses, own: this.ownAddress })
  }

  get pools() {
    return this.#rules.pools(this.view, {})
  }

  get mtus() {
    const { links } = this.local.host
    return this.#rules.mtus(this.view, { links, uplinks: this.uplinks })
  }

  get hasVxlan() {
    return this.#rules.hasVxlan(this.view, { formerPools: this.local.formerPools })
  }

  get ends() {
    return this.hasVxlan ? this.#rules.ends(this.view, {}) : undefined
  }

  get rules() {
    const { blocks = NO_BLOCKS } = this.local
    return this.#rules.rules(this.view, { ownRow: this.ownRow, blocks })
  }

  get confirmedBlocks() {
    const { blocks = NO_BLOCKS } = this.local
    return this.#rules.confirmedBlocks(this.view, { blocks })
  }
}

const NO_BLOCKS: readonly OwnBlock[] = []

interface UplinkFacts {
  readonly addresses: readonly LinkAddress[]
  readonly own: InterfaceAddress | undefined
}

interface MtuFacts {
  readonly links: LocalFacts['host']['links']
  readonly uplinks: readonly number[]
}

interface RuleFacts {
  readonly ownRow: readonly Node[]
  readonly blocks: readonly OwnBlock[]
}

function rememberedNodes(): (nodes: readonly Node[]) => readonly Node[] {
  let list: readonly Node[] = []
  let settled: readonly Node[] = []
  return (nodes) => {
    if (nodes !== list) settled = settledNodes(settled, nodes)
    list = nodes
    return settled
  }
}
