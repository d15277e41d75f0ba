import type { Kernel } from '../../src/kernel/kernel.ts'
import {
  FILTER_PRIORITY,
  type FilterRule,
  type FilterTable,
} from '../../src/kernel/packet-filter.ts'
import { ipv4FromNumber } from '../../src/net/ip-address.ts'
import { hostPrefix, type Prefix } from '../../src/net/prefix.ts'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'

// How long the kernel takes to get a packet filter as a node with many pods has it: chains behind a map
// of links, each with rules that ask a set of nodes. In a namespace of its own, as root.
//
// usage: npm run bench -- filter [CHAINS [RULES]]
const [chains = 1000, rules = 10] = process.argv.slice(2).map(Number)
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const address = (index: number): Prefix => hostPrefix(ipv4FromNumber(0x0a00_0000 + index))

/** @param odd the chain of which one rule is another */
function table(odd: number | undefined, nodes: number): FilterTable {
  const ruleOf = (chain: number, index: number): FilterRule => ({
    match: [
      { kind: 'protocol', protocol: 6 },
      { kind: 'destinationPort', ports: chain === odd && index === 5 ? 1 : 1000 + index },
      { kind: 'set', set: 'nodes', key: ['source'] },
    ],
    verdict: 'accept',
  })
  return {
    name: 'bench',
    sets: [{ name: 'nodes', key: ['ipv4'], elements: numbers(nodes).map(address) }],
    maps: [
      {
        name: 'pods',
        key: ['link'],
        value: 'verdict',
        entries: numbers(chains).map(
          (chain) => [{ link: `cali${chain}` }, { goto: `to-${chain}` }] as const,
        ),
      },
    ],
    chains: [
      {
        name: 'forward',
        type: 'filter',
        hook: 'forward',
        priority: FILTER_PRIORITY.filter,
        policy: 'accept',
        rules: [{ match: [], verdict: { map: 'pods', key: ['outputLink'] } }],
      },
      ...numbers(chains).map((chain) => ({
        name: `to-${chain}`,
        rules: numbers(rules).map((index) => ruleOf(chain, index)),
      })),
    ],
  }
}

function timed(what: string, kernel: Kernel, wanted: FilterTable): void {
  const [start, before] = [process.hrtime.bigint(), process.cpuUsage()]
  const changes = kernel.keepPacketFilter(wanted)
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6
  const { user, system } = process.cpuUsage(before)
  const columns = [milliseconds, user / 1000, system / 1000]
  const text = columns.map((each) => each.toFixed(0).padStart(7)).join('')
  console.log(`${text}  ${what}: ${changes.length} objects written`)
}

const machine = createLinuxMachine()
const name = `bench-filter-${process.pid}`
const kernel = machine.createNamespace(name)
try {
  console.log(
    `${chains} chains of ${rules} rules, a set of 1,000 nodes, on the kernel of this machine`,
  )
  console.log('   time   user system, in milliseconds')
  timed('make it', kernel, table(undefined, 1000))
  timed('apply it again', kernel, table(undefined, 1000))
  timed('a rule of one chain', kernel, table(3, 1000))
  timed('the rule as it was', kernel, table(undefined, 1000))
  timed('one node less', kernel, table(undefined, 999))
  const reader = machine.openNamespace(name)
  timed('read it all and write nothing', reader, table(undefined, 999))
  reader.close()
} finally {
  machine.deleteNamespace(name)
  machine.close()
}
