import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { Bundle } from '../support/bundle.ts'

/*
 * `tortie lab` as a person uses it, on the real kernel. Names carry the number of this process, so that
 * several runs on one machine do not meet.
 */
const isRoot = process.platform === 'linux' && process.getuid?.() === 0
if (!isRoot)
  console.log('test/lab/lifecycle: skipped, it makes network namespaces and needs root on Linux')

const TORTIE = resolve(import.meta.dirname, '../../dist/tortie.js')
const MARK = `t${process.pid}`
const folder = mkdtempSync(join(tmpdir(), 'tortie-lab-'))
const killedAtStep = new Bundle()
afterAll(() => {
  killedAtStep.remove()
  rmSync(folder, { recursive: true, force: true })
})

/** Two nodes, a pod each, every name with the mark. */
function topology(name: string, mark = MARK): string {
  const path = join(folder, `${name}.yaml`)
  writeFileSync(
    path,
    `name: ${name}
networks: [{ name: ${mark}-lan, cidr: 192.0.2.0/24 }]
nodes:
  - name: ${mark}-a
    interfaces: [{ name: eth0, network: ${mark}-lan, address: 192.0.2.1/24 }]
    podCIDR: 10.99.0.0/26
  - name: ${mark}-b
    interfaces: [{ name: eth0, network: ${mark}-lan, address: 192.0.2.2/24 }]
    podCIDR: 10.99.0.64/26
pools: [{ name: pool, cidr: 10.99.0.0/24 }]
pods:
  - { name: ${mark}-p, node: ${mark}-a, address: 10.99.0.5, labels: { app: x } }
  - { name: ${mark}-q, node: ${mark}-b }
`,
  )
  return path
}

function tortie(argv: readonly string[], env: Record<string, string> = {}, program = TORTIE) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  })
  return { status, signal, out: stdout, err: stderr }
}

const NAMESPACES = '/run/netns'
const namespaces = (): string[] =>
  existsSync(NAMESPACES) ? readdirSync(NAMESPACES).filter((name) => name.includes(MARK)) : []

/** Programs whose environment or command line has the name of a lab of this test. */
function programs(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8')
        return environment.includes(`TORTIE_LAB=${MARK}`) ? [pid] : []
      } catch {
        return []
      }
    })
}
const files = (): string[] =>
  ['/run/tortie', '/run/tortie/labs']
    .flatMap((path) => (existsSync(path) ? readdirSync(path) : []))
    .filter((name) => name.includes(MARK))

/** All that a lab of this test has left. */
const left = () => ({ namespaces: namespaces(), programs: programs(), files: files() })
const NOTHING = { namespaces: [], programs: [], files: [] }

