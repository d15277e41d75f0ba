import { spawnSync } from 'node:child_process'

/** Runs a program to its end and gives its output; throws with its error output when it fails. */
export function command(program: string, args: readonly string[], input?: string): string {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    input: input ?? '',
    maxBuffer: 256 << 20,
    timeout: 60_000,
  })
  if (result.status === 0) return result.stdout
  const said = (result.stderr || result.stdout || result.error?.message || '').trim()
  throw new Error(`${program} ${args.join(' ')}: ${said} (status ${result.status})`)
}

/** Like {@link command}, undefined when it fails. */
export function tryCommand(program: string, args: readonly string[]): string | undefined {
  try {
    return command(program, args)
  } catch {
    return undefined
  }
}

/** Deadlines are those of a quiet machine; a busy one gets so many times as long before a wait is given up. */
const PATIENCE = 4

/**
 * Calls `look` until it gives something other than undefined or false, and gives that.
 * @throws Error naming `what` after `seconds`, with what `explain` says
 */
export async function eventually<Value>(
  what: string,
  seconds: number,
  look: () => Value | undefined | false | Promise<Value | undefined | false>,
  explain?: () => string,
): Promise<Value> {
  const patience = seconds * PATIENCE
  const deadline = performance.now() + patience * 1000
  for (;;) {
    const value = await look()
    if (value !== undefined && value !== false) return value
    if (performance.now() > deadline) {
      throw new Error(`Waited ${patience} s for ${what}${explain ? `:\n${explain()}` : ''}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
