import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** Where labs keep their state: a tmpfs, since nothing of a lab survives a reboot. */
export const LAB_ROOT = process.env['TORTIE_RUN_DIR'] ?? runFolder()

/** Root's, or the user's own: a simulated lab needs no rights. */
function runFolder(): string {
  if (process.getuid?.() === 0) return '/run/tortie'
  return join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), `tortie-${userInfo().username}`)
}

/** The directory of all labs, of one, or a path in it. */
export function labPath(...rest: string[]): string {
  return join(LAB_ROOT, 'labs', ...rest)
}
