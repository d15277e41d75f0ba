import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lacksUserModeLinux, OUT, UserModeLinux } from '../support/user-mode-linux.ts'
import { Bundle } from '../support/bundle.ts'
import { CHECKS } from './checks.ts'
import { type OurReading, WITNESS_POINTS, type WitnessPoint } from './capture-points.ts'
import type { PacketRow } from './packet-row.ts'
import { readByTshark } from './read-by-tshark.ts'
import { CAPTURES, type CheckResult } from './check-result.ts'
import { FAR, NEAR } from './topology.ts'
import type { TunnelKind } from './world.ts'

/*
 * One suite for tunl0 by programs on the kernel of this machine, which may lack the ipip module, and for
 * both kinds on Linux 6.1 in user mode, which has it.
 */

const EXECUTABLE = join(import.meta.dirname, '../../dist/tortie.js')
const canHere = process.platform === 'linux' && process.getuid?.() === 0
const canAskTshark = ['tshark', 'tcpdump', 'ethtool'].every(isInstalled)
if (!canAskTshark) console.log('Skipped: tshark’s reading needs tshark, tcpdump and ethtool')
const lack = lacksUserModeLinux()
if (!canHere) console.log('Skipped: tunnels on the kernel of this machine need Linux and root')
if (lack !== undefined) console.log(`Skipped: tunnels under user-mode Linux: ${lack}`)

function isInstalled(program: string): boolean {
  return ['/usr/bin', '/usr/sbin'].some((folder) => existsSync(join(folder, program)))
}

/** What one run of all checks left behind. */
interface Run {
  readonly results: Readonly<Record<string, CheckResult>>
  readonly ours: OurReading
  readonly theirs: Readonly<Record<WitnessPoint, readonly PacketRow[]>>
}

/** One test for each check, of what a run of all of them wrote. */
function report(kind: TunnelKind, run: () => Run | undefined): void {
  for (const { name, lacking } of CHECKS) {
    const waits = lacking?.[kind]
    if (waits !== undefined) console.log(`Skipped: ${name}: waits for ${waits} (${kind})`)
    it.skipIf(waits !== undefined)(name, () => {
      const result = run()?.results[name]
      expect(result, 'it was run').toBeDefined()
      expect(result?.error).toBeUndefined()
    })
  }
  describe.skipIf(!canAskTshark)('as tcpdump and tshark see it', () => {
    it.each(WITNESS_POINTS)(
      'has the same packets at %s as our captures, field by field',
      (point) => {
        expect(run()?.results[CAPTURES]?.error).toBeUndefined()
        const { ours, theirs } = run()!
        const kinds = new Set(ours[point].map(({ transport }) => transport['kind']))
        expect(kinds).toEqual(new Set(['icmp', 'tcp', 'udp']))
        expect(lines(ours[point])).toEqual(lines(theirs[point]))
      },
    )

    it.each(WITNESS_POINTS)('has no wrong checksum at %s, outside or inside', (point) => {
      for (const { headers, transport } of run()!.theirs[point]) {
        expect(headers.map(({ checksumValid }) => checksumValid)).not.toContain(false)
        expect(transport['checksumValid']).toBe(true)
      }
    })

    it.each(['near-ens33', 'router-eth1', 'router-eth2', 'far-ens33'] as const)(
      'has every packet in an outer header at %s',
      (point) => {
        const layers = run()!.theirs[point].map(({ headers }) => headers.length)
        expect(new Set(layers)).toEqual(new Set([2]))
      },
    )
  })
}

const byName = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1)

/** A line each; two sockets on one link may see packets of both directions in different order. */
function lines(rows: readonly PacketRow[]): string[] {
  const parts = rows.map(({ headers, transport }) => [...headers, transport])
  const text = parts.map((row) =>
    row.map((part) => Object.entries(part).toSorted(byName).join(' ')).join(' | '),
  )
  return text.toSorted()
}

function read(folder: string, said: string): Run {
  const json = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'))
  if (!existsSync(join(folder, 'results.json'))) {
    throw new Error(`The checks did not begin:\n${said}`)
  }
  const captured = existsSync(join(folder, 'captures.json')) && canAskTshark
  const theirs = WITNESS_POINTS.map((point) => [
    point,
    captured ? readByTshark(join(folder, `${point}.pcap`), [NEAR.pod, FAR.pod]) : [],
  ])
  return {
    results: json('results.json') as Run['results'],
    ours: (captured ? json('captures.json') : {}) as OurReading,
    theirs: Object.fromEntries(theirs) as Run['theirs'],
  }
}

describe.skipIf(!canHere)('a tunnel of programs on the kernel of this machine', () => {
  const bundle = new Bundle()
  let run: Run | undefined

  beforeAll(async () => {
    const program = await bundle.build('test/tunnel/run-checks.ts')
    const folder = mkdtempSync(join(tmpdir(), 'tortie-tunnel-'))
    try {
      const args = [program, EXECUTABLE, folder, String(process.pid), 'ebpf']
      const { stdout, stderr } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        timeout: 280_000,
      })
      run = read(folder, stdout + stderr)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
  afterAll(() => bundle.remove())

  report('ebpf', () => run)
})

describe.skipIf(lack !== undefined).each([
  ['the ipip module', 'kernel'],
  ['programs', 'ebpf'],
] as const)('a tunnel of %s on Linux 6.1', (_, kind) => {
  const bundle = new Bundle()
  let kernel: UserModeLinux | undefined
  let run: Run | undefined

  beforeAll(async () => {
    const program = await bundle.build('test/tunnel/run-checks.ts')
    kernel = await UserModeLinux.start({ memoryMegabytes: 1024 })
    const command = [process.execPath, program, EXECUTABLE, OUT, 'uml', kind]
    const { stdout, stderr } = await kernel.run(command.join(' '), 280_000)
    run = read(kernel.folder, stdout + stderr)
  })
  afterAll(async () => {
    await kernel?.close()
    bundle.remove()
  })

  report(kind, () => run)
})
