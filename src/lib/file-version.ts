import { UserError } from './errors.ts'

/** A file was written by a later Tortie, whose form is not known here: nothing is wrong with it. */
export class LaterVersion extends UserError {}

/**
 * Refuses what a later version wrote. A file without a version is of the first.
 *
 * @param found the version that the file has
 * @param known the newest that this program reads
 * @param what how messages call the file: "the journal of lab seed"
 * @throws LaterVersion
 */
export function checkFileVersion(found: unknown, known: number, what: string): void {
  if (typeof found !== 'number' || found <= known) return
  throw new LaterVersion(
    `${what} has version ${found}, and this Tortie reads up to ${known}: a later one wrote it; use that one, or update this`,
  )
}
