import { closest } from '../lib/closest.ts'
import { UserError } from '../lib/errors.ts'
import { ALL_KINDS, findKind, KINDS } from '../model/kinds.ts'
import type { Kind } from '../model/resource.ts'

/** The kind that a word on the command line means, as calicoctl reads it. Errors: UserError with a guess. */
export function kindOf(word: string): Kind {
  const kind = findKind(word)
  if (kind !== undefined) return kind
  if (/^(po|pods?)$/i.test(word)) {
    throw new UserError(
      `resource type '${word}' is a Kubernetes resource; Calico's is workloadendpoint`,
    )
  }
  const words = ALL_KINDS.flatMap((one) => [one, KINDS[one].plural, ...KINDS[one].aliases])
  const near = closest(word, words)
  const hint =
    near === undefined
      ? `expected one of ${ALL_KINDS.map((one) => one.toLowerCase()).join(', ')}`
      : `did you mean ${near.toLowerCase()}?`
  throw new UserError(`resource type '${word}' is not supported; ${hint}`)
}
