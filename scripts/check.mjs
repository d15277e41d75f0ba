// Types, lint, format, the law of the tree, code that nobody uses, names that mean two things: what needs
// no machine. `npm test` runs this first.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { npmPackages, root } from './setup.mjs'

npmPackages()
// It reads the sources with one of the packages.
const { reportDuplicates } = await import('./check/duplicate-names.mjs')

/** A program of node_modules: its output where it fails. */
function program(name, ...args) {
  return () => {
    const command = join(root, 'node_modules', '.bin', name)
    const result = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
    if (result.status === 0) return undefined
    return result.stdout + result.stderr + (result.error?.message ?? '')
  }
}

const checks = {
  types: program('tsc', '-p', '.'),
  lint: program('oxlint', '--type-aware', '--quiet', 'src', 'test', 'bench'),
  format: program('oxfmt', '--check', '.'),
  law: program('vitest', 'run', '--reporter=dot', 'test/law.test.ts'),
  'dead code': program('knip', '--no-progress'),
  'code that only tests use': program('knip', '--no-progress', '--production'),
  'exported names': () => reportDuplicates(root),
}
for (const [name, check] of Object.entries(checks)) {
  const found = check()
  console.log(`[check] ${name}: ${found === undefined ? 'ok' : 'failed'}`)
  if (found === undefined) continue
  process.stdout.write(`${found.trimEnd()}\n`)
  process.exitCode = 1
}
