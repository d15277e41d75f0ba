import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { placeSocket } from './socket-path.ts'

it('prepares the socket inside its own folder, where a killed process leaves nothing to others', async () => {
  const root = mkdtempSync(join(tmpdir(), 'tortie-socket-'))
  const folder = join(root, 'lab')
  try {
    await placeSocket(join(folder, 'store.sock'), async (path) => {
      expect(dirname(dirname(path))).toBe(folder)
      expect(readdirSync(root)).toEqual(['lab'])
      writeFileSync(path, '')
    })
    expect(readdirSync(folder)).toEqual(['store.sock'])
  } finally {
    rmSync(root, { recursive: true })
  }
})
