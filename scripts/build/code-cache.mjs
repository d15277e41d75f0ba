// Makes V8's code cache of dist/tortie.cjs: usage node scripts/build/code-cache.mjs NAME
// A cache has the functions that have run, so a simulated lab is built, looked at and traced in this process
// first. Without a cache everything works and starts slower: a failure here is said and fails nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { root } from '../setup.mjs'

const [name] = process.argv.slice(2)
const LAB = 'code-cache'
const folder = mkdtempSync(join(tmpdir(), 'tortie-build-'))
process.env.TORTIE_RUN_DIR = folder
process.env.TORTIE_LOG = 'error'

try {
  const { script, exports: program } = (await loader()).loadBundle(
    join(root, 'dist/tortie.cjs'),
    join(folder, 'none'),
  )
  await exercise(program)
  writeFileSync(join(root, 'dist', name), script.createCachedData())
} catch (thrown) {
  console.log(`[build] no code cache, so commands start slower: ${thrown}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exit()

async function loader() {
  const outfile = join(folder, 'load-bundle.mjs')
  const entryPoints = [join(root, 'src/main/load-bundle.ts')]
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm' })
  return import(pathToFileURL(outfile).href)
}

/** Runs in this process what most starts run. */
async function exercise(program) {
  const silent = { write() {}, isTty: false, columns: undefined }
  let kernelOf
  const run = (...argv) =>
    program.run(argv, (context) => {
      kernelOf = context.openKernel
      return { ...context, out: silent, err: silent, env: { HOME: folder } }
    })
  let ended
  const host = run('lab', 'host', 'seed', '--name', LAB).then((status) => void (ended = status))
  while ((await run('lab', 'status', LAB)) !== 0) {
    if (ended !== undefined) throw new Error(`a simulated lab ended with status ${ended}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const commands = [
    ['get', 'node', '-o', 'wide'],
    ['get', 'workloadendpoint', '-A', '-o', 'yaml'],
    ['trace', 'network-5z4qp', 'network-mngxw'],
  ]
  for (const command of commands) await run(...command, '--lab', LAB)
  await readKernel(kernelOf)
  if ((await run('lab', 'down', LAB)) === 0) await host
}

/** The codec of netlink and the calls behind it, where there is a Linux. */
async function readKernel(openKernel) {
  if (process.platform !== 'linux') return
  const kernel = await openKernel().catch(() => undefined)
  if (kernel === undefined) return
  kernel.links()
  kernel.addresses()
  kernel.routes()
  kernel.neighbors()
  kernel.close()
}
