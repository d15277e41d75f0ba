import { describe } from 'vitest'
import { kernelContract } from '../../kernel/kernel.contract.ts'
import { createLinuxMachine } from './machine.ts'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.log('Skipped: the kernel contract on the real kernel needs root')

const DEADLINE_MILLISECONDS = 10_000
const PERIOD_MILLISECONDS = 2

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + DEADLINE_MILLISECONDS
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MILLISECONDS))
  }
}

describe.skipIf(!isRoot)('platform/linux', () => {
  let count = 0
  kernelContract('Linux', () => {
    const machine = createLinuxMachine()
    const prefix = `k${process.pid}-${count++}`
    return { machine, prefix, until, done: () => machine.close() }
  })
})
