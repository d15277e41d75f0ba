import type { Fault } from '../fault.ts'
import { dropping } from '../filters.ts'

const IP_IN_IP = 4

export const tunnelDrops = {
  id: 'tunnel-drops',
  summary: 'the tunnel of the far node drops what it takes for fragments',
  path: 'ipip',
  families: [4],
  onlySimulated: 'a filter stands for the programs that count what they drop',
  effects: ({ to }) => {
    // The simulated kernel has IPIP itself.
    const options = { name: 'tunnel-programs', counter: 'fragment' }
    const table = dropping('input', [{ kind: 'protocol', protocol: IP_IN_IP }], options)
    return [{ do: 'filter', in: to.namespace, table }]
  },
} as const satisfies Fault
