// All tests, from a fresh clone and without asking. `npm test -- src/net` passes a filter on to vitest.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, debianPackages, npmPackages, root, USER_MODE_LINUX, WITNESSES } from './setup.mjs'

npmPackages()
debianPackages({
  ...WITNESSES,
  '/usr/bin/tshark': 'tshark',
  '/usr/sbin/ethtool': 'ethtool',
  '/usr/bin/etcd': 'etcd-server',
  '/usr/bin/etcdctl': 'etcd-client',
  ...USER_MODE_LINUX,
})
build()

const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1
const results = mkdtempSync(join(tmpdir(), 'tortie-test-'))
const counts = { passed: 0, failed: 0, skipped: 0 }

/** One run of vitest; what it counted is added to the counts. */
function vitest(name, args) {
  const file = join(results, `${name}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const status = run(join(root, 'node_modules', '.bin', 'vitest'), ['run', ...reporters, ...args])
  if (existsSync(file)) {
    const said = JSON.parse(readFileSync(file, 'utf8'))
    counts.passed += said.numPassedTests
    counts.failed += said.numFailedTests
    counts.skipped += said.numPendingTests
  }
  return status
}

const filter = process.argv.slice(2)
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
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = status
