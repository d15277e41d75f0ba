import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip, type IpAddress } from '../net/ip-address.ts'
import { type Prefix, prefix } from '../net/prefix.ts'
import { affinityKey } from '../model/ipam-keys.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import { Ipam, tunnelHandle } from './ipam.ts'
import { findLeaks } from './leaks.ts'
import type { AutoAssignRequest } from './requests.ts'
import { RowIpamStore } from './row-ipam-store.ts'
import { WAYS } from './testing/ways.ts'

let oneByOne: boolean

async function setUp(pools: readonly { readonly cidr: string; readonly [key: string]: unknown }[]) {
  const store = new MemoryStore()
  const clock = new VirtualClock()
  const options = { store, clock, random: new SeededRandom(1), log: silentLog }
  const resources = new Resources(options)
  const ipam = new Ipam({
    ...options,
    store: new RowIpamStore({ ...options, oneByOne }),
    resources,
  })
  for (const [at, spec] of pools.entries()) {
    await resources.create({ kind: 'IPPool', metadata: { name: `pool${at}` }, spec })
  }
  const configure = (spec: object) =>
    resources.apply({ kind: 'IPAMConfiguration', metadata: { name: 'default' }, spec })
  const assign = async (
    handle: string,
    more: Partial<AutoAssignRequest> = {},
  ): Promise<IpAddress[]> =>
    (
      await ipam.autoAssign({
        node: 'server01',
        handle,
        attributes: { node: 'server01', namespace: 'default', pod: handle },
        family: 4,
        use: 'Workload',
        ...more,
      })
    ).map(({ address }) => address)
  const handles = () =>
    [...store.rowsFrom('/calico/ipam/v2/handle/')].map(({ key, value }) => [key.slice(23), value])
  return { store, clock, resources, ipam, configure, assign, handles }
}

const single = [{ cidr: '10.0.0.0/26', blockSize: 28 }]

