import { documentOf, newResource } from '../../model/parse-resource.ts'
import { InvalidResource } from '../../model/problem.ts'
import type { Draft, Kind, ResourceOf } from '../../model/resource.ts'

/** A resource as a draft says it, also where the model refuses it: the agent does not rest on the model alone. */
export function uncheckedResource<K extends Kind>(draft: Draft<K>): ResourceOf<K> {
  try {
    return newResource(draft)
  } catch (thrown) {
    if (!(thrown instanceof InvalidResource)) throw thrown
    return documentOf(draft) as unknown as ResourceOf<K>
  }
}
