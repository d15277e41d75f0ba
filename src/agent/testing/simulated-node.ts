import { attachPod } from '../../cni/networking.ts'
import type { Kernel, KernelEvent } from '../../kernel/kernel.ts'
import { createSimulatedMachine } from '../../kernel/sim/machine.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import type { Reconciler } from '../../lib/reconcile/reconciler.ts'
import { type Reconciliation, Scheduler } from '../../lib/reconcile/scheduler.ts'
import { ip } from '../../net/ip-address.ts'
import { KernelView } from '../dataplane/kernel-view.ts'
import type { LocalPod } from '../desired/local-facts.ts'

/** What lists everything there is of something, which takes longer the more there is. */
const LISTINGS = ['routes', 'links', 'addresses', 'neighbors'] as const

/** The address of every pod: 10.1.0.5. */
export const POD_ADDRESS = ip('10.1.0.5')

/** A node on a simulated kernel, whose own link is eth0 with 10.0.0.1/24, and a scheduler that hears it. */
export function simulatedNode() {
  const clock = new VirtualClock()
  const random = new SeededRandom(1)
  const machine = createSimulatedMachine({ clock, random })
  const kernel = machine.createNamespace('node')
  const beyond = machine.createNamespace('switch')
  kernel.createLink({ kind: 'veth', name: 'eth0', peer: { name: 'port', kernel: beyond } })
  const uplink = kernel.link('eth0')!.index
  for (const end of [kernel.link('lo')!.index, uplink]) kernel.changeLink(end, { up: true })
  beyond.changeLink(beyond.link('port')!.index, { up: true })
  const address = ip('10.0.0.1')
  kernel.addAddress({ linkIndex: uplink, address, prefixLength: 24, scope: 'global' })

  const scheduler = new Scheduler<KernelEvent>({ clock, random, log: silentLog })
  const listed: string[] = []
  const counting = countingKernel(kernel, listed)
  const view = new KernelView(counting)
  view.read()
  kernel.watch((event) => {
    view.observe(event)
    scheduler.observe(event)
  })
  return {
    clock,
    random,
    machine,
    kernel,
    /** The same kernel, which notes what is listed whole. */
    counting,
    listed,
    view,
    scheduler,
    uplink,
    add: <Desired>(made: Reconciler<Desired, KernelEvent>): Reconciliation<Desired> =>
      scheduler.add(made),
    attach: (name: string): LocalPod => {
      const pod = machine.createNamespace(name)
      const hostInterfaceName = `cali${name}`
      const addresses = [POD_ADDRESS]
      const interfaceName = 'eth0'
      attachPod(kernel, pod, { hostInterfaceName, interfaceName, addresses, mtu: 1500 })
      const networkNamespace = machine.namespacePath(name)
      const end = { networkNamespace, interfaceName, followsNodeMtu: true }
      return { namespace: 'default', pod: name, addresses, hostInterfaceName, ...end }
    },
  }
}

function countingKernel(kernel: Kernel, listed: string[]): Kernel {
  return new Proxy<Kernel>(kernel, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      if (LISTINGS.some((name) => name === property)) listed.push(String(property))
      return value.bind(target) as unknown
    },
  })
}
