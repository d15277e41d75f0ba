import type { ViewOf } from '../cluster/derived.ts'
import { nodeAddress } from '../cluster/node-addresses.ts'
import type { LocalFacts } from './local-facts.ts'

/** Why pods cannot be attached now and nothing can be written, or undefined. */
export function notReady(
  view: ViewOf<'Node' | 'ClusterInformation'>,
  self: string,
  { blocks }: Pick<LocalFacts, 'blocks'>,
): string | undefined {
  if (blocks === undefined) return 'the datastore has not been read yet'
  if (view.get('ClusterInformation', 'default')?.spec.datastoreReady === false) {
    return 'the datastore is locked (datastoreReady is false in ClusterInformation "default")'
  }
  const own = view.get('Node', self)
  if (own === undefined || nodeAddress(own) === undefined) {
    return `Node "${self}" has no spec.bgp.ipv4Address in the datastore`
  }
  return undefined
}
