import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { settled } from '../../lib/clock.ts'
import { openJournaledStore } from './journal-file.ts'

describe('a store with a journal', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tortie-journal-'))
    path = join(folder, 'state', 'store.journal')
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  it('is the same after its process has ended, and goes on from its revision', () => {
    const first = openJournaledStore(path, 7)
    first.store.commit([{ put: 'b', value: 'ü"\n' }])
    first.store.commit([
      { put: 'a', value: '1' },
      { put: 'b', value: '2' },
    ])
    first.store.commit([{ delete: 'a' }])
    first.store.commit([{ delete: 'none' }])
    const rows = [...first.store.rowsFrom('')]
    // Not closed: the process was killed.
    const second = openJournaledStore(path, 8)
    expect(second.clusterId).toBe(7)
    expect([...second.store.rowsFrom('')]).toEqual(rows)
    expect(second.store.revision).toBe(first.store.revision)
    second.store.commit([{ put: 'c', value: '' }])
    expect(openJournaledStore(path, 9).store.row('c')?.modRevision).toBe(first.store.revision + 1)
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('drops a line that was cut off', () => {
    const first = openJournaledStore(path, 7)
    first.store.commit([{ put: 'a', value: '1' }])
    appendFileSync(path, '[3,[{"put":"b","val')
    const second = openJournaledStore(path, 7)
    expect(second.store.row('b')).toBeUndefined()
    second.store.commit([{ put: 'c', value: '2' }])
    expect(openJournaledStore(path, 7).store.size).toBe(2)
  })

  it('lets a watch go on from the next revision, and ends one that wants the past', async () => {
    openJournaledStore(path, 7).store.commit([{ put: 'a', value: '1' }])
    openJournaledStore(path, 7).close()
    const { store } = openJournaledStore(path, 7)
    const ends: string[] = []
    for (const from of [store.revision, store.revision + 1]) {
      store.watch('', from, { onEvents() {}, onEnd: (reason) => ends.push(`${from} ${reason}`) })
    }
    await settled()
    expect(ends).toEqual(['2 compacted'])
  })

  it('tells which line cannot be used, and leaves the file as it is', () => {
    openJournaledStore(path, 7).store.commit([{ put: 'a', value: '1' }])
    const text = `${readFileSync(path, 'utf8')}rubbish\n`
    writeFileSync(path, text)
    expect(() => openJournaledStore(path, 7)).toThrow(
      /store.journal cannot be used: line 3 of the journal/,
    )
    writeFileSync(path, text.replace('rubbish', '[9,[{"put":"a","value":""}]]'))
    expect(() => openJournaledStore(path, 7)).toThrow(
      /line 3 of the journal is of revision 9: expected 3/,
    )
  })
})
