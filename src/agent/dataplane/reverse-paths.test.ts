import { expect, it } from 'vitest'
import { SimulatedMachine } from '../../kernel/sim/machine.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { HostSysctls, memorySysctls } from './host-sysctls.ts'
import { looseReversePaths, strictLinks } from './reverse-paths.ts'

const LINKS = ['eth0.7', 'tunl0']

/** A node with these links, and one that is none of its ways to other nodes. */
function node(all: string, own: string) {
  const machine = new SimulatedMachine({ clock: new VirtualClock(), random: new SeededRandom(1) })
  const kernel = machine.createNamespace('node')
  for (const name of [...LINKS, 'eth1']) {
    kernel.createLink({ kind: name === 'tunl0' ? 'ipip' : 'bridge', name })
    kernel.writeSysctl(`ipv4.conf.${name.replace('.', '/')}.rp_filter`, own)
  }
  kernel.writeSysctl('ipv4.conf.all.rp_filter', all)
  return new HostSysctls(kernel, memorySysctls())
}

it.each([
  ['0', '0', []],
  ['0', '1', LINKS],
  ['1', '0', LINKS],
  ['2', '1', []],
  ['1', '2', []],
])('with rp_filter %s of all and %s of the link checks %j', (all, own, strict) => {
  const sysctls = node(all, own)
  const loose = looseReversePaths(LINKS)
  expect(loose).toEqual([
    ['ipv4.conf.eth0/7.rp_filter', '2'],
    ['ipv4.conf.tunl0.rp_filter', '2'],
  ])
  expect(strictLinks(sysctls, LINKS)).toEqual(strict)
  // What the host had decides, not what the agent made of it; and a link that is not there is none.
  sysctls.reconcile(new Map(loose))
  expect(strictLinks(sysctls, [...LINKS, 'vxlan.calico'])).toEqual(strict)
})
