import { expect, it } from 'vitest'
import { createSimulatedMachine } from '../kernel/sim/machine.ts'
import { VirtualClock } from '../lib/clock.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import { attachPod } from './networking.ts'

const address = ip('10.211.0.6')

function node() {
  const clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  const host = machine.createNamespace('host')
  const { index: linkIndex } = host.createLink({ kind: 'bridge', name: 'eth0' })
  host.changeLink(linkIndex, { up: true })
  const attach = (name: string): void => {
    const pod = machine.createNamespace(name)
    const common = { interfaceName: 'eth0', addresses: [address], mtu: 1500 }
    attachPod(host, pod, { ...common, hostInterfaceName: `cali${name}` })
  }
  const wayTo = () => host.routes().filter(({ destination }) => destination === `${address}/32`)
  return { host, linkIndex, attach, wayTo }
}

it('takes an address over from a pod that still has it', () => {
  const { host, attach, wayTo } = node()
  attach('a')
  attach('b')
  expect(wayTo().map(({ nextHops }) => nextHops)).toEqual([
    [{ linkIndex: host.link('calib')!.index }],
  ])
})

it('leaves a route of the host to a pod’s address, and says so', () => {
  const { host, linkIndex, attach, wayTo } = node()
  const route = {
    destination: prefix(`${address}/32`),
    type: 'unicast',
    table: 254,
    protocol: 4,
    scope: 'link',
    priority: 0,
    nextHops: [{ linkIndex }],
  } as const
  host.addRoute(route)
  expect(() => attach('a')).toThrow('The host has a route of its own to 10.211.0.6/32')
  expect(wayTo()).toEqual([route])
})
