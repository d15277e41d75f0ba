import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { DirectoryState } from './directory-state.ts'

const root = mkdtempSync(join(tmpdir(), 'tortie-state-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('directories of text files', () => {
  it('keep what is written, whole, and forget what is removed', () => {
    const state = new DirectoryState(join(root, 'labs'))
    expect(state.names()).toEqual([])
    expect(state.read('seed', 'lab.json')).toBeUndefined()
    state.write('seed', 'lab.json', 'one')
    state.write('seed', 'lab.json', 'two')
    expect(state.read('seed', 'lab.json')).toBe('two')
    expect(readdirSync(state.path('seed'))).toEqual(['lab.json'])
    expect(state.names()).toEqual(['seed'])
    state.remove('seed')
    state.remove('seed')
    expect(state.names()).toEqual([])
  })

  it.each(['..', '.', '', '../..', 'a/b', '/etc'])(
    'are never outside of their root: %j',
    (name) => {
      writeFileSync(join(root, 'beside'), '')
      const state = new DirectoryState(join(root, 'labs'))
      expect(() => state.remove(name)).toThrow('is no name of a directory here')
      expect(() => state.write(name, 'file', '')).toThrow('is no name of a directory here')
      expect(existsSync(join(root, 'beside'))).toBe(true)
    },
  )
})
