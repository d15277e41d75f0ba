import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unicast } from '../../src/kernel/kernel.contract.ts'
import { runSimulatedCommand } from '../../src/kernel/sim/commands/run-command.ts'
import { FORMER_MILLISECONDS } from '../../src/agent/cluster/pool-history.ts'
import { DUMMY_ADDRESS } from '../../src/agent/tunnel/tunnel-device.ts'
import { ip } from '../../src/net/ip-address.ts'
import { openSimulatedLab, type SimulatedLab } from './simulated-lab.ts'

const NEAR = '10.211.1.4'
const FAR = '10.211.3.5'
const POOL = 'default-ipv4-ippool'

/* What operators do to a cluster in use, and that it finds its way again. */
describe.each(['cross-subnet', 'vxlan'])('the cluster of %s', (name) => {
  let lab: SimulatedLab
  let run: SimulatedLab['run']

  beforeEach(async () => {
    lab = await openSimulatedLab(name)
    run = lab.run
  })
  afterEach(() => lab.close())

  /** Whether pods of a node in the own subnet and of one in another answer. */
  async function answers(): Promise<{ near: boolean; far: boolean }> {
    const pod = lab.machine.openNamespace('network-5z4qp')
    const ping = async (address: string): Promise<boolean> => {
      const argv = ['ping', '-c', '1', '-W', '1', address]
      return (await run(runSimulatedCommand(pod, argv, lab.clock))).stdout.includes('ttl=62')
    }
    return { near: await ping(NEAR), far: await ping(FAR) }
  }

  it('reaches what needs no tunnel while its pool is deleted, and all when there is one again', async () => {
    const pool = await run(lab.resources.get('IPPool', POOL))
    await run(lab.resources.delete('IPPool', POOL))
    await lab.clock.advance(2 * FORMER_MILLISECONDS)
    const node = lab.machine.openNamespace('server01')
    expect(node.link('vxlan.calico')).toBeUndefined()
    const tunnels = node.links().filter((link) => link.name === 'tunl0')
    const isOfTunnel = ({ linkIndex }: { readonly linkIndex: number }): boolean =>
      tunnels.some(({ index }) => index === linkIndex)
    for (const { address } of node.addresses().filter(isOfTunnel)) {
      expect(address).toBe(DUMMY_ADDRESS)
    }
    const hasMesh = name === 'cross-subnet' // the other cluster has no BGP to ask then
    expect(await answers()).toEqual({ near: hasMesh, far: false })
    const { resourceVersion: _, uid: __, ...metadata } = pool.metadata
    await run(lab.resources.create({ ...pool, metadata }))
    await lab.clock.advance(5_000)
    expect(await answers()).toEqual({ near: true, far: true })
  })

  it.each(['the datastore', 'the kernel'])(
    'follows a node whose address changes, first in %s',
    async (first) => {
      const kernel = lab.machine.openNamespace('server04')
      const { index: linkIndex } = kernel.link('ens33')!
      const row = { linkIndex, prefixLength: 24, scope: 'global' } as const
      const changes: (() => Promise<unknown>)[] = [
        () =>
          run(
            lab.resources.modify('Node', 'server04', ({ spec }) => {
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
        await lab.clock.advance(2_000)
      }
      expect(await answers()).toEqual({ near: true, far: true })
    },
  )
})
