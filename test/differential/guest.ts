import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { compareMany } from './stages.ts'

/*
 * The comparison as a program for Linux 6.1 in user mode, which has the ipip module:
 *
 *     node guest.mjs FILE FIRST-SEED COUNT
 *
 * FILE gets how many networks agreed and what the others differ in, as JSON.
 */

const [file = '', first = '1', count = '1'] = process.argv.slice(2)
// Debian's user-mode kernel has these as modules, and nothing in there loads them unasked.
for (const name of ['ipv6', 'bridge', 'veth', 'ipip']) {
  execFileSync('modprobe', ['-d', '/run/modules', name])
}
const machine = createLinuxMachine()
const seeds = Array.from({ length: Number(count) }, (_, at) => Number(first) + at)
const disagreements: string[] = []
const note = (seed: number, lines: readonly string[]): void => {
  disagreements.push(`seed ${seed}`, ...lines)
}
const agreed = await compareMany(seeds, machine, 'd-', note, 'ipip')
machine.close()
writeFileSync(file, JSON.stringify({ agreed, disagreements }))
process.exit(0)
