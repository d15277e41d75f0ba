import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { captureAtAllPoints } from './capture-points.ts'
import { CHECKS } from './checks.ts'
import { CAPTURES, type CheckResult } from './check-result.ts'
import { openWorld, type TunnelKind } from './world.ts'

/*
 * The checks as a program, so that they run the same on this machine's kernel and on another:
 *
 *     node run-checks.mjs dist/tortie.js FOLDER TAG ebpf|kernel
 *
 * FOLDER/results.json has what came of each, by name; FOLDER/captures.json and FOLDER/*.pcap what
 * passed at every capture point, as we read it and as tcpdump wrote it.
 */

const [executable = '', folder = '', tag = '', kind = 'ebpf'] = process.argv.slice(2)
const results: Record<string, CheckResult> = {}

async function check(name: string, body: () => void | Promise<void>): Promise<void> {
  const began = performance.now()
  let error: string | undefined
  try {
    await body()
  } catch (thrown) {
    error = inspect(thrown)
  }
  const milliseconds = Math.round(performance.now() - began)
  results[name] = { milliseconds, ...(error === undefined ? {} : { error }) }
  writeFileSync(join(folder, 'results.json'), JSON.stringify(results, null, 2))
}

const world = await openWorld({ executable, folder, tag, kind: kind as TunnelKind })
try {
  await check(CAPTURES, () => captureAtAllPoints(world))
  for (const { name, lacking, run } of CHECKS) {
    if (lacking?.[world.kind] === undefined) await check(name, () => run(world))
  }
} finally {
  await world.close()
}
process.exit(0)
