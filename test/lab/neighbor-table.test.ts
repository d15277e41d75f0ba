import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Bundle } from '../support/bundle.ts'
import { afterAll, describe, expect, it } from 'vitest'

/*
 * The limit of the real kernel's neighbor table while a lab that needs more of it is up. Two nodes are
 * enough: with many interfaces in one network they could meet as often as forty.
 */
const LIMIT = '/proc/sys/net/ipv4/neigh/default/gc_thresh3'
const INTERFACES = 16

/** Why this cannot be tried here; undefined where it can. */
function hindrance(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it needs root on Linux'
  try {
    const text = readFileSync(LIMIT, 'utf8')
    writeFileSync(LIMIT, text)
    if (Number(text) > 1024) return `gc_thresh3 is ${text.trim()}, and no small lab needs more`
  } catch (thrown) {
    return `the limit cannot be set here: ${String(thrown)}`
  }
  return undefined
}
const reason = hindrance()
if (reason !== undefined) console.log(`test/lab/neighbor-table: skipped, ${reason}`)

const TORTIE = resolve(import.meta.dirname, '../../dist/tortie.js')
const killedAtStep = new Bundle()
const MARK = `n${process.pid}`
const folder = mkdtempSync(join(tmpdir(), 'tortie-lab-'))

function topology(name: string): string {
  const path = join(folder, `${name}.yaml`)
  const node = (at: number): string => {
    const interfaces = Array.from(
      { length: INTERFACES },
      (_, own) =>
        `{ name: eth${own}, network: ${name}-lan, address: 192.0.2.${at * INTERFACES + own + 1}/24 }`,
    )
    return `  - { name: ${name}-${at}, interfaces: [${interfaces.join(', ')}] }`
  }
  writeFileSync(
    path,
    `name: ${name}
networks: [{ name: ${name}-lan, cidr: 192.0.2.0/24 }]
nodes:
${node(0)}
${node(1)}
pools: [{ name: pool, cidr: 10.99.0.0/24 }]
`,
  )
  return path
}

function tortie(argv: readonly string[], env: Record<string, string> = {}, program = TORTIE) {
  const { status, signal, stderr } = spawnSync(process.execPath, [program, ...argv], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  })
  return { status, signal, err: stderr }
}
const limit = (): number => Number(readFileSync(LIMIT, 'utf8'))

describe.skipIf(reason !== undefined)('the limit of the neighbor table', () => {
  const labs = [`${MARK}-a`, `${MARK}-b`] as const
  afterAll(() => {
    for (const lab of labs) tortie(['lab', 'down', lab])
    killedAtStep.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  it('is raised by labs that need more, and comes back with the last, killed half way or not', async () => {
    const program = await killedAtStep.build('test/lab/killed-at-step.ts')
    const before = limit()
    const [a, b] = labs
    expect(tortie(['lab', 'up', topology(a)])).toEqual({ status: 0, signal: null, err: '' })
    const raised = limit()
    expect(raised).toBeGreaterThanOrEqual(before + 2 * INTERFACES * (2 * INTERFACES - 1))
    const killed = tortie(['lab', 'up', topology(b)], { STEP: '9' }, program)
    expect(killed.signal).toBe('SIGKILL')
    expect(limit()).toBeGreaterThan(raised)
    expect(tortie(['lab', 'down', a]).status).toBe(0)
    expect(limit()).toBeGreaterThanOrEqual(raised)
    expect(tortie(['lab', 'down', b]).status).toBe(0)
    expect(limit()).toBe(before)
  })
})
