import type { Ipam } from '../../ipam/ipam.ts'
import type { Kind } from '../../model/resource.ts'
import type { Resources } from '../../store/resources.ts'
import type { ClusterFeed } from './cluster-feed.ts'
import { FOLLOWED_KINDS } from './cluster-view.ts'
import { OwnBlocks } from './own-blocks.ts'

/** The cluster as the agent follows it, out of the datastore. */
export function storeFeed(
  resources: Pick<Resources, 'follow'>,
  ipam: Pick<Ipam, 'followBlockOwner' | 'followBlockOwners'>,
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
      const blocks = new OwnBlocks(node, {
        followOwner: (block, handlers) => ipam.followBlockOwner(block, handlers),
        onBlocks,
      })
      const following = resources.follow(
        ['BlockAffinity'],
        {
          onChanges: (changes) => blocks.apply(changes),
          onInSync: () => blocks.setInSync(),
          onProblems,
        },
        node,
      )
      return {
        close() {
          following.close()
          blocks.close()
        },
      }
    },
  }
}
