// Types, lint and format: what needs no machine. `npm test` runs this first.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { npmPackages, root } from './setup.mjs'

npmPackages()
const bin = (name) => join(root, 'node_modules', '.bin', name)
const checks = [
  ['types', bin('tsc'), ['-p', '.']],
  ['lint', bin('oxlint'), ['--type-aware', '--quiet', 'src', 'test', 'bench']],
  ['format', bin('oxfmt'), ['--check', '.']],
]
let failed = 0
for (const [name, command, args] of checks) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  const ok = result.status === 0
  console.log(`[check] ${name}: ${ok ? 'ok' : 'failed'}`)
  if (!ok) {
    failed++
    process.stdout.write(result.stdout + result.stderr)
  }
}
process.exitCode = failed === 0 ? 0 : 1
