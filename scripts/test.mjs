// All tests, from a fresh clone and without asking. `npm test -- src/net` passes a filter on to vitest.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, debianPackages, npmPackages, root } from './setup.mjs'
import { chosenTests, programsOf } from './test-programs.mjs'

const filter = process.argv.slice(2)
const chosen = chosenTests(filter)
npmPackages()
debianPackages(programsOf(chosen))
if (chosen.some((path) => path.startsWith('test/'))) build()

const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1
const results = mkdtempSync(join(tmpdir(), 'tortie-test-'))
/** What came of each file's tests, in the last run of them. */
const outcomes = new Map()
/** One run of vitest; what came of its tests is counted. Answers its exit status. */
function vitest(name, args) {
  const file = join(results, `${name}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const status = run(join(root, 'node_modules', '.bin', 'vitest'), ['run', ...reporters, ...args])
  if (!existsSync(file)) return status
  for (const { name, status, assertionResults } of JSON.parse(readFileSync(file, 'utf8'))
    .testResults) {
    const ends = assertionResults.map((row) => row.status)
    // What fails outside of any test, as when a cluster does not come up, counts as one.
    const isOutside = status === 'failed' && !ends.includes('failed')
    outcomes.set(name, isOutside ? [...ends, 'failed'] : ends)
  }
  return status
}

/** How many tests ended so. */
function count(...statuses) {
  return [...outcomes.values()].flat().filter((status) => statuses.includes(status)).length
}

let status = 0
if (filter.length > 0) status = vitest('filtered', filter)
else {
  status = run(process.execPath, ['scripts/check.mjs'])
  // The README's commands name namespaces as they are while no other lab is up: it is typed alone.
  // Other daemons keep time by the clock of the wall: they are not run beside other tests either.
  const alone = ['test/interop/**', 'test/readme.test.ts']
  status =
    vitest(
      'all',
      alone.flatMap((path) => ['--exclude', path]),
    ) || status
  status = vitest('interop', ['test/interop']) || status
  status = vitest('readme', ['test/readme.test.ts']) || status
}
rmSync(results, { recursive: true })
const skipped = count('skipped', 'pending', 'todo', 'disabled')
console.log(`${count('passed')} passed, ${count('failed')} failed, ${skipped} skipped`)
process.exitCode = status
