// Runs that are too long for CI: node scripts/soak.mjs <what> [--count N] [--seed N]
// Each row of SOAKS names a module and how to run it; the module is bundled on the fly.
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')

const SOAKS = {
  codec: {
    about: 'random BGP messages through the codec, against an oracle written from the RFCs',
    module: 'src/wire/bgp/testing/codec-soak.ts',
    count: 5_000_000,
    run: soakCodec,
  },
  cluster: {
    about: 'random faults on simulated clusters, invariants all along; failing seeds shrink',
    module: 'test/simulation/soak.ts',
    count: 10_000,
    run: async ({ soakCluster }, { seed, count }) => {
      if ((await soakCluster(seed, count)) > 0) process.exitCode = 1
    },
  },
  differential: {
    about: 'random networks built on the real kernel and on the simulated one; needs root',
    module: 'test/differential/soak.ts',
    count: 2000,
    run: async ({ soakDifferential }, { seed, count }) => {
      if ((await soakDifferential(seed, count)) > 0) process.exitCode = 1
    },
  },
  ipip: {
    about: 'random IPIP tunnels in user-mode Linux, which has the module, and in the simulation',
    module: 'test/differential/soak.ts',
    count: 500,
    run: async ({ soakIpip }, { seed, count }) => {
      if ((await soakIpip(seed, count)) > 0) process.exitCode = 1
    },
  },
}

function soakCodec({ soakCodec }, { seed, count }) {
  const total = {}
  for (let done = 0, round = 0; done < count; round++) {
    const size = Math.min(100_000, count - done)
    const counts = soakCodec((seed + round) >>> 0, size)
    for (const [key, value] of Object.entries(counts)) total[key] = (total[key] ?? 0) + value
    done += size
    console.log(`${done} messages, seed ${(seed + round) >>> 0}: ${JSON.stringify(total)}`)
  }
}

/** Bundles a TypeScript module and imports it. */
async function load(module) {
  // Inside the repository, so that packages left out of the bundle are found.
  mkdirSync(join(root, 'dist'), { recursive: true })
  const folder = mkdtempSync(join(root, 'dist', 'soak-'))
  try {
    const outfile = join(folder, 'soak.mjs')
    const options = { bundle: true, platform: 'node', format: 'esm', packages: 'external' }
    await build({ entryPoints: [join(root, module)], outfile, logLevel: 'error', ...options })
    return await import(pathToFileURL(outfile).href)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string' }, seed: { type: 'string' } },
})
const soak = SOAKS[positionals[0]]
if (soak === undefined) {
  console.error(
    'Usage: node scripts/soak.mjs <what> [--count N] [--seed N], where <what> is one of',
  )
  for (const [name, { about }] of Object.entries(SOAKS))
    console.error(`  ${name.padEnd(10)} ${about}`)
  process.exit(2)
}
const count = Number(values.count ?? soak.count)
const seed = Number(values.seed ?? randomInt(2 ** 31))
if (!Number.isSafeInteger(count) || !Number.isSafeInteger(seed) || count < 1) {
  console.error('Expected whole numbers after --count and --seed')
  process.exit(2)
}
await soak.run(await load(soak.module), { seed, count })