describe.skipIf(!isRoot)('a lab', () => {
  afterEach(() => {
    for (const lab of files()) tortie(['lab', 'down', lab])
  })

  it('comes up, is reached, told of, and goes', () => {
    const lab = `${MARK}-up`
    const up = tortie(['lab', 'up', topology(lab)])
    expect(up).toMatchObject({ status: 0, err: '' })
    expect(up.out).toMatch(new RegExp(`^default +${MARK}-p +${MARK}-a +10\\.99\\.0\\.5 +cali`, 'm'))
    expect(tortie(['lab', 'status', lab]).status).toBe(0)
    const endpoints = tortie(['get', 'wep', '-A', '-o', 'json', '--lab', lab])
    expect(JSON.parse(endpoints.out)).toMatchObject({
      items: [{ spec: { pod: `${MARK}-p`, ipNetworks: ['10.99.0.5/32'] } }, {}],
    })
    const ping = ['ping', '-c', '1', '-W', '2', '10.99.0.5']
    const pinged = tortie(['lab', 'exec', '--lab', lab, `${MARK}-q`, '--', ...ping])
    expect(pinged.out).toContain('ttl=62')
    expect(tortie(['lab', 'exec', '--lab', lab, `${MARK}-q`, 'sh', '-c', 'exit 7']).status).toBe(7)
    expect(tortie(['lab', 'up', topology(lab)])).toMatchObject({
      status: 1,
      err: expect.stringContaining('is up already'),
    })
    const down = tortie(['lab', 'down', lab])
    expect(down).toMatchObject({ status: 0, out: `Lab ${lab} is gone: 3 programs, 5 namespaces\n` })
    expect(left()).toEqual(NOTHING)
    expect(tortie(['lab', 'down', lab])).toMatchObject({
      status: 0,
      out: `No lab is named ${lab}; nothing to remove\n`,
    })
  })

  it('does not meet another that is up at the same time', async () => {
    const labs = [`${MARK}-one`, `${MARK}-two`]
    const ups = labs.map((lab) => spawn(process.execPath, [TORTIE, 'lab', 'up', topology(lab)]))
    const statuses = await Promise.all(ups.map(async (up) => (await once(up, 'exit'))[0] as number))
    expect(statuses).toEqual([0, 0])
    const prefixed = namespaces().filter((name) => labs.some((lab) => name.startsWith(`${lab}-`)))
    expect(namespaces()).toHaveLength(10)
    expect(prefixed).toHaveLength(5)
    const ambiguous = tortie(['get', 'node'])
    expect(ambiguous.status).toBe(1)
    expect(tortie(['lab', 'down', labs[0]!]).status).toBe(0)
    expect(tortie(['lab', 'status', labs[1]!]).status).toBe(0)
    expect(tortie(['lab', 'down', labs[1]!]).status).toBe(0)
    expect(left()).toEqual(NOTHING)
  })

  it('is removed whole wherever its building was killed', async () => {
    const program = await killedAtStep.build('test/lab/killed-at-step.ts')
    const lab = `${MARK}-kill`
    const path = topology(lab)
    let step = 1
    // Every step is tried in src/lab/lab-up.test.ts; here it is each third of them, with real processes.
    for (; ; step += 3) {
      const up = tortie(['lab', 'up', path], { STEP: String(step) }, program)
      if (up.signal !== 'SIGKILL') {
        expect(up).toMatchObject({ status: 0 })
        break
      }
      expect(files(), `step ${step}`).toContain(lab)
      expect(tortie(['lab', 'down', lab]), `step ${step}`).toMatchObject({ status: 0, err: '' })
      expect(left(), `step ${step}`).toEqual(NOTHING)
    }
    expect(step).toBeGreaterThan(30)
    tortie(['lab', 'down', lab])
    expect(left()).toEqual(NOTHING)
  }, 300_000)

  it('is removed by Ctrl-C while it is being built', async () => {
    const lab = `${MARK}-int`
    const up = spawn(process.execPath, [TORTIE, 'lab', 'up', topology(lab)])
    const exited = once(up, 'exit')
    await expect.poll(() => programs().length, { interval: 5, timeout: 10_000 }).toBeGreaterThan(0)
    up.kill('SIGINT')
    expect((await exited)[0]).toBe(130)
    expect(left()).toEqual(NOTHING)
  })

  it('is never looked for outside of the folder of labs', () => {
    for (const name of ['..', '../..', '/etc']) {
      expect(tortie(['lab', 'down', name])).toMatchObject({
        status: 1,
        err: expect.stringContaining('expected a DNS label'),
      })
    }
  })

  it.each([
    ['an unknown node', `node: ${MARK}-b`, `node: nobody`, /:13:\d+: pods\[1\]\.node is "nobody"/],
    ['no YAML at all', 'name:', '}', /:1:1: not YAML/],
  ])('with a mistake, %s, leaves nothing', (_, from, to, message) => {
    const lab = `${MARK}-bad`
    const path = topology(lab)
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to))
    const up = tortie(['lab', 'up', path])
    expect(up.status).toBe(1)
    expect(up.err).toMatch(message)
    expect(left()).toEqual(NOTHING)
  })
})
