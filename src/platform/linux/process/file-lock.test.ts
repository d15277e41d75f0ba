import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { lockFileByKernel } from './file-lock.ts'

const folder = mkdtempSync(join(tmpdir(), 'tortie-lock-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(process.platform !== 'linux')('a lock on a file', () => {
  const path = join(folder, 'lock')

  it('is had by one at a time, and leaves no file', () => {
    const first = lockFileByKernel(path)
    expect(first).toBeDefined()
    expect(lockFileByKernel(path)).toBeUndefined()
    first!.close()
    first!.close()
    expect(existsSync(path)).toBe(false)
    const second = lockFileByKernel(path)
    expect(second).toBeDefined()
    second!.close()
  })
})
