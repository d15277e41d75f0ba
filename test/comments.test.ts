import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync } from 'oxc-parser'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')
const FOLDERS = ['src', 'test', 'bench', 'scripts', 'docs', 'schema', '.ci']

const FILE_NAME = /(?<![\w./*-])[\w.-]+(?:\/[\w.-]+)*\.(?:ts|mjs)\b(?!\w)/g

const files = [
  ...readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name),
  ...FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name))),
  ),
]

/** What tests bundle and run where there is no compiler. */
const BUILT = ['guest.mjs', 'run-checks.mjs']

/**
 * Names of files in the comments of a text that no file of the repository has. A name without a folder
 * means the file beside it, or the only one of that name.
 */
function missingFiles(path: string, text: string, known: readonly string[]): string[] {
  const { comments } = parseSync(path, text)
  const named = comments.flatMap(({ value }) =>
    Array.from(value.matchAll(FILE_NAME), ([name]) => name.replace(/^(\.\.?\/)+/, '')),
  )
  const exists = (name: string): boolean => {
    if (known.includes(join(dirname(path), name))) return true
    const found = known.filter((file) => `/${file}`.endsWith(`/${name}`))
    return found.length === 1 || (found.length > 1 && name.includes('/'))
  }
  return [...new Set(named)].filter((name) => !exists(name) && !BUILT.includes(name))
}

describe('comments', () => {
  it('name only files that exist', () => {
    const found = files
      .filter((path) => /\.(ts|mjs)$/.test(path))
      .flatMap((path) =>
        missingFiles(path, readFileSync(join(root, path), 'utf8'), files).map(
          (name) => `${path} names ${name}`,
        ),
      )
    expect(found).toEqual([])
  })

  it('that name others are seen', () => {
    const text = `
      // session.ts carries them out, as bgp/fsm.ts and ../bgp/neighbor.ts say
      const a = 'text.ts' /* see model/none.ts. */
    `
    const known = ['src/bgp/fsm.ts', 'src/bgp/neighbor.ts', 'src/bfd/session.ts']
    expect(missingFiles('src/bgp/a.ts', text, known)).toEqual(['model/none.ts'])
    known.push('bench/session.ts')
    expect(missingFiles('src/bgp/a.ts', text, known)).toEqual(['session.ts', 'model/none.ts'])
    expect(missingFiles('src/bfd/a.ts', text, known)).toEqual(['model/none.ts'])
  })
})
