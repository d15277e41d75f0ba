// What each way between two nodes costs, as ratios of one run: bare between the nodes, direct from pod to
// pod, IPIP, VXLAN; on the kernel of this machine, and under user-mode Linux, which also has the ipip
// module to stand beside the programs.
//
//   pod ── near ══ router ══ far ── pod        iperf3: one TCP stream; datagrams of 64 octets
//
// usage: npm run bench -- tunnel [--seconds 2] [--rounds 5] [--write 1048576] [--segments 65536,180000]
//                               [--only host|guest] [--json]
import { readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { lacksUserModeLinux, OUT, UserModeLinux } from '../../test/support/user-mode-linux.ts'
import { measure, medianOf, ratioOf, type Row } from './measure.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    write: { type: 'string', default: String(1024 * 1024) },
    segments: { type: 'string', default: '65536,180000' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
    /** Set in the guest: where the rows are written to. */
    into: { type: 'string' },
  },
})

const EXECUTABLE = join(import.meta.dirname, '../../tortie.js')
const effort = {
  seconds: Number(values.seconds),
  rounds: Number(values.rounds),
  writeOctets: Number(values.write),
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('network namespaces need root')
  if (values.into !== undefined) {
    const rows = await measure(EXECUTABLE, ['kernel', 'ebpf'], effort)
    writeFileSync(values.into, JSON.stringify(rows))
    return
  }
  if (values.only !== 'guest') {
    for (const segmentOctets of values.segments.split(',').map(Number)) {
      const rows = await measure(EXECUTABLE, ['ebpf'], { ...effort, segmentOctets })
      report(`the kernel of this machine, TCP segments of ${segmentOctets} octets`, rows)
    }
  }
  if (values.only !== 'host') await guest()
}

/** The same in a kernel that has the module: slow and on one processor, so its ratios are its own. */
async function guest(): Promise<void> {
  const lack = lacksUserModeLinux()
  if (lack !== undefined) {
    console.error(`user-mode Linux skipped: ${lack}`)
    return
  }
  const kernel = await UserModeLinux.start({ memoryMegabytes: 1536 })
  try {
    const words = [process.execPath, process.argv[1]!, '--into', `${OUT}/rows.json`]
    const how = ['--seconds', values.seconds, '--rounds', values.rounds, '--write', values.write]
    await kernel.say([...words, ...how].join(' '), 900_000)
    const rows = JSON.parse(readFileSync(join(kernel.folder, 'rows.json'), 'utf8')) as Row[]
    report('Linux 6.1 in user mode', rows)
  } finally {
    await kernel.close()
  }
}

function report(where: string, rows: readonly Row[]): void {
  if (values.json) {
    console.log(JSON.stringify({ where, ...effort, loadAverage: loadavg()[0], rows }))
    return
  }
  const load = loadavg()[0]!.toFixed(1)
  console.log(
    `\n${where}: medians of ${effort.rounds} interleaved rounds of ${effort.seconds} s, load ${load}`,
  )
  for (const [name, title] of COLUMNS) {
    console.log(
      `\n${title.padEnd(24)} ${'figure'.padStart(10)} ${'of bare'.padStart(8)} ${'of direct'.padStart(10)}`,
    )
    const [bare, direct] = rows
    for (const row of rows) {
      const [ofBare, ofDirect] = [bare!, direct!].map((other) =>
        ratioOf(row, other, name).toFixed(2),
      )
      console.log(
        `  ${row.title.padEnd(22)} ${shown(medianOf(row, name)).padStart(10)} ${ofBare!.padStart(8)} ${ofDirect!.padStart(10)}`,
      )
    }
  }
}

const shown = (value: number): string => (value < 1000 ? value.toFixed(2) : value.toFixed(0))

const COLUMNS = [
  ['gigabitsPerSecond', 'Gbit/s'],
  ['gigabitsPerCpuSecond', 'Gbit per CPU second'],
  ['packetsPerSecond', 'packets/s'],
  ['packetsPerCpuSecond', 'packets per CPU second'],
] as const

await main()
