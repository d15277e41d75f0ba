// Bundles the benchmarks of one area and runs them: `npm run bench -- bgp full --speakers bird,tortie`.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import {
  build as buildExecutables,
  debianPackages,
  npmPackages,
  root,
  USER_MODE_LINUX,
} from './setup.mjs'

npmPackages()
const [area = 'bgp', ...args] = process.argv.slice(2)
const folder = join(root, 'bench', area)
if (!existsSync(folder)) {
  console.error(
    `no benchmarks of "${area}"; there are ${readdirSync(join(root, 'bench')).join(', ')}`,
  )
  process.exit(1)
}
// What is measured as a whole is run as a user runs it.
if (area === 'tunnel') {
  buildExecutables()
  debianPackages({ '/usr/bin/iperf3': 'iperf3', ...USER_MODE_LINUX })
}
await build({
  absWorkingDir: root,
  entryPoints: readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
  outdir: join(root, 'dist', 'bench', area),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  external: ['koffi', 'lmdb'],
  loader: { '.yaml': 'text' },
  sourcemap: true,
  logLevel: 'warning',
  // CommonJS dependencies inside an ES module bundle still ask for `require`.
  banner: {
    js: "import { createRequire as tortieCreateRequire } from 'node:module'; const require = tortieCreateRequire(import.meta.url);",
  },
})
const program = join(root, 'dist', 'bench', area, 'run.js')
// A whole cluster in one heap is gigabytes, and most of what it makes does not live long.
const heap = area === 'sim' ? ['--max-old-space-size=7168', '--max-semi-space-size=64'] : []
const options = ['--enable-source-maps', ...heap, program, ...args]
const result = spawnSync(process.execPath, options, { stdio: 'inherit' })
process.exitCode = result.status ?? 1
