import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { MemoryTextFile } from '../lib/text-file.ts'
import { LastGoodRows } from './last-good-rows.ts'

const row = (key: string, value: string, modRevision = 5) => ({
  key,
  value,
  createRevision: 3,
  modRevision,
  version: 1,
})

function world() {
  const clock = new VirtualClock()
  const file = new MemoryTextFile()
  return { clock, file, open: () => new LastGoodRows({ file, clock, log: silentLog }) }
}

describe('the cluster as last seen', () => {
  it('is there after a restart: rows, and since when one is outdated', async () => {
    const { clock, open } = world()
    const rows = open()
    rows.keep(row('/a', '{}'))
    rows.keep(row('/b', '{"x":1}'))
    rows.outdate('/b', 7000)
    rows.keep(row('/c', '{}'))
    rows.forget('/c')
    await clock.advance(1500)
    expect(open().list()).toEqual([
      { row: row('/a', '{}') },
      { row: row('/b', '{"x":1}'), outdatedSince: 7000 },
    ])
  })

  it('is written at most every five seconds, and when the process ends', async () => {
    const { clock, file, open } = world()
    const texts: string[] = []
    const write = file.write.bind(file)
    file.write = (text) => (texts.push(text), write(text))
    const rows = open()
    for (let at = 0; at < 100; at++) {
      rows.keep(row('/a', '{}', at))
      await clock.advance(100)
    }
    expect(texts.length).toBeGreaterThan(1)
    expect(texts.length).toBeLessThan(5)
    await rows.close()
    expect(open().get('/a')?.row.modRevision).toBe(99)
  })

  it('has no row with a secret on disk, nor one that is huge', async () => {
    const { clock, file, open } = world()
    const rows = open()
    const secret = '{"spec":{"password":{"secretKeyRef":{"key":"k"}}}}'
    rows.keep(row('/secret', secret))
    rows.keep(row('/huge', 'x'.repeat(300_000)))
    rows.keep(row('/a', '{}'))
    await clock.advance(2000)
    expect(open().list()).toEqual([{ row: row('/a', '{}') }])
    expect(file.text).not.toContain('secretKeyRef')
    expect(rows.get('/secret')).toBeDefined()
  })

  it.each([
    ['no JSON', '{"version":1,"ro'],
    ['another version', '{"version":9,"rows":[]}'],
    ['no rows', '{"version":1,"rows":[{"row":{"key":7}}]}'],
    ['null', 'null'],
    ['empty', ''],
  ])('begins anew where the file is %s, which is set aside', (_, text) => {
    const { file, open } = world()
    file.text = text
    expect(open().list()).toEqual([])
    expect(file.aside).toBe(text)
  })

  it('goes on where it cannot be written, and writes when it can', async () => {
    const { clock, file, open } = world()
    const write = file.write.bind(file)
    file.write = () => Promise.reject(new Error('ENOSPC'))
    const rows = open()
    rows.keep(row('/a', '{}'))
    await clock.advance(2000)
    expect(rows.get('/a')).toBeDefined()
    file.write = write
    rows.keep(row('/b', '{}'))
    await clock.advance(10_000)
    expect(open().list()).toHaveLength(2)
  })
})
