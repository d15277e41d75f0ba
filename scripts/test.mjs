// All tests, from a fresh clone and without asking. `npm test -- src/net` passes a filter on to vitest.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { build, debianPackages, npmPackages, root, WITNESSES } from './setup.mjs'

npmPackages()
debianPackages({
  ...WITNESSES,
  '/usr/bin/tshark': 'tshark',
  '/usr/bin/etcd': 'etcd-server',
  '/usr/bin/etcdctl': 'etcd-client',
})
build()
const filter = process.argv.slice(2)
const run = (command, args) => spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status ?? 1
let status = filter.length === 0 ? run(process.execPath, ['scripts/check.mjs']) : 0
status = run(join(root, 'node_modules', '.bin', 'vitest'), ['run', ...filter]) || status
process.exitCode = status