describe.each(WAYS)('IPAM that changes $way', (way) => {
  beforeEach(() => {
    oneByOne = way.oneByOne
  })

  describe('addresses given out by themselves', () => {
    it('come from a block that the node claims, with a handle that counts them', async () => {
      const { store, assign, handles } = await setUp([{ cidr: '10.0.0.0/26' }])
      expect(await assign('a', { count: 2 })).toEqual(['10.0.0.0', '10.0.0.1'])
      expect(handles()).toEqual([['a', '{"block":{"10.0.0.0/26":2},"deleted":false}']])
      expect(store.row('/calico/ipam/v2/host/server01/ipv4/block/10.0.0.0-26')?.value).toBe(
        '{"state":"confirmed","deleted":false}',
      )
      expect(store.row('/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26')?.value).toContain(
        '"affinity":"host:server01"',
      )
    })

    it('fill the blocks of the node before it claims another', async () => {
      const { ipam, assign } = await setUp(single)
      for (let at = 0; at < 16; at++) await assign(`h${at}`)
      expect(await ipam.affinities('server01')).toHaveLength(1)
      await assign('more')
      expect(await ipam.affinities('server01')).toHaveLength(2)
    })

    it('are of blocks of their own for each node', async () => {
      const { assign } = await setUp(single)
      const [a] = await assign('a')
      const [b] = await assign('b', { node: 'server02' })
      expect(a!.slice(0, -1)).not.toBe(b)
    })

    it('are of no block that the cluster gave another node, claimed by it or not', async () => {
      const { resources, ipam, assign, clock } = await setUp(single)
      const given = ['10.0.0.0/28', '10.0.0.16/28', '10.0.0.32/28'].map(prefix)
      const status = { podCIDRs: given }
      await resources.create({ kind: 'Node', metadata: { name: 'server02' }, spec: {}, status })
      await ipam.claimAffinity('server02', given[0]!)
      await clock.advance(120_000)
      expect(await assign('a', { count: 16 })).toContain('10.0.0.48')
      // Full: the one that stands empty is borrowed from and stays its owner's.
      expect(await assign('b')).toEqual(['10.0.0.0'])
      expect((await ipam.affinities('server02')).map(({ cidr }) => cidr)).toEqual([given[0]])
    })

    it('are borrowed from others when no block is left, unless affinity is strict', async () => {
      const { assign, configure } = await setUp([{ cidr: '10.0.0.0/28', blockSize: 28 }])
      await assign('a')
      expect(await assign('b', { node: 'server02' })).toEqual(['10.0.0.1'])
      await configure({ strictAffinity: true })
      await expect(assign('c', { node: 'server02' })).rejects.toMatchObject({
        code: 'no-addresses',
        message: 'No IPs available in pools: [10.0.0.0/28]',
      })
    })

    it('end at the limit of blocks for a node', async () => {
      const { assign, configure } = await setUp(single)
      await configure({ strictAffinity: true, maxBlocksPerHost: 2 })
      await assign('a', { count: 32 })
      await expect(assign('b')).rejects.toMatchObject({ code: 'block-limit' })
      await expect(assign('b', { count: 2, maxBlocks: 1 })).rejects.toThrow(
        'Assigned 0 out of 2 requested IPv4 addresses; cannot allocate new block due to per host block limit',
      )
      await assign('c', { node: 'server02' })
    })

    it('are given all or not at all', async () => {
      const { ipam, assign, handles } = await setUp([{ cidr: '10.0.0.0/28', blockSize: 28 }])
      await expect(assign('a', { count: 17 })).rejects.toThrow('Assigned 16 out of 17')
      expect(await ipam.allocations()).toEqual([])
      expect(handles()).toEqual([])
    })

    it('are never reserved ones', async () => {
      const { resources, assign } = await setUp(single)
      const reservedCIDRs = ['10.0.0.0/27', '10.0.0.32/28', '10.0.0.48']
      await resources.create({
        kind: 'IPReservation',
        metadata: { name: 'r' },
        spec: { reservedCIDRs },
      })
      expect(await assign('a')).toEqual(['10.0.0.49'])
    })

    it.each([prefix('10.0.0.0/29'), prefix('10.0.0.8/29')])(
      'are of no block that is reserved as a whole: %s is not even claimed',
      async (reserved) => {
        const { resources, ipam, assign } = await setUp([{ cidr: '10.0.0.0/28', blockSize: 29 }])
        const spec = { reservedCIDRs: [reserved] }
        await resources.create({ kind: 'IPReservation', metadata: { name: 'r' }, spec })
        await assign('a', { count: 8 })
        await expect(assign('b')).rejects.toMatchObject({ code: 'no-addresses' })
        const blocks = (await ipam.blocks()).map(({ cidr }) => cidr)
        expect(blocks).toHaveLength(1)
        expect(blocks).not.toContain(reserved)
      },
    )

    it('come from pools that select the node and are meant for the use', async () => {
      const { assign } = await setUp([
        { cidr: '10.0.0.0/24', disabled: true },
        { cidr: '10.1.0.0/24', nodeSelector: 'zone == "a"' },
        { cidr: '10.2.0.0/24', allowedUses: ['Tunnel'] },
        { cidr: '10.3.0.0/24', assignmentMode: 'Manual' },
        { cidr: '10.4.0.0/24', namespaceSelector: 'team == "x"' },
      ])
      await expect(assign('a')).rejects.toThrow(
        'cannot find a qualified ippool, no pools match the required use (Workload)',
      )
      expect((await assign('b', { nodeLabels: { zone: 'a' } }))[0]).toMatch(/^10\.1\./)
      expect((await assign('c', { namespaceLabels: { team: 'x' } }))[0]).toMatch(/^10\.4\./)
      expect((await assign('d', { use: 'Tunnel' }))[0]).toMatch(/^10\.2\./)
      expect((await assign('e', { pools: [prefix('10.3.0.0/24')] }))[0]).toMatch(/^10\.3\./)
      await expect(assign('f', { pools: [prefix('10.0.0.0/24')] })).rejects.toThrow(
        'the given pool (10.0.0.0/24) does not exist, or is not enabled',
      )
      await expect(assign('g', { family: 6 })).rejects.toThrow(
        'no configured Calico pools for node server01',
      )
    })

    it('are of IPv6 as well', async () => {
      const { assign, store } = await setUp([{ cidr: 'fd00:10::/48' }])
      const [address] = await assign('a', { family: 6 })
      expect(address).toMatch(/^fd00:10::/)
      expect([...store.rowsFrom('/calico/ipam/v2/assignment/ipv6/block/')][0]!.key).toMatch(/-122$/)
    })

    it('come from an empty block that another node has held for long', async () => {
      const { ipam, clock, assign, configure } = await setUp([
        { cidr: '10.0.0.0/28', blockSize: 28 },
      ])
      await configure({ strictAffinity: true })
      await assign('a')
      await ipam.releaseByHandle('a')
      await expect(assign('b', { node: 'server02' })).rejects.toMatchObject({
        code: 'no-addresses',
      })
      await clock.advance(61_000)
      expect(await assign('b', { node: 'server02' })).toEqual(['10.0.0.0'])
      expect(await ipam.affinities('server01')).toEqual([])
    })

    it('leave an empty block to its owner whose claim is of an unknown time', async () => {
      const { store, clock, ipam, assign } = await setUp([{ cidr: '10.0.0.0/28', blockSize: 28 }])
      await ipam.claimAffinity('server01', prefix('10.0.0.0/28'))
      const key = '/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-28'
      const value = store.row(key)!.value.replace(/"affinity_claim_time":"[^"]*",/, '')
      store.commit([{ put: key, value }])
      await clock.advance(3_600_000)
      // Lent, not taken.
      expect(await assign('a', { node: 'server02' })).toEqual(['10.0.0.0'])
      expect(await ipam.blocks()).toMatchObject([{ affinity: 'host:server01' }])
      expect(await ipam.affinities('server01')).toMatchObject([{ state: 'confirmed' }])
    })

    it('come first from a block that is the node’s and that no claim of it tells of', async () => {
      const { store, ipam, assign, configure } = await setUp(single)
      await assign('a')
      const { cidr } = (await ipam.affinities('server01'))[0]!
      store.commit([{ delete: affinityKey('server01', cidr) }])
      await configure({ strictAffinity: true, autoAllocateBlocks: false })
      await assign('b')
      expect(await ipam.blocks()).toMatchObject([{ cidr, affinity: 'host:server01' }])
      expect(await ipam.affinities('server01')).toMatchObject([{ cidr, state: 'confirmed' }])
    })
  })

  describe('the podCIDRs of a node', () => {
    const podCidrs = [prefix('10.211.0.0/24')]
    const pools = [{ cidr: '10.211.0.0/16', blockSize: 24, ipipMode: 'CrossSubnet' }]

    it('are refused at once if they are no blocks, and nothing is written', async () => {
      const { store, ipam, assign } = await setUp(pools)
      const before = store.revision
      const wrong = ['10.211.0.9/24' as Prefix]
      const expected =
        '10.211.0.9/24 is not an address block: expected a prefix like 10.0.0.0/24 with zero host bits'
      const tunnel = { node: 'server01', podCidrs: wrong }
      for (const refused of [
        assign('a', { blocks: wrong }),
        ipam.claimAffinity('server01', wrong[0]!),
        ipam.ensureTunnelAddress(tunnel),
      ]) {
        await expect(refused).rejects.toThrow(expected)
      }
      expect(store.revision).toBe(before)
    })

    it('keep their second address for the tunnel, and the first and the last for nobody', async () => {
      const { ipam, assign } = await setUp(pools)
      expect(await ipam.ensureTunnelAddress({ node: 'server01', podCidrs })).toBe('10.211.0.1')
      expect(await ipam.ensureTunnelAddress({ node: 'server01', podCidrs })).toBe('10.211.0.1')
      expect(await ipam.addressesOf(tunnelHandle('server01'))).toMatchObject([
        { address: '10.211.0.1', attributes: { node: 'server01', type: 'ipipTunnelAddress' } },
      ])
      expect(await assign('a', { blocks: podCidrs })).toEqual(['10.211.0.2'])
      const others = await assign('b', { blocks: podCidrs, count: 252 })
      expect(others.at(-1)).toBe('10.211.0.254')
      await expect(assign('c', { blocks: podCidrs })).rejects.toThrow(
        'No IPs available in the blocks of node server01: [10.211.0.0/24]',
      )
    })

    it('of two families give each what it asks for', async () => {
      const { assign } = await setUp(pools)
      const blocks = [prefix('fd00::/120'), ...podCidrs]
      expect(await assign('a', { blocks })).toEqual(['10.211.0.2'])
      expect(await assign('b', { blocks, family: 6 })).toEqual(['fd00::2'])
    })

    it('give a certain address to who asks for it', async () => {
      const { ipam, assign } = await setUp(pools)
      const request = {
        address: ip('10.211.0.6'),
        node: 'server01',
        handle: 'a',
        attributes: {},
        use: 'Workload',
      } as const
      await ipam.assignAddress(request)
      await expect(ipam.assignAddress({ ...request, handle: 'b' })).rejects.toMatchObject({
        code: 'taken',
      })
      expect(await assign('c', { blocks: podCidrs, count: 5 })).not.toContain('10.211.0.6')
      await expect(
        ipam.assignAddress({ ...request, address: ip('10.9.0.1') }),
      ).rejects.toMatchObject({
        code: 'not-in-a-pool',
      })
    })

    it('are refused to another node', async () => {
      const { ipam, assign } = await setUp(pools)
      await ipam.claimAffinity('server02', podCidrs[0]!)
      await expect(assign('a', { blocks: podCidrs })).rejects.toThrow(
        'block 10.211.0.0/24 cannot be claimed for node server01: it belongs to server02',
      )
      await expect(ipam.claimAffinity('server01', prefix('10.211.0.0/16'))).rejects.toThrow(
        /too large/,
      )
    })

    it('are taken over with what is in use when their owner has left', async () => {
      const { ipam, assign } = await setUp(pools)
      await assign('a', { blocks: podCidrs })
      await ipam.releaseAffinity('server01', podCidrs[0]!)
      await ipam.claimAffinity('server01', podCidrs[0]!)
      expect(await assign('b', { blocks: podCidrs })).toEqual(['10.211.0.3'])
    })
  })

  describe('addresses taken back', () => {
    it('by handle are free, however often it is done', async () => {
      const { ipam, assign, handles } = await setUp(single)
      const given = await assign('a', { count: 20 })
      expect((await ipam.releaseByHandle('a')).toSorted()).toEqual(given.toSorted())
      expect(await ipam.releaseByHandle('a')).toEqual([])
      expect(await ipam.allocations()).toEqual([])
      expect(handles()).toEqual([])
    })

    it('one by one lower the count of their handles', async () => {
      const { ipam, assign, handles } = await setUp([{ cidr: '10.0.0.0/26' }])
      await assign('a', { count: 2 })
      await assign('b')
      const addresses = [ip('10.0.0.1'), ip('10.0.0.2'), ip('10.0.0.9'), ip('10.9.9.9')]
      expect(await ipam.releaseAddresses(addresses.map((address) => ({ address })))).toEqual([
        '10.9.9.9',
        '10.0.0.9',
      ])
      expect(handles()).toEqual([['a', '{"block":{"10.0.0.0/26":1},"deleted":false}']])
    })

    it('only from the owner that the request names', async () => {
      const { ipam, assign } = await setUp(single)
      const [address] = (await assign('a')) as [IpAddress]
      const { sequenceNumber } = (await ipam.inspect(address))!
      await expect(ipam.releaseAddresses([{ address, handle: 'b' }])).rejects.toMatchObject({
        code: 'bad-handle',
      })
      const wrong = { address, handle: 'a', sequenceNumber: sequenceNumber! + 1n }
      await expect(ipam.releaseAddresses([wrong])).rejects.toMatchObject({
        code: 'bad-sequence-number',
      })
      expect(
        await ipam.releaseAddresses([{ address, handle: 'a', sequenceNumber: sequenceNumber! }]),
      ).toEqual([])
    })

    it('in great number need more than one transaction', async () => {
      const { ipam, assign, handles } = await setUp([{ cidr: '10.0.0.0/20', blockSize: 20 }])
      for (let at = 0; at < 250; at++) await assign(`h${at}`)
      const all = (await ipam.allocations()).map(({ address }) => ({ address }))
      expect(await ipam.releaseAddresses(all)).toEqual([])
      expect(handles()).toEqual([])
    })

    it('of a node that is gone leave no block, claim or handle of it', async () => {
      const { store, ipam, assign } = await setUp([{ ...single[0]!, ipipMode: 'Always' }])
      await ipam.ensureTunnelAddress({ node: 'server01' })
      await assign('a', { count: 20 })
      await ipam.releaseNode('server01')
      expect([...store.rowsFrom('/calico/ipam/')]).toEqual([])
    })
  })

  describe('ownership of a block', () => {
    const cidr = prefix('10.0.0.0/28')

    it('ends only if it is empty, when that is demanded', async () => {
      const { store, ipam, assign } = await setUp([{ cidr: '10.0.0.0/28', blockSize: 28 }])
      await assign('a')
      await expect(
        ipam.releaseAffinity('server01', cidr, { mustBeEmpty: true }),
      ).rejects.toMatchObject({ code: 'not-empty' })
      await ipam.releaseAffinity('server01', cidr)
      expect(await ipam.affinities('server01')).toEqual([])
      expect((await ipam.blocks())[0]).toMatchObject({ affinity: null })
      await ipam.releaseByHandle('a')
      expect([...store.rowsFrom('/calico/ipam/')]).toEqual([])
    })

    it.each(['pending', 'pendingDeletion'])(
      'that is left %s is mended by its owner',
      async (state) => {
        const { store, ipam, assign } = await setUp([{ cidr: '10.0.0.0/28', blockSize: 28 }])
        await assign('a')
        store.commit([
          {
            put: '/calico/ipam/v2/host/server01/ipv4/block/10.0.0.0-28',
            value: `{"state":"${state}"}`,
          },
        ])
        const [before] = await ipam.blocks()
        expect(await assign('b')).toEqual(['10.0.0.1'])
        expect(await ipam.affinities('server01')).toMatchObject([{ state: 'confirmed' }])
        // Written twice: once so that a concurrent release fails, once for the address.
        expect((await ipam.blocks())[0]!.sequenceNumber).toBe(before!.sequenceNumber + 2n)
      },
    )

    it('that is left pending without a block is completed', async () => {
      const { store, ipam, assign } = await setUp([{ cidr: '10.0.0.0/28', blockSize: 28 }])
      store.commit([
        {
          put: '/calico/ipam/v2/host/server01/ipv4/block/10.0.0.0-28',
          value: '{"state":"pending"}',
        },
      ])
      expect(await assign('a')).toEqual(['10.0.0.0'])
      expect(await ipam.affinities('server01')).toMatchObject([{ state: 'confirmed' }])
    })

    it('goes to one of two nodes that claim it at once, and the other is told', async () => {
      const { ipam } = await setUp(single)
      const claims = await Promise.allSettled([
        ipam.claimAffinity('server01', cidr),
        ipam.claimAffinity('server02', cidr),
      ])
      expect(claims.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
      const won = `server0${claims[0].status === 'fulfilled' ? 1 : 2}`
      expect(await ipam.affinities(won)).toHaveLength(1)
    })

    it('that the block contradicts is dropped', async () => {
      const { store, ipam, assign } = await setUp(single)
      await ipam.claimAffinity('server02', cidr)
      store.commit([{ put: '/calico/ipam/v2/host/server01/ipv4/block/10.0.0.0-28', value: '' }])
      await assign('a')
      const mine = (await ipam.affinities('server01')).map((affinity) => affinity.cidr)
      expect(mine).toHaveLength(1)
      expect(mine).not.toContain(cidr)
      await expect(ipam.claimAffinity('server01', cidr)).rejects.toMatchObject({
        code: 'claimed-by-another',
      })
    })
  })

  describe('a pool that is deleted', () => {
    it('gives its blocks back and leaves what is in use', async () => {
      const { store, clock, ipam, assign } = await setUp([
        { cidr: '10.0.0.0/24' },
        { cidr: '10.1.0.0/24' },
      ])
      const pools = [prefix('10.1.0.0/24')]
      await assign('kept')
      await assign('a', { pools })
      const deleting = ipam.deletePool('pool1')
      await clock.advance(0)
      await expect(assign('b', { pools })).rejects.toMatchObject({ code: 'no-pools' })
      await clock.advance(500)
      await deleting
      expect((await ipam.affinities('server01')).map(({ cidr }) => cidr.slice(0, 4))).toEqual([
        '10.0',
      ])
      expect((await ipam.allocations()).map(({ handle }) => handle)).toEqual(['kept', 'a'])
      expect(store.row('/calico/resources/v3/projectcalico.org/ippools/pool1')).toBeUndefined()
      expect((await ipam.workloadHandles('server01')).toSorted()).toEqual(['a', 'kept'])
    })
  })

  describe('the tunnel address', () => {
    it('is taken from pools with IPIP, kept, and given back when there are none', async () => {
      const { ipam, resources } = await setUp([
        { cidr: '10.0.0.0/24' },
        { cidr: '10.1.0.0/24', ipipMode: 'CrossSubnet' },
      ])
      const address = await ipam.ensureTunnelAddress({ node: 'server01' })
      expect(address).toMatch(/^10\.1\.0\./)
      expect(await ipam.ensureTunnelAddress({ node: 'server01' })).toBe(address)
      await resources.modify('IPPool', 'pool1', ({ spec }) => {
        spec.ipipMode = 'Never'
      })
      expect(await ipam.ensureTunnelAddress({ node: 'server01' })).toBeUndefined()
      expect(await ipam.allocations()).toEqual([])
    })

    it('moves when its pool no longer has IPIP', async () => {
      const { ipam, resources } = await setUp([
        { cidr: '10.0.0.0/24', ipipMode: 'Always' },
        { cidr: '10.1.0.0/24', ipipMode: 'Always' },
      ])
      expect(await ipam.ensureTunnelAddress({ node: 'server01' })).toMatch(/^10\.0\./)
      await resources.modify('IPPool', 'pool0', ({ spec }) => {
        spec.disabled = true
      })
      expect(await ipam.ensureTunnelAddress({ node: 'server01' })).toMatch(/^10\.1\./)
      expect(await ipam.allocations()).toHaveLength(1)
    })
  })

  describe('the tunnel address for VXLAN', () => {
    const vxlan = { node: 'server01', kind: 'vxlan' } as const

    it('has a handle and a type of its own, and goes with the mode', async () => {
      const { ipam, resources } = await setUp([{ cidr: '10.1.0.0/24', vxlanMode: 'Always' }])
      expect(await ipam.ensureTunnelAddress({ node: 'server01' })).toBeUndefined()
      const address = await ipam.ensureTunnelAddress(vxlan)
      expect(await ipam.ensureTunnelAddress(vxlan)).toBe(address)
      expect(await ipam.allocations()).toMatchObject([
        {
          address,
          handle: 'vxlan-tunnel-addr-server01',
          attributes: { node: 'server01', type: 'vxlanTunnelAddress' },
        },
      ])
      await resources.modify('IPPool', 'pool0', ({ spec }) => {
        spec.vxlanMode = 'Never'
      })
      expect(await ipam.ensureTunnelAddress(vxlan)).toBeUndefined()
      expect(await ipam.allocations()).toEqual([])
    })

    it('is the second of the node’s own block, or another of it where that is taken', async () => {
      const { ipam } = await setUp([{ cidr: '10.1.0.0/24', vxlanMode: 'Always' }])
      const podCidrs = [prefix('10.1.0.64/26')]
      expect(await ipam.ensureTunnelAddress({ ...vxlan, podCidrs })).toBe('10.1.0.65')
      await ipam.releaseByHandle('vxlan-tunnel-addr-server01')
      const rest = { node: 'server01', handle: 'pod', attributes: {}, use: 'Workload' } as const
      await ipam.assignAddress({ ...rest, address: ip('10.1.0.65') })
      const other = await ipam.ensureTunnelAddress({ ...vxlan, podCidrs })
      expect(other).toMatch(/^10\.1\.0\.(64|6[6-9]|[7-9]\d|1[01]\d|12[0-7])$/)
      expect(await ipam.ensureTunnelAddress({ ...vxlan, podCidrs })).toBe(other)
    })
  })

  describe('a handle that counts what it does not have', () => {
    it('does not keep a node from its tunnel address', async () => {
      const { store, ipam } = await setUp([{ cidr: '10.1.0.0/24', ipipMode: 'Always' }])
      const value = '{"block":{"10.1.0.0/26":1},"deleted":false}'
      store.commit([{ put: '/calico/ipam/v2/handle/ipip-tunnel-addr-server01', value }])
      expect(await ipam.ensureTunnelAddress({ node: 'server01' })).toMatch(/^10\.1\./)
    })
  })

  describe('leaks', () => {
    it('are addresses of pods and nodes that are gone, never those whose owner is not told', async () => {
      const { ipam, assign } = await setUp([{ cidr: '10.0.0.0/24', ipipMode: 'Always' }])
      await assign('alive')
      await assign('gone')
      await assign('unknown', { attributes: {} })
      await ipam.ensureTunnelAddress({ node: 'server01' })
      await ipam.ensureTunnelAddress({ node: 'server09' })
      const leaks = findLeaks(await ipam.allocations(), {
        nodeExists: (node) => node === 'server01',
        podHas: (_, pod) => pod === 'alive',
      })
      expect(leaks.map(({ handle }) => handle)).toEqual(
        expect.arrayContaining(['gone', 'ipip-tunnel-addr-server09']),
      )
      expect(leaks).toHaveLength(2)
      await ipam.releaseAddresses(
        leaks.map(({ address, handle, sequenceNumber }) => ({
          address,
          handle: handle!,
          sequenceNumber: sequenceNumber!,
        })),
      )
      expect(await ipam.allocations()).toHaveLength(3)
    })
  })
})
