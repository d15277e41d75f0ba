import { join } from 'node:path'

/** Where labs keep their state: a tmpfs, since nothing of a lab survives a reboot. */
export const LAB_ROOT = process.env['TORTIE_RUN_DIR'] ?? '/run/tortie'

/** The directory of all labs, of one, or a path in it. */
export function labPath(...rest: string[]): string {
  return join(LAB_ROOT, 'labs', ...rest)
}
