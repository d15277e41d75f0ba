import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unicast } from '../../src/kernel/kernel.contract.ts'
import { runSimulatedCommand } from '../../src/kernel/sim/commands/run-command.ts'
import { SimulatedMachine } from '../../src/kernel/sim/machine.ts'
import { BUILT_IN_TOPOLOGIES } from '../../src/lab/built-in-topologies.ts'
import { labDown } from '../../src/lab/lab-down.ts'
import { labUp } from '../../src/lab/lab-up.ts'
import { memoryState } from '../../src/lab/memory-state.ts'
import { parseTopology } from '../../src/lab/parse-topology.ts'
import { VirtualClock } from '../../src/lib/clock.ts'
import { silentLog } from '../../src/lib/log.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { simulatedLabPorts } from '../../src/main/simulated-lab-ports.ts'
import { ip } from '../../src/net/ip-address.ts'
import { Resources } from '../../src/store/resources.ts'

const NEAR = '10.211.1.4'
const FAR = '10.211.3.5'
const POOL = 'default-ipv4-ippool'

/* What operators do to a cluster in use, and that it finds its way again. */
describe.each(['cross-subnet', 'vxlan'])('the cluster of %s', (name) => {
  let clock: VirtualClock
  let machine: SimulatedMachine
  let ports: ReturnType<typeof simulatedLabPorts>
  let resources: Resources

  beforeEach(async () => {
    clock = new VirtualClock()
    const random = new SeededRandom(1)
    machine = new SimulatedMachine({ clock, random })
    ports = simulatedLabPorts({ machine, state: memoryState(), clock, random, log: silentLog })
    const text = BUILT_IN_TOPOLOGIES[name]!
    await run(labUp({ topology: parseTopology(text, name), name, text }, ports))
    const store = await ports.programs.openStore(name, { wait: false })
    resources = new Resources({ store, clock, random, log: silentLog })
  })
  afterEach(() => run(labDown(name, ports)))

  /** Lets virtual time run until `work` is done. */
  async function run<T>(work: Promise<T>): Promise<T> {
    let done = false
    const finished = work.finally(() => (done = true))
    finished.catch(() => {})
    while (!done) await clock.advance(10)
    return finished
  }

  /** Whether pods of a node in the own subnet and of one in another answer. */
  async function answers(): Promise<{ near: boolean; far: boolean }> {
    const pod = machine.openNamespace('network-5z4qp')
    const ping = async (address: string): Promise<boolean> => {
      const argv = ['ping', '-c', '1', '-W', '1', address]
      return (await run(runSimulatedCommand(pod, argv, clock))).stdout.includes('ttl=62')
    }
    return { near: await ping(NEAR), far: await ping(FAR) }
  }

  it('reaches what needs no tunnel while its pool is deleted, and all when there is one again', async () => {
    const pool = await run(resources.get('IPPool', POOL))
    await run(resources.delete('IPPool', POOL))
    await clock.advance(10_000)
    const node = machine.openNamespace('server01')
    expect(node.link('vxlan.calico')).toBeUndefined()
    const tunnels = node.links().filter((link) => link.name === 'tunl0')
    expect(
      node.addresses().filter((row) => tunnels.some(({ index }) => index === row.linkIndex)),
    ).toEqual([])
    const hasMesh = name === 'cross-subnet' // the other cluster has no BGP to ask then
    expect(await answers()).toEqual({ near: hasMesh, far: false })
    const { resourceVersion: _, uid: __, ...metadata } = pool.metadata
    await run(resources.create({ ...pool, metadata }))
    await clock.advance(5_000)
    expect(await answers()).toEqual({ near: true, far: true })
  })

  it.each(['the datastore', 'the kernel'])(
    'follows a node whose address changes, first in %s',
    async (first) => {
      const kernel = machine.openNamespace('server04')
      const { index: linkIndex } = kernel.link('ens33')!
      const row = { linkIndex, prefixLength: 24, scope: 'global' } as const
      const changes: (() => Promise<unknown>)[] = [
        () =>
          run(
            resources.modify('Node', 'server04', ({ spec }) => {
              spec.bgp!.ipv4Address = '172.16.171.140/24'
            }),
          ),
        () => {
          kernel.deleteAddress({ ...row, address: ip('172.16.171.128') })
          kernel.addAddress({ ...row, address: ip('172.16.171.140') })
          // It went with the address.
          const router = unicast('172.16.170.0/24', kernel.link('ens33')!, '172.16.171.1')
          kernel.replaceRoute(router)
          return Promise.resolve()
        },
      ]
      if (first === 'the kernel') changes.reverse()
      for (const change of changes) {
        await change()
        await clock.advance(2_000)
      }
      expect(await answers()).toEqual({ near: true, far: true })
    },
  )
})
