import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { traceJsonSchema } from './trace-json-schema.ts'

it('the published schema is that of the program (else run: node scripts/schema.mjs)', () => {
  const path = new URL('../../../schema/trace.schema.json', import.meta.url)
  expect(readFileSync(path, 'utf8')).toBe(traceJsonSchema())
})
