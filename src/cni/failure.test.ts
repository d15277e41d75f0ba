import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CNI_ERROR, CniError } from '../api/cni-protocol.ts'
import { IpamError } from '../ipam/ipam-error.ts'
import { KernelError } from '../kernel/kernel.ts'
import { UserError } from '../lib/errors.ts'
import { UpdateConflict } from '../store/resource-errors.ts'
import { StoreUnavailable } from '../store/store.ts'
import { asCniError } from './failure.ts'

function ofDisk(): unknown {
  const folder = mkdtempSync(join(tmpdir(), 'tortie-failure-'))
  try {
    writeFileSync(folder, '')
    return undefined
  } catch (thrown) {
    return thrown
  } finally {
    rmSync(folder, { recursive: true })
  }
}

it.each([
  ['a datastore that is away', new StoreUnavailable('no answer'), 11],
  ['somebody who was faster', new UpdateConflict('Node(a)'), 11],
  ['pools without an address', new IpamError('no-addresses', 'none'), 101],
  ['an address of somebody else', new IpamError('taken', 'taken'), 101],
  ['an address of no pool', new IpamError('not-in-a-pool', 'where'), 7],
  ['a pool that is not there', new IpamError('no-such-pool', 'which'), 7],
  ['writers without end', new IpamError('busy', 'busy'), 11],
  ['what the kernel has already', new KernelError('EEXIST', 'there'), 100],
  ['what the kernel refuses', new KernelError('EPERM', 'no'), 5],
  ['a file that cannot be written', ofDisk(), 5],
  ['a row that makes no sense', new UserError('row'), 100],
  ['what has its code', new CniError(CNI_ERROR.unknownContainer, 'who'), 3],
  ['a defect', new TypeError('x is not a function'), 999],
])('tells of %s in its code, with what can be done', (_, thrown, code) => {
  const { cniCode, message, details } = asCniError(thrown)
  expect(cniCode).toBe(code)
  expect(message).not.toBe('')
  expect(details).toMatch(/^[A-Z].*\.$/)
})
