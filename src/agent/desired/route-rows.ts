import { originatedBlocks } from '../../bgp/filters/calico-export.ts'
import { serviceRanges } from '../bgp/service-ranges.ts'
import { derived } from '../cluster/derived.ts'
import type { DesiredPodLinks } from '../dataplane/pod-links-reconciler.ts'
import type { DesiredRoutes } from '../dataplane/routes-reconciler.ts'
import { hasTunnel } from '../tunnel/tunnel-settings.ts'
import type { LocalFacts } from './local-facts.ts'
import { networkOf, type Pieces, type RowRule } from './row-rule.ts'

export function podLinksOf(): RowRule<DesiredPodLinks> {
  const podLinks = derived(
    [],
    (
      _,
      { pods, mtus, formerPools }: Pieces<'mtus'> & Pick<LocalFacts, 'pods' | 'formerPools'>,
    ): DesiredPodLinks => ({
      pods,
      settings: {
        mtu: mtus.pod,
        mtuMayGrow: formerPools.length === 0,
        segmentOctets: mtus.segment,
      },
    }),
  )
  return ({ view, mtus, local: { pods, formerPools } }) =>
    podLinks(view, { pods, mtus, formerPools })
}

export function routesOf(self: string): RowRule<DesiredRoutes> {
  const surroundings = derived(
    ['BGPConfiguration', 'FelixConfiguration'],
    (
      view,
      {
        pools,
        ownAddress,
        uplinks: [uplinkIndex],
        hasVxlan,
        ipipLink,
        vxlanLink,
        pathMtus,
      }: Pieces<'pools' | 'ownAddress' | 'uplinks' | 'hasVxlan'> &
        Pick<LocalFacts, 'ipipLink' | 'vxlanLink' | 'pathMtus'>,
    ): DesiredRoutes['surroundings'] => {
      const network = networkOf(ownAddress)
      return {
        pools,
        serviceRanges: serviceRanges(view),
        nodeNetworks: network === undefined ? [] : [network],
        tunnelLinkIndex: hasTunnel(view, self) ? ipipLink : undefined,
        pathMtus,
        vxlanLinkIndex: hasVxlan ? vxlanLink : undefined,
        uplinkIndex,
      }
    },
  )
  const routes = derived(
    [],
    (
      _,
      {
        rules,
        isRestarting,
        keepsRemote,
        ...rest
      }: Pieces<'rules'> &
        Pick<LocalFacts, 'pods' | 'isRestarting'> &
        Pick<DesiredRoutes, 'surroundings' | 'keepsRemote'>,
    ): DesiredRoutes => ({
      ...rest,
      blocks: originatedBlocks(rules.value),
      keepsLearned: isRestarting,
      keepsRemote,
    }),
  )
  return ({ view, pools, ownAddress, uplinks, hasVxlan, rules, local }) => {
    const { ipipLink, vxlanLink, pathMtus, pods, isRestarting, knowsBlocks } = local
    const links = { uplinks, hasVxlan, ipipLink, vxlanLink, pathMtus }
    return routes(view, {
      rules,
      pods,
      isRestarting,
      keepsRemote: hasVxlan && !knowsBlocks,
      surroundings: surroundings(view, { pools, ownAddress, ...links }),
    })
  }
}
