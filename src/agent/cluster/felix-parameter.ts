import type { ResourceOf } from '../../model/resource.ts'
import type { ViewOf } from './derived.ts'

type FelixSpec = ResourceOf<'FelixConfiguration'>['spec']

/** A parameter of Felix as it holds for one node: "node.<name>" before "default". */
export function felixParameter<Key extends keyof FelixSpec>(
  view: ViewOf<'FelixConfiguration'>,
  node: string | undefined,
  key: Key,
): FelixSpec[Key] | undefined {
  const own = view.get('FelixConfiguration', `node.${node ?? ''}`)?.spec[key]
  return own ?? view.get('FelixConfiguration', 'default')?.spec[key]
}
