import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { assertOwnFolder, makeOwnFolder } from './own-folder.ts'

const folder = mkdtempSync(join(tmpdir(), 'tortie-own-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe("a folder of the user's own", () => {
  it('is made for the user alone, and may be there already', () => {
    const path = join(folder, 'a/b')
    makeOwnFolder(path)
    makeOwnFolder(path)
    expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  it('may be absent as long as nobody needs it', () => {
    expect(() => assertOwnFolder(join(folder, 'absent'))).not.toThrow()
  })

  it('is not believed when others can write to it, or when it is none', () => {
    const open = join(folder, 'open')
    mkdirSync(open)
    chmodSync(open, 0o777)
    const file = join(folder, 'file')
    writeFileSync(file, '')
    const link = join(folder, 'link')
    symlinkSync(join(folder, 'a'), link)
    for (const path of [open, file, link]) {
      expect(() => assertOwnFolder(path)).toThrow('is not a folder that only you can write to')
    }
  })
})
