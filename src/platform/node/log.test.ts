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
