import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { runSimulatedCommand } from '../../src/kernel/sim/commands/run-command.ts'
import { FORMER_MILLISECONDS } from '../../src/agent/cluster/pool-history.ts'
import { DUMMY_ADDRESS } from '../../src/agent/tunnel/tunnel-device.ts'
import { silentLog } from '../../src/lib/log.ts'
import { Ipam } from '../../src/ipam/ipam.ts'
import { RowIpamStore } from '../../src/ipam/row-ipam-store.ts'
import { ip } from '../../src/net/ip-address.ts'
import { openSimulatedLab, type SimulatedLab } from './simulated-lab.ts'

/* tunl0 by the ipip device of the simulated kernel, and what people do to it. */
describe('tunl0', () => {
  let lab: SimulatedLab
  let run: SimulatedLab['run']
  let node: Kernel

  beforeEach(async () => {
    lab = await openSimulatedLab('cross-subnet')
    run = lab.run
    node = lab.machine.openNamespace('server01')
  })
  afterEach(() => lab.close())

  const tunnel = () => node.link('tunl0')!
  const addresses = (): readonly string[] =>
    node
      .addresses()
      .filter(({ linkIndex }) => linkIndex === tunnel().index)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`)
  const routes = (): number =>
    node
      .routes()
      .filter(({ nextHops }) => nextHops.some(({ linkIndex }) => linkIndex === tunnel().index))
      .length

  it('is up, with one address of the node’s block and 20 octets less than the uplink', () => {
    expect(tunnel()).toMatchObject({ kind: 'ipip', up: true, mtu: 1480 })
    expect(addresses()).toEqual([expect.stringMatching(/^10\.211\.0\.\d+\/32$/)])
  })

  it('gives its address back while no pool tunnels, and gets one again', async () => {
    const { store, resources, clock, random } = lab
    const rows = new RowIpamStore({ store, clock, random, log: silentLog })
    const ipam = new Ipam({ store: rows, resources, clock, random })
    const written = async () => (await run(resources.get('Node', 'server01'))).spec.bgp
    const handles = async () =>
      (await run(ipam.allocations())).filter(({ attributes }) => attributes['node'] === 'server01')
        .length
    const setMode = (ipipMode: 'Never' | 'Always') =>
      run(
        resources.modify('IPPool', 'default-ipv4-ippool', ({ spec }) => {
          spec.ipipMode = ipipMode
        }),
      )
    const before = await handles()
    expect((await written())?.ipv4IPIPTunnelAddr).toBe(addresses()[0]?.replace('/32', ''))
    await setMode('Never')
    await lab.clock.advance(1000)
    // Not every node has heard of it.
    expect(addresses()).toHaveLength(1)
    await lab.clock.advance(FORMER_MILLISECONDS)
    expect(addresses()).toEqual([`${DUMMY_ADDRESS}/32`])
    expect((await written())?.ipv4IPIPTunnelAddr).toBeUndefined()
    expect(await handles()).toBe(before - 1)
    await setMode('Always')
    await lab.clock.advance(1000)
    expect((await written())?.ipv4IPIPTunnelAddr).toBe(addresses()[0]?.replace('/32', ''))
    expect(await handles()).toBe(before)
  })

  it('is set up again within a pass when somebody sets it down, and its routes come back', async () => {
    expect(routes()).toBe(1)
    node.changeLink(tunnel().index, { up: false })
    expect(routes()).toBe(0)
    await lab.clock.advance(20)
    expect(tunnel().up).toBe(true)
    expect(routes()).toBe(1)
  })

  it('gets its address and MTU back, and loses any other address', async () => {
    const before = addresses()
    const [row] = node.addresses().filter(({ linkIndex }) => linkIndex === tunnel().index)
    node.deleteAddress(row!)
    node.addAddress({ ...row!, address: ip('192.0.2.1') })
    node.changeLink(tunnel().index, { mtu: 1400 })
    await lab.clock.advance(20)
    expect(addresses()).toEqual(before)
    expect(tunnel().mtu).toBe(1480)
  })

  it('tells pods of a router with a smaller MTU between nodes, as on the real kernel', async () => {
    const router = lab.machine.openNamespace('router01')
    for (const route of router.routes()) {
      if (route.destination.startsWith('172.16.')) router.replaceRoute({ ...route, mtu: 1400 })
    }
    const pod = lab.machine.openNamespace('network-5z4qp')
    const ping = async (octets: number): Promise<string> => {
      const argv = ['ping', '-c', '1', '-W', '1', '-M', 'do', '-s', String(octets), '10.211.3.5']
      return (await run(runSimulatedCommand(pod, argv, lab.clock))).stdout
    }
    // The router tells the node, which has to tell the pod the next time.
    await ping(1440)
    expect(await ping(1440)).toContain('Frag needed and DF set (mtu = 1380)')
    await ping(1352) // the answer teaches the other node
    expect(await ping(1352)).toContain('ttl=62')
  })

  it('follows the MTU of the uplink', async () => {
    node.changeLink(node.link('ens33')!.index, { mtu: 1400 })
    await lab.clock.advance(20)
    expect(tunnel().mtu).toBe(1380)
  })
})
