// Speakers side by side: each in turn gets the same routes from the same generator.
//
//   feeder(s) ──── UPDATEs ────▶ speaker under test ──── UPDATEs ────▶ sink(s)
//                                        │
//                                        └── a KEEPALIVE a second ──▶ watcher
//
// usage: npm run bench -- bgp [scenario …] [--speakers bird,tortie] [--routes N] [--repeat N] [--json]
import { parseArgs } from 'node:util'
import { measure, type Measurement } from './measure.ts'
import { type Scenario, SCENARIOS } from './scenarios.ts'
import { SPEAKER_TITLES, SPEAKERS } from './speakers.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    speakers: { type: 'string', default: Object.keys(SPEAKERS).join(',') },
    routes: { type: 'string' },
    repeat: { type: 'string', default: '1' },
    deadline: { type: 'string', default: '120' },
    json: { type: 'boolean', default: false },
  },
})

interface Row extends Measurement {
  readonly speaker: string
}

async function main(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('network namespaces need root')
  const names = positionals.length > 0 ? positionals : ['full']
  const speakers = values.speakers.split(',')
  for (const name of names) {
    const known = SCENARIOS[name]
    if (known === undefined) {
      throw new Error(`unknown scenario "${name}"; there are ${Object.keys(SCENARIOS).join(', ')}`)
    }
    const each = values.routes === undefined ? known.routesEach : Number(values.routes)
    const scenario = { ...known, routesEach: each }
    const rows = await sideBySide(name, scenario, speakers)
    console.log(
      values.json ? JSON.stringify({ scenario: name, rows }) : table(name, scenario, rows),
    )
  }
}

async function sideBySide(
  name: string,
  scenario: Scenario,
  speakers: readonly string[],
): Promise<Row[]> {
  const best = new Map<string, Row>()
  for (let round = 0; round < Number(values.repeat); round++) {
    for (const speaker of speakers) {
      const launch = SPEAKERS[speaker]
      if (launch === undefined) throw new Error(`unknown speaker "${speaker}"`)
      try {
        const result = await measure(launch, scenario, Number(values.deadline))
        if ('missing' in result) {
          process.stderr.write(`${name}: ${speaker} skipped: ${result.missing}\n`)
          continue
        }
        const row = { speaker, ...result }
        process.stderr.write(`${name}: ${speaker} ${row.announceSeconds.toFixed(2)} s\n`)
        const former = best.get(speaker)
        if (former === undefined || row.announceSeconds < former.announceSeconds) {
          best.set(speaker, row)
        }
      } catch (error) {
        process.stderr.write(`${name}: ${speaker} failed: ${String(error)}\n`)
        process.exitCode = 1
      }
    }
  }
  return [...best.values()]
}

function table(name: string, scenario: Scenario, rows: readonly Row[]): string {
  const reference = rows[0]
  const seconds = (value: number): string => value.toFixed(2)
  const ratio = (value: number, of: number | undefined): string =>
    of === undefined || of === 0 ? '-' : `${(value / of).toFixed(2)}x`
  const columns: readonly (readonly [string, (row: Row) => string])[] = [
    ['speaker', (row) => SPEAKER_TITLES[row.speaker] ?? row.speaker],
    ['sessions s', (row) => seconds(row.establishSeconds)],
    ['announce s', (row) => seconds(row.announceSeconds)],
    ['ratio', (row) => ratio(row.announceSeconds, reference?.announceSeconds)],
    ['CPU s', (row) => seconds(row.announceCpuSeconds)],
    ['ratio', (row) => ratio(row.announceCpuSeconds, reference?.announceCpuSeconds)],
    ['withdraw s', (row) => seconds(row.withdrawSeconds)],
    ['ratio', (row) => ratio(row.withdrawSeconds, reference?.withdrawSeconds)],
    ['peak MB', (row) => row.usage.peakMegabytes.toFixed(0)],
    [
      'idle CPU',
      (row) => (row.idleShare === undefined ? '-' : `${(row.idleShare * 100).toFixed(1)} %`),
    ],
    ['keepalive gap s', (row) => seconds(row.keepaliveGapSeconds)],
  ]
  const cells = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, of]) => of(row))),
  ]
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]!.length)))
  const lines = cells.map((line) =>
    line
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  '),
  )
  return [`\n${name}: ${scenario.what}`, ...lines, ...rows.flatMap(eventLoopLine)].join('\n')
}

function eventLoopLine({ speaker, eventLoop }: Row): string[] {
  if (eventLoop === undefined) return []
  const { turnCpu, callbackCpu, collection, delay } = eventLoop
  const parts = [
    `longest turn ${turnCpu.toFixed(1)} ms of CPU`,
    `longest callback ${callbackCpu.toFixed(1)} ms of CPU`,
    `longest garbage collection ${collection.toFixed(1)} ms`,
    `latest timer ${delay.toFixed(1)} ms late`,
  ]
  return [`event loop of ${SPEAKER_TITLES[speaker] ?? speaker}: ${parts.join(', ')}`]
}

await main()
