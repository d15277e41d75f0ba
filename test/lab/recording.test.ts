import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Beside, canRunLabs, say, TestLab, tortie } from './tortie.ts'

describe.skipIf(!canRunLabs('recording an agent'))('an agent that is recorded', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tortie-recording-'))
  const file = join(folder, 'server01.jsonl')
  let lab: TestLab
  let agent: Beside
  let command: string[]

  beforeAll(async () => {
    lab = new TestLab('seed', `record${process.pid}`)
    const { programs } = JSON.parse(say('lab', 'status', lab.name, '-o', 'json')) as {
      programs: { pid: number; what: string }[]
    }
    const { pid } = programs.find(({ what }) => what === 'agent server01')!
    command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
    process.kill(pid, 'SIGKILL')
    agent = lab.beside('server01', ...command, '--record', file)
    await agent.until(/"Restart complete"/)
  })

  afterAll(() => {
    lab.down()
    rmSync(folder, { recursive: true })
  })

  it('does its work, and does it again out of the file', async () => {
    expect(lab.in('network-5z4qp', 'ping', '-c1', '-W1', '10.211.1.4')).toContain('ttl=62')
    const traced = say('trace', 'network-5z4qp', '10.211.1.4', '--lab', lab.name)
    expect(traced).toContain('Delivered and answered')
    const routes = lab.in('server01', 'ip', 'route')
    lab.in('server01', 'ip', 'route', 'del', '10.211.1.0/24')
    await expect.poll(() => lab.in('server01', 'ip', 'route')).toBe(routes)
    agent.child.kill('SIGTERM')
    expect(await agent.ended()).toBe(0)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const text = readFileSync(file, 'utf8')
    expect(text).toContain('"call":"addRoute"')
    const { stdout, status } = tortie('replay', file)
    expect(stdout).toMatch(/^server01: \d{2,} events, \d{3,} effects: the same\n$/)
    expect(status).toBe(0)
  })

  it('is told apart from one that does something else, by line', () => {
    const lines = readFileSync(file, 'utf8').split('\n')
    const at = lines.findIndex((line) => line.includes('"call":"addRoute"'))
    const changed = join(folder, 'changed.jsonl')
    writeFileSync(
      changed,
      lines.with(at, lines[at]!.replace('"type":"', '"type":"not ')).join('\n'),
    )
    const { stdout, status } = tortie('replay', changed)
    expect(stdout).toContain(`then a difference at line ${at + 1}`)
    expect(stdout).toMatch(
      /recorded {2}kernel\.addRoute\(.*"type":"not .*\n {2}now {7}kernel\.addRoute/,
    )
    expect(status).toBe(1)
  })

  it('is played to where it ends, if the agent was killed', () => {
    const text = readFileSync(file, 'utf8')
    const cut = join(folder, 'cut.jsonl')
    writeFileSync(cut, text.slice(0, Math.floor(text.length / 2)))
    expect(tortie('replay', cut).stdout).toContain(': the same\n')
  })

  it('refuses a file that is there, and what is no recording', () => {
    const again = tortie(
      'lab',
      'exec',
      '--lab',
      lab.name,
      'server01',
      '--',
      ...command,
      '--record',
      file,
    )
    expect(again.stderr).toContain(`Unable to record into ${file}: it exists already`)
    const none = join(folder, 'none.jsonl')
    writeFileSync(none, 'hello\n')
    const { stderr, status } = tortie('replay', none)
    expect(stderr).toContain('line 1: expected a recording made by "tortie agent --record"')
    expect(status).toBe(1)
  })
})
