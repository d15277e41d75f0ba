import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lacksUserModeLinux, OUT, UserModeLinux } from '../support/user-mode-linux.ts'
import { Bundle } from './bundle.ts'
import { CHECKS } from './checks.ts'
import type { CheckResult } from './run-checks.ts'
import type { TunnelKind } from './world.ts'

/*
 * One suite, two kernels: this machine's, which may lack the ipip module and then has tunl0 by eBPF, and
 * Linux 6.1 in user mode, which has it.
 */

const EXECUTABLE = join(import.meta.dirname, '../../dist/tortie.js')
const canHere = process.platform === 'linux' && process.getuid?.() === 0
const lack = lacksUserModeLinux()
if (!canHere) console.log('Skipped: tunnels on the kernel of this machine need Linux and root')
if (lack !== undefined) console.log(`Skipped: tunnels under user-mode Linux: ${lack}`)

/** One test for each check, of what a run of all of them wrote. */
function report(kind: TunnelKind, results: () => Readonly<Record<string, CheckResult>>): void {
  for (const { name, lacking } of CHECKS) {
    const waits = lacking?.[kind]
    if (waits !== undefined) console.log(`Skipped: ${name}: waits for ${waits} (${kind})`)
    it.skipIf(waits !== undefined)(name, () => {
      const result = results()[name]
      expect(result, 'it was run').toBeDefined()
      expect(result?.error).toBeUndefined()
    })
  }
}

function read(folder: string, said: string): Record<string, CheckResult> {
  const path = join(folder, 'results.json')
  if (!existsSync(path)) throw new Error(`The checks did not begin:\n${said}`)
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, CheckResult>
}

describe.skipIf(!canHere)('a tunnel on the kernel of this machine', () => {
  const bundle = new Bundle()
  let results: Record<string, CheckResult> = {}

  beforeAll(async () => {
    const program = await bundle.build()
    const folder = mkdtempSync(join(tmpdir(), 'tortie-tunnel-'))
    try {
      const args = [program, EXECUTABLE, folder, String(process.pid), 'tun']
      const { stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        timeout: 280_000,
      })
      results = read(folder, stdout + stderr)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
  afterAll(() => bundle.remove())

  report('tun', () => results)
})

describe.skipIf(lack !== undefined)('a tunnel on a kernel with the ipip module', () => {
  const bundle = new Bundle()
  let kernel: UserModeLinux | undefined
  let results: Record<string, CheckResult> = {}

  beforeAll(async () => {
    const program = await bundle.build()
    kernel = await UserModeLinux.start({ memoryMegabytes: 1024 })
    const command = [process.execPath, program, EXECUTABLE, OUT, 'uml', 'ipip'].join(' ')
    const { stdout, stderr } = await kernel.run(command, 280_000)
    results = read(kernel.folder, stdout + stderr)
  })
  afterAll(async () => {
    await kernel?.close()
    bundle.remove()
  })

  report('ipip', () => results)
})
