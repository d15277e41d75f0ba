import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { topologyJsonSchema } from './topology-json-schema.ts'

it('the published schema is that of the program (else run: node scripts/schema.mjs)', () => {
  const path = new URL('../../schema/topology.schema.json', import.meta.url)
  expect(readFileSync(path, 'utf8')).toBe(topologyJsonSchema())
})
