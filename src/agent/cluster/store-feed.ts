import type { OwnBlock } from '../../bgp/filters/calico-export.ts'
import type { Ipam } from '../../ipam/ipam.ts'
import type { BlockAffinity, Kind } from '../../model/resource.ts'
import { comparePrefixes } from '../../net/prefix.ts'
import type { Resources } from '../../store/resources.ts'
import type { ClusterFeed } from './cluster-feed.ts'
import { FOLLOWED_KINDS } from './cluster-view.ts'

/** The cluster as the agent follows it, out of the datastore. */
export function storeFeed(
  resources: Pick<Resources, 'follow'>,
  ipam: Pick<Ipam, 'followBlockOwners'>,
): ClusterFeed {
  return {
    followBlockOwners: (handlers) => ipam.followBlockOwners(handlers),
    follow: ({ onSet, onDelete, onInSync, onProblems }) =>
      resources.follow<Kind>(FOLLOWED_KINDS, {
        onChanges(changes) {
          for (const change of changes) {
            const { resource } = change
            if (change.type === 'put') onSet(resource, change.createRevision)
            else onDelete(resource.kind, resource.metadata.name)
          }
        },
        onInSync,
        onProblems,
      }),
    followBlocks(node, onBlocks, onProblems) {
      const blocks = new Map<string, OwnBlock>()
      let inSync = false
      const tell = (): void =>
        onBlocks([...blocks.values()].sort((a, b) => comparePrefixes(a.cidr, b.cidr)))
      return resources.follow(
        ['BlockAffinity'],
        {
          onChanges(changes) {
            for (const { type, resource } of changes) {
              const block = ownBlock(resource)
              if (type === 'put' && block !== undefined) blocks.set(resource.spec.cidr, block)
              else blocks.delete(resource.spec.cidr)
            }
            if (inSync) tell()
          },
          onInSync() {
            inSync = true
            tell()
          },
          onProblems,
        },
        node,
      )
    },
  }
}

/** An affinity without a state is one of before there were states, and confirmed. */
function ownBlock(affinity: BlockAffinity): OwnBlock | undefined {
  const { state, deleted, cidr } = affinity.spec
  if (deleted === 'true') return undefined
  return { cidr, state: state === undefined || state === '' ? 'confirmed' : state }
}
