import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createLog } from './log.ts'

describe('a log', () => {
  it('has one object a line, with the fields of its parents', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tortie-log-'))
    const fd = openSync(join(folder, 'log'), 'w')
    createLog({ level: 'info', name: 'agent', fd }).child({ node: 'n1' }).warn('Late', { by: 2 })
    closeSync(fd)
    const text = readFileSync(join(folder, 'log'), 'utf8')
    rmSync(folder, { recursive: true })
    expect(JSON.parse(text)).toMatchObject({ level: 'warn', node: 'n1', by: 2, msg: 'Late' })
    expect(text.endsWith('}\n')).toBe(true)
  })

  it('tells of topics at any level, and keeps their lines short', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tortie-log-'))
    const fd = openSync(join(folder, 'log'), 'w')
    const log = createLog({ level: 'error', name: 'agent', fd })
    const child = log.child({ node: 'n1' })
    log.topics.netlink = true
    expect(child.topics.netlink).toBe(true)
    const hops = Array.from({ length: 50_000 }, (_, hop) => ({ hop }))
    child.tell('netlink', 'Request', { octets: 40, text: 'x'.repeat(50_000), hops, all: { hops } })
    child.debug('Not a topic')
    closeSync(fd)
    const text = readFileSync(join(folder, 'log'), 'utf8')
    rmSync(folder, { recursive: true })
    expect(text.length).toBeLessThan(2000)
    expect(text.trim().split('\n')).toHaveLength(1)
    const { hops: shown, ...line } = JSON.parse(text) as Record<string, unknown>
    expect(line).toMatchObject({ level: 'debug', topic: 'netlink', node: 'n1', octets: 40 })
    expect(line).toMatchObject({
      msg: 'Request',
      text: `${'x'.repeat(400)} and 49600 more characters`,
    })
    expect((shown as unknown[]).at(-1)).toBe('and 49984 more')
  })

  it('drops a line that its reader, who has gone, does not take', () => {
    const fd = openSync(tmpdir(), 'r') // cannot be written to
    const log = createLog({ level: 'info', name: 'agent', fd })
    expect(() => log.error('Nobody hears this')).not.toThrow()
    closeSync(fd)
    expect(() => log.error('nor this')).not.toThrow()
  })

  it.skipIf(!existsSync('/dev/full'))('drops a line for which there is no room', () => {
    const fd = openSync('/dev/full', 'w') // ENOSPC, full(4)
    const log = createLog({ level: 'info', name: 'agent', fd })
    expect(() => log.info('There is no room')).not.toThrow()
    closeSync(fd)
  })
})
