import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ALL_KINDS, KINDS } from './kinds.ts'
import { schemaOf } from './parse-resource.ts'
import { resourcesMarkdown } from './resources-markdown.ts'
import { fieldsOfObject, inputOf } from './schema-shape.ts'

it('docs/resources.md is that of the program (else run: node scripts/schema.mjs)', () => {
  const path = new URL('../../docs/resources.md', import.meta.url)
  expect(readFileSync(path, 'utf8')).toBe(resourcesMarkdown())
})

describe.each(ALL_KINDS)('the fields of %s', (kind) => {
  it('are those of its schema', () => {
    const { shape } = inputOf(schemaOf(kind))
    const fields = fieldsOfObject(inputOf(shape?.['spec'])) ?? []
    expect(Object.keys(KINDS[kind].uses).toSorted()).toEqual([...fields].toSorted())
  })
})
