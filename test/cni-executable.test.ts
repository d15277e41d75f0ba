import { spawn, spawnSync, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

const EXECUTABLE = join(import.meta.dirname, '../dist/tortie-cni.cjs')
const isReady = process.platform !== 'win32' && existsSync(EXECUTABLE)
if (!isReady) console.log('the CNI executable: skipped, it needs a build (npm run build)')

const NOBODY = '/nonexistent/agent.sock'
const NETWORK = { cniVersion: '1.1.0', name: 'net', type: 'tortie-cni', agentSocket: NOBODY }
const ADD = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/x',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
}

/** Started as a runtime starts it: the file itself, what it is told by environment and standard input. */
function run(
  env: Readonly<Record<string, string | undefined>>,
  input: string | Uint8Array,
  stdio?: StdioOptions,
) {
  const { status, signal, stdout, stderr } = spawnSync(EXECUTABLE, [], {
    env: { PATH: process.env['PATH'], ...env },
    ...(stdio === undefined ? { input } : { stdio }),
    timeout: 30_000,
  })
  return { status, signal, stdout: String(stdout ?? ''), stderr: String(stderr ?? '') }
}

function expectError({ status, signal, stdout, stderr }: ReturnType<typeof run>): unknown {
  expect({ status, signal, stderr }).toEqual({ status: 1, signal: null, stderr: '' })
  const said = JSON.parse(stdout) as Record<string, unknown>
  const { cniVersion, code, msg, details } = said
  const types = [cniVersion, code, msg, details].map((value) => typeof value)
  expect(types).toEqual(['string', 'number', 'string', 'string'])
  expect(code).not.toBe(999)
  return code
}

describe.skipIf(!isReady)('the CNI executable alone', () => {
  it('answers whatever octets and environment there are with an error object', () => {
    const variable = fc.constantFrom(...Object.keys(ADD), 'CNI_ARGS')
    const value = fc.string().filter((text) => !text.includes('\0'))
    const valid = fc.constant(new TextEncoder().encode(JSON.stringify(NETWORK)))
    fc.assert(
      fc.property(
        fc.dictionary(variable, value, { maxKeys: 2 }),
        fc.oneof(fc.uint8Array({ maxLength: 200 }), valid),
        (change, octets) => {
          expectError(run({ ...ADD, ...change }, octets))
        },
      ),
      { numRuns: 60 },
    )
  })

  it.each(['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'])('says at %s that nobody serves', (command) => {
    const more = { prevResult: {}, 'cni.dev/valid-attachments': [] }
    const input = JSON.stringify({ ...NETWORK, ...more })
    const said = run({ ...ADD, CNI_COMMAND: command }, input)
    expect(expectError(said)).toBe(command === 'STATUS' ? 50 : 11)
    expect(said.stdout).toContain(`does \\"tortie agent\\" run on this node?`)
  })

  it.each([
    ['nothing at all', '', 6],
    ['what is nested without end', '['.repeat(1_000_000), 6],
    ['more than anybody writes', ' '.repeat(2_000_000), 5],
    ['octets that are no text', Uint8Array.from([0xff, 0xfe, 0x00]), 6],
  ])('refuses %s on standard input', (_, input, code) => {
    expect(expectError(run(ADD, input))).toBe(code)
  })

  it('answers with a folder, or nothing, in the place of standard input', () => {
    expect(expectError(run(ADD, '', [openSync('/', 'r'), 'pipe', 'pipe']))).toBe(6)
    expect(expectError(run(ADD, '', ['ignore', 'pipe', 'pipe']))).toBe(6)
  })

  it('answers though its standard input has no end, when a variable is wrong', async () => {
    const env = { PATH: process.env['PATH'], CNI_COMMAND: 'UP' }
    const child = spawn(EXECUTABLE, [], { env, timeout: 30_000 })
    let said = ''
    child.stdout.on('data', (some: Buffer) => (said += some.toString()))
    await once(child, 'close')
    expect(JSON.parse(said)).toMatchObject({ code: 4 })
  })

  it('ends where nobody reads what it says', () => {
    const script = `"$0" | true`
    const { stderr } = spawnSync('sh', ['-c', script, EXECUTABLE], {
      env: { PATH: process.env['PATH'], CNI_COMMAND: 'UP' },
      encoding: 'utf8',
      timeout: 30_000,
    })
    expect(stderr).toBe('')
  })

  it('is one file, which needs no other', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tortie-cni-'))
    try {
      const alone = join(folder, 'calico')
      copyFileSync(EXECUTABLE, alone)
      const env = { PATH: process.env['PATH'], CNI_COMMAND: 'VERSION' }
      const { stdout } = spawnSync(alone, [], { env, input: '{}', encoding: 'utf8' })
      expect(JSON.parse(stdout)).toHaveProperty('supportedVersions')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
