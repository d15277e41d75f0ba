import type { Kind, Resource } from '../model/resource.ts'
import { comparePrefixes, type Prefix } from '../net/prefix.ts'
import type { Resources } from '../store/resources.ts'
import type { ClusterFeed } from './agent.ts'
import { FOLLOWED_KINDS } from './cluster-view.ts'

/** The cluster as the agent follows it, out of the datastore. */
export function storeFeed(resources: Pick<Resources, 'follow'>): ClusterFeed {
  return {
    follow: ({ onSet, onDelete, onInSync }) =>
      resources.follow<Kind>(FOLLOWED_KINDS, {
        onChanges(changes) {
          for (const { type, resource } of changes) {
            if (type === 'put') onSet(resource)
            else onDelete(resource.kind, resource.metadata.name)
          }
        },
        onInSync,
      }),
    followBlocks(node, onBlocks) {
      const blocks = new Set<Prefix>()
      let inSync = false
      const tell = (): void => onBlocks([...blocks].sort(comparePrefixes))
      return resources.follow(
        ['BlockAffinity'],
        {
          onChanges(changes) {
            for (const { type, resource } of changes) {
              const { cidr } = resource.spec
              if (type === 'put' && isOwned(resource)) blocks.add(cidr as Prefix)
              else blocks.delete(cidr as Prefix)
            }
            if (inSync) tell()
          },
          onInSync() {
            inSync = true
            tell()
          },
        },
        node,
      )
    },
  }
}

/** A claim that is not finished, or is being given up, is as if it were not there. */
function isOwned(affinity: Extract<Resource, { kind: 'BlockAffinity' }>): boolean {
  const { state, deleted } = affinity.spec
  return deleted !== 'true' && (state === undefined || state === '' || state === 'confirmed')
}
