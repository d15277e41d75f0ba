import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { endProcesses, processesWith, startDetached } from './processes.ts'

const MARK = `processes-test-${process.pid}`
const find = () => processesWith('TORTIE_TEST_MARK', MARK)
const folder = mkdtempSync(join(tmpdir(), 'tortie-processes-'))
const start = (script: string) =>
  startDetached({
    command: process.execPath,
    args: ['-e', script],
    env: { ...process.env, TORTIE_TEST_MARK: MARK },
    logPath: join(folder, 'log'),
  })

describe.skipIf(process.platform !== 'linux')('processes of this machine', () => {
  afterEach(async () => void (await endProcesses(find)))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('are found by their environment, ended, and then not found', async () => {
    const child = start('setInterval(() => {}, 1000)')
    await expect.poll(() => find().map(({ pid }) => pid)).toEqual([child.pid])
    expect(find()[0]!.argv.slice(1)).toEqual(['-e', 'setInterval(() => {}, 1000)'])
    expect(await endProcesses(find)).toBe(1)
    expect(find()).toEqual([])
    await expect.poll(() => child.ended).toBe('SIGKILL')
  })

  it('have not ended while a thread lives whose first one is gone', async () => {
    // exit(2) ends one thread; those of the runtime stay, and hold the socket open.
    const half = start(`
      const koffi = require('koffi')
      const syscall = koffi.load(null).func('long syscall(long, long)')
      require('node:net').createServer().listen(0, '127.0.0.1', () =>
        syscall(process.arch === 'x64' ? 60 : 93, 0))
    `)
    const first = () => readFileSync(`/proc/${half.pid}/stat`, 'utf8').split(') ')[1]![0]
    await expect.poll(first, { timeout: 20_000 }).toBe('Z')
    expect(find().map(({ pid }) => pid)).toEqual([half.pid])
    expect(await endProcesses(find)).toBe(1)
    await expect.poll(() => half.ended).toBe('SIGKILL')
  })

  it('are not ended when another process has their number by now', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    await once(other, 'spawn')
    let asked = 0
    const stale = { pid: other.pid!, startTime: '1' }
    expect(await endProcesses(() => (asked++ === 0 ? [stale] : []))).toBe(1)
    expect(other.exitCode ?? other.signalCode).toBe(null)
    other.kill()
    await once(other, 'exit')
  })
})

it('what a process printed and how it ended is known', async () => {
  const again = mkdtempSync(join(tmpdir(), 'tortie-processes-'))
  const logPath = join(again, 'log')
  const child = startDetached({
    command: process.execPath,
    args: ['-e', 'console.error("why"); process.exit(3)'],
    env: process.env,
    logPath,
  })
  await expect.poll(() => child.ended, { timeout: 5000 }).toBe('exit status 3')
  expect(readFileSync(logPath, 'utf8')).toBe('why\n')
  rmSync(again, { recursive: true })
})
