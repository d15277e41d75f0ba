import { lstatSync, mkdirSync } from 'node:fs'
import { UserError } from '../../lib/errors.ts'

/**
 * Makes a folder that only this user can write to, if it is not there. Errors: UserError when somebody
 * else has made it, as anybody can in a shared folder like /tmp: what is in it is then not to be believed.
 */
export function makeOwnFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  assertOwnFolder(path)
}

/** The check of {@link makeOwnFolder}; a folder that is not there is fine. */
export function assertOwnFolder(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  const owner = process.getuid?.()
  const othersWrite = process.platform !== 'win32' && (stat.mode & 0o022) !== 0
  if (stat.isDirectory() && (owner === undefined || stat.uid === owner) && !othersWrite) return
  throw new UserError(
    `${path} is not a folder that only you can write to; remove it, or set TORTIE_RUN_DIR to another`,
  )
}
