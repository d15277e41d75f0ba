import type { Log } from '../lib/log.ts'
import type { StoredProblem } from '../model/decode-resource.ts'

/** One line for each part of a stored resource that does not count. */
export function logProblems(log: Log, problems: readonly StoredProblem[]): void {
  for (const { key, field, value, expected } of problems) {
    log.warn('Ignored part of a stored resource', { key, field, value, expected })
  }
}
