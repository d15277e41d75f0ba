import { closest } from '../lib/closest.ts'
import { UserError } from '../lib/errors.ts'

/**
 * The lab that a person means: the one named, else the one that the environment names (inside
 * `lab exec`), else the only one. Errors: UserError with what to type.
 */
export function chooseLab(
  named: string | undefined,
  labs: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string {
  const wanted = named ?? env['TORTIE_LAB']
  if (wanted !== undefined) {
    if (labs.includes(wanted)) return wanted
    throw new UserError(`No lab is named ${wanted}${others(wanted, labs)}`)
  }
  if (labs.length === 1) return labs[0]!
  if (labs.length === 0) throw new UserError('No lab is up. Start one: tortie lab up seed')
  throw new UserError(`Several labs are up: ${labs.join(', ')}. Say which`)
}

function others(wanted: string, labs: readonly string[]): string {
  if (labs.length === 0) return '; none is up. Start one: tortie lab up seed'
  const near = closest(wanted, labs)
  return near === undefined ? `; up are: ${labs.join(', ')}` : `; did you mean ${near}?`
}
