import { beforeEach, describe, expect, it } from 'vitest'
import { Ipam } from '../../ipam/ipam.ts'
import { RowIpamStore } from '../../ipam/row-ipam-store.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip } from '../../net/ip-address.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import { Resources } from '../../store/resources.ts'
import { NodeIpam } from './node-ipam.ts'

describe('addresses of a node’s pods', () => {
  let resources: Resources
  let ipam: NodeIpam

  beforeEach(async () => {
    const ports = { clock: new VirtualClock(), random: new SeededRandom(1), log: silentLog }
    const store = new MemoryStore()
    resources = new Resources({ store, ...ports })
    const whole = new Ipam({ ...ports, store: new RowIpamStore({ store, ...ports }), resources })
    ipam = new NodeIpam({ node: 'server01', ipam: whole, resources, clock: ports.clock })
    for (const [at, name] of ['server01', 'server02'].entries()) {
      const bgp = { ipv4Address: `10.0.0.${at + 1}/24`, ipv4IPIPTunnelAddr: `10.1.0.${at + 60}` }
      await resources.create({ kind: 'Node', metadata: { name }, spec: { bgp } })
    }
  })

  const pool = (name: string, spec: object) =>
    resources.create({ kind: 'IPPool', metadata: { name }, spec })
  const assign = (handle: string, more: object = {}) =>
    ipam.assign({ handle, namespace: 'default', pod: handle, wanted: [], ...more })

  it('are said to be there or not as they are', async () => {
    await expect(ipam.assertAvailable({})).rejects.toMatchObject({ code: 'no-pools' })
    await pool('small', { cidr: '10.1.0.0/30', blockSize: 30 })
    await expect(ipam.assertAvailable({})).resolves.toBeUndefined()
    for (let at = 0; at < 4; at++) await assign(`c${at}`)
    await expect(ipam.assertAvailable({})).rejects.toMatchObject({ code: 'no-addresses' })
    await ipam.release('c1')
    await expect(ipam.assertAvailable({})).resolves.toBeUndefined()
    await resources.modify('IPPool', 'small', ({ spec }) => {
      spec.disabled = true
    })
    await expect(ipam.assertAvailable({})).rejects.toMatchObject({ code: 'no-pools' })
  })

  it('come from the pools that are named, by name or CIDR', async () => {
    await pool('blue', { cidr: '10.1.0.0/26' })
    await pool('green', { cidr: '10.2.0.0/26', nodeSelector: '!all()' })
    expect(await assign('a', { pools: ['green'] })).toEqual(['10.2.0.0'])
    expect(await assign('b', { pools: ['10.2.0.0/26'] })).toEqual(['10.2.0.1'])
    await expect(assign('c', { pools: ['red'] })).rejects.toThrow(
      'there is no IPPool red; those there are: blue, green',
    )
    await expect(ipam.assertAvailable({ pools: ['red'] })).rejects.toThrow('no IPPool red')
  })

  it('come from the range that Kubernetes gave the node, or from none', async () => {
    await pool('blue', { cidr: '10.1.0.0/26' })
    await expect(assign('a', { isOfPodCidr: true })).rejects.toThrow('has no status.podCIDRs')
    await resources.modify('Node', 'server01', (node) => {
      node.status = { podCIDRs: ['10.1.0.32/28'] } as never
    })
    expect(await assign('a', { isOfPodCidr: true })).toEqual(['10.1.0.34'])
    await pool('green', { cidr: '10.2.0.0/26' })
    expect(await assign('b', { pools: ['green'] })).toEqual(['10.2.0.0'])
  })

  it('are none that a node has itself', async () => {
    await pool('blue', { cidr: '10.1.0.0/26' })
    for (const wanted of [[ip('10.1.0.60')], [ip('10.1.0.9'), ip('10.1.0.61')]]) {
      await expect(assign('a', { wanted })).rejects.toMatchObject({ code: 'taken' })
    }
    expect(await ipam.handles()).toEqual([])
  })

  it('are given back, but those that another interface of the container has', async () => {
    await pool('blue', { cidr: '10.1.0.0/26' })
    await assign('c', { wanted: [ip('10.1.0.5')] })
    await assign('c', { wanted: [ip('10.1.0.6')] })
    await ipam.release('c', [ip('10.1.0.5')])
    await expect(assign('d', { wanted: [ip('10.1.0.5')] })).rejects.toMatchObject({ code: 'taken' })
    expect(await assign('d', { wanted: [ip('10.1.0.6')] })).toEqual(['10.1.0.6'])
    expect(await ipam.lost('c', [ip('10.1.0.5'), ip('10.1.0.6')])).toEqual(['10.1.0.6'])
    await ipam.release('c')
    expect(await ipam.handles()).toEqual(['d'])
  })
})
