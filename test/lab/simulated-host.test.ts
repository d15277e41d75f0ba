import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn, spawnSync } from 'node:child_process'
import { setImmediate } from 'node:timers/promises'
import { once } from 'node:events'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { processesWith } from '../../src/platform/node/processes.ts'
import { TORTIE } from './tortie.ts'

/* A simulated lab is a process: these need no root and no Linux. */

/** False too when it has ended and nobody has asked how. */
function isAlive(pid: number): boolean {
  const path = `/proc/${pid}/stat`
  return existsSync(path) && !/\) Z /.test(readFileSync(path, 'utf8'))
}

describe('the host of a simulated lab', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tortie-host-'))
  const run = (...args: string[]) => {
    const env = { ...process.env, TORTIE_RUN_DIR: folder }
    const { stdout, stderr, status } = spawnSync(process.execPath, [TORTIE, ...args], {
      encoding: 'utf8',
      env,
    })
    return { stdout, stderr, status }
  }
  const hostPid = (): number =>
    (JSON.parse(readFileSync(join(folder, 'labs/one/host.json'), 'utf8')) as { pid: number }).pid

  afterEach(() => {
    run('lab', 'down', '--all')
    expect(readdirSync(join(folder, 'labs'))).toEqual([])
    expect(readdirSync(folder)).toEqual(['labs'])
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const isLinux = process.platform === 'linux'
  if (!isLinux) console.log('Skipped: hosts of simulated labs are looked for in /proc')
  it
    .skipIf(!isLinux)
    .each([
      'labs/.one.log',
      'one.lock',
      'labs/one/lab.json',
      'labs/one/topology.yaml',
      'labs/one/store.sock',
      'labs/one/lab.sock',
    ])('leaves nothing behind when it is killed as soon as there is %s', async (file) => {
    const env = { ...process.env, TORTIE_RUN_DIR: folder }
    const args = [TORTIE, 'lab', 'up', 'seed', '--simulated', '--name', 'one']
    const up = spawn(process.execPath, args, { env, stdio: 'ignore' })
    const ended = once(up, 'exit')
    while (!existsSync(join(folder, file)) && up.exitCode === null) await setImmediate()
    const hosts = processesWith('TORTIE_LAB_DIR', join(folder, 'labs/one'))
    for (const { pid } of hosts) process.kill(pid, 'SIGKILL')
    up.kill('SIGKILL')
    await ended
    // A journal without this mark would be taken for one of namespaces of this machine.
    if (existsSync(join(folder, 'labs/one/lab.json'))) expect(hostPid()).toBeGreaterThan(0)
    expect(run('lab', 'down', 'one')).toMatchObject({ status: 0, stderr: '' })
    expect(existsSync(join(folder, 'labs/.one.log'))).toBe(false)
  })

  it('leaves nothing behind when it was killed between its folder and its mark', () => {
    mkdirSync(join(folder, 'labs/one'), { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, 'labs/.one.log'), '')
    expect(run('lab', 'down', 'one')).toMatchObject({ status: 0, stderr: '' })
    expect(readdirSync(join(folder, 'labs'))).toEqual([])
  })

  it('serves every verb, and goes with everything that it made', () => {
    expect(run('lab', 'up', 'seed', '--simulated', '--name', 'one').status).toBe(0)
    const pid = hostPid()
    expect(run('lab', 'status').stdout).toContain('server03')
    expect(run('lab', 'list').stdout).toMatch(/^one /m)
    expect(run('get', 'workloadendpoint', '-A').stdout).toContain('cali50914021272')
    expect(run('trace', 'network-5z4qp', 'network-mngxw').status).toBe(0)
    expect(
      run('lab', 'exec', 'network-5z4qp', '--', 'ping', '-c', '1', '10.211.1.4').stdout,
    ).toContain('ttl=62')
    expect(run('lab', 'exec', 'server01', '--', 'no-such-program').status).toBe(127)
    expect(run('lab', 'restart', 'server02').status).toBe(0)
    expect(run('lab', 'restart', 'server20').stderr).toContain('did you mean server02?')
    const again = run('lab', 'up', 'seed', '--simulated', '--name', 'one')
    expect(again.stderr).toContain('Lab one is up already')
    expect(again.status).toBe(1)

    // Stopped, it answers nobody; down must still end it.
    process.kill(pid, 'SIGSTOP')
    expect(run('lab', 'down').status).toBe(0)
    expect(isAlive(pid)).toBe(false)
  })
})
