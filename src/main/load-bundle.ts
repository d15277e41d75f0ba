import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { Script } from 'node:vm'

/** The program's one file, and what V8 remembers of compiling it. */
export interface LoadedBundle<Exports> {
  readonly exports: Exports
  readonly script: Script
}

/**
 * Loads a CommonJS bundle whose text is a function of Node's five module variables, with V8's code cache
 * where there is one: half of what a short command takes would be compiling. A cache of another V8, or of
 * other flags, is not used by V8; it does not look at the text, so a cache belongs to one build (its name
 * says which).
 */
export function loadBundle<Exports>(path: string, cachePath: string): LoadedBundle<Exports> {
  const cachedData = readIfThere(cachePath)
  const script = new Script(readFileSync(path, 'utf8'), {
    filename: path,
    ...(cachedData === undefined ? {} : { cachedData }),
  })
  const module = { exports: {} as Exports }
  const run = script.runInThisContext() as (...variables: unknown[]) => void
  run(module.exports, createRequire(path), module, path, dirname(path))
  return { exports: module.exports, script }
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}
