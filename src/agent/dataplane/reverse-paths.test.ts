import { expect, it } from 'vitest'
import { SimulatedMachine } from '../../kernel/sim/machine.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip } from '../../net/ip-address.ts'
import { HostSysctls, memorySysctls } from './host-sysctls.ts'
import { reversePaths } from './reverse-paths.ts'

/** A node whose address is on eth0.7, beside a link that is none of its ways to other nodes. */
function node(all: string, own: string) {
  const machine = new SimulatedMachine({ clock: new VirtualClock(), random: new SeededRandom(1) })
  const kernel = machine.createNamespace('node')
  for (const name of ['eth0.7', 'tunl0', 'eth1']) {
    kernel.createLink({ kind: name === 'tunl0' ? 'ipip' : 'bridge', name })
    kernel.writeSysctl(`ipv4.conf.${name.replace('.', '/')}.rp_filter`, own)
  }
  kernel.writeSysctl('ipv4.conf.all.rp_filter', all)
  const { index: linkIndex } = kernel.link('eth0.7')!
  const address = ip('10.0.0.1')
  kernel.addAddress({ linkIndex, address, prefixLength: 24, scope: 'global' })
  return { kernel, address, sysctls: new HostSysctls(kernel, memorySysctls()) }
}

it.each([
  ['0', '0', []],
  ['0', '1', ['eth0.7', 'tunl0']],
  ['1', '0', ['eth0.7', 'tunl0']],
  ['2', '1', []],
  ['1', '2', []],
])('with rp_filter %s of all and %s of the link checks %j', (all, own, strict) => {
  const { kernel, address, sysctls } = node(all, own)
  const before = reversePaths(kernel, sysctls, address, ['tunl0'])
  expect([...before.sysctls]).toEqual([
    ['ipv4.conf.eth0/7.rp_filter', '2'],
    ['ipv4.conf.tunl0.rp_filter', '2'],
  ])
  expect(before.strictLinks).toEqual(strict)
  // What the host had decides, not what the agent made of it.
  sysctls.reconcile(before.sysctls)
  expect(reversePaths(kernel, sysctls, address, ['tunl0']).strictLinks).toEqual(strict)
})
