import { originatedPrefixes } from '../../bgp/filters/calico-export.ts'
import type { ClusterProblem } from '../../model/cluster-problem.ts'
import { contains, hostPrefix, type Prefix } from '../../net/prefix.ts'
import { nodeSpeakerConfig } from '../bgp/bgp-configuration.ts'
import { BgpPolicies } from '../bgp/bgp-policies.ts'
import { serviceRanges } from '../bgp/service-ranges.ts'
import type { DesiredBgp } from '../bgp/speaker-reconciler.ts'
import { derived } from '../cluster/derived.ts'
import { ParsedSelectors } from '../cluster/parsed-selectors.ts'
import { withNodes } from '../cluster/settled-nodes.ts'
import { tunnelProblems } from '../tunnel/tunnel-settings.ts'
import type { LocalFacts } from './local-facts.ts'
import type { NodeInputs } from './node-inputs.ts'
import type { Pieces, RowRule } from './row-rule.ts'

/** What the speaker should be, and what of it cannot be. */
type SpeakerRow = RowRule<ReturnType<typeof nodeSpeakerConfig>>

interface SpeakerFacts extends Pieces<'nodes'> {
  readonly policy: BgpPolicies
  readonly meshRanges: readonly Prefix[]
}

export function speakerOf(self: string): SpeakerRow {
  const selectors = new ParsedSelectors()
  const selects = selectors.selects.bind(selectors)
  const policies = derived([], (_, { rules }: { rules: NodeInputs['rules']['value'] }) => {
    return new BgpPolicies(rules)
  })
  // A pool that is deleted while pods have its addresses stays one.
  const ranges = derived(
    ['BGPConfiguration', 'IPPool'],
    (view, { poolsSeen }: Pick<LocalFacts, 'poolsSeen'>): readonly Prefix[] => [
      ...new Set([...poolsSeen, ...view.list('IPPool').map(({ spec }) => spec.cidr)]),
      ...serviceRanges(view),
    ],
  )
  const config = derived(
    ['BGPConfiguration', 'BGPPeer', 'BGPFilter'],
    (view, { nodes, policy, meshRanges }: SpeakerFacts) =>
      nodeSpeakerConfig(withNodes(view, nodes), self, {
        selects,
        meshRanges: () => meshRanges,
        policies: policy.of(view),
      }),
  )
  return ({ view, nodes, rules, local: { poolsSeen } }) => {
    const policy = policies(view, { rules: rules.value })
    return config(view, { nodes, policy, meshRanges: ranges(view, { poolsSeen }) })
  }
}

/**
 * A node offers its own blocks whole, service prefixes, and single addresses of pods that are in no
 * confirmed block; the export policy decides what goes out.
 */
export function bgpOf(speaker: SpeakerRow): RowRule<DesiredBgp> {
  const bgp = derived(
    [],
    (
      _,
      {
        config,
        rules,
        pods,
        confirmedBlocks,
      }: Pieces<'rules' | 'confirmedBlocks'> &
        Pick<DesiredBgp, 'config'> &
        Pick<LocalFacts, 'pods'>,
    ): DesiredBgp => {
      const single = pods
        .flatMap(({ addresses }) => addresses)
        .filter((address) => !confirmedBlocks.some((block) => contains(block, address)))
        .map((address) => hostPrefix(address))
      return { config, announced: [...new Set([...originatedPrefixes(rules.value), ...single])] }
    },
  )
  return (inputs) => {
    const { view, rules, confirmedBlocks, local } = inputs
    const { value: config } = speaker(inputs)
    return bgp(view, { config, rules, confirmedBlocks, pods: local.pods })
  }
}

/** All that the datastore says and this node cannot do. */
export function problemsOf(speaker: SpeakerRow): RowRule<readonly ClusterProblem[]> {
  type Lists = Readonly<Record<'rows' | 'rules' | 'bgp', readonly ClusterProblem[]>>
  const all = derived(['FelixConfiguration'], (view, { rows, rules, bgp }: Lists) => [
    ...rows,
    ...rules,
    ...bgp,
    ...tunnelProblems(view),
  ])
  return (inputs) => {
    const { view, rules } = inputs
    return all(view, {
      rows: view.problems(),
      rules: rules.problems,
      bgp: speaker(inputs).problems,
    })
  }
}
