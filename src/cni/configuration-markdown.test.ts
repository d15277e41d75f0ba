import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { checkConfiguration } from './configuration.ts'
import { configurationMarkdown } from './configuration-markdown.ts'

const path = new URL('../../docs/cni.md', import.meta.url)

it('docs/cni.md is that of the program (else run: node scripts/schema.mjs)', () => {
  expect(readFileSync(path, 'utf8')).toBe(configurationMarkdown())
})

it('has an example that is right', () => {
  const [, example] = /```json\n([^]*?)```/.exec(configurationMarkdown())!
  const { plugins, ...network } = JSON.parse(example!) as { plugins: Record<string, unknown>[] }
  const { ipam } = checkConfiguration({ ...network, ...plugins[0] }, 'ADD')
  expect(ipam).toEqual({ type: 'calico-ipam' })
})
