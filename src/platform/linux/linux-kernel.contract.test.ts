import { release } from 'node:os'
import { describe } from 'vitest'
import { kernelContract } from '../../kernel/kernel.contract.ts'
import { packetFilterContract } from '../../kernel/packet-filter.contract.ts'
import { createLinuxMachine } from './machine.ts'
import { until } from './testing/until.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('Skipped: the kernel contract on the real kernel needs root')

const [major = 0, minor = 0] = release().split('.').map(Number)
const losesFirstPackets =
  major > 6 || (major === 6 && minor >= 8)
    ? {}
    : { losesFirstPackets: 'before Linux 6.8 nobody can ask for carrier to be taken note of' }

describe.skipIf(!isRoot)('platform/linux', () => {
  let count = 0
  for (const contract of [kernelContract, packetFilterContract])
    contract('Linux', () => {
      const machine = createLinuxMachine()
      const prefix = `k${process.pid}-${count++}`
      return { machine, prefix, until, ...losesFirstPackets, done: () => machine.close() }
    })
})
