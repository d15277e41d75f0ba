import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import type { Kind } from '../model/resource.ts'
import { FaultyStore } from './faulty-store.ts'
import type { ResourceChange } from './follower.ts'
import { MemoryStore } from './memory-store.ts'
import { Resources } from './resources.ts'

function setUp() {
  const memory = new MemoryStore()
  const clock = new VirtualClock()
  const store = new FaultyStore(memory, clock)
  const resources = new Resources({ store, clock, random: new SeededRandom(1), log: silentLog })
  const seen: string[] = []
  const follow = (...kinds: Kind[]) =>
    resources.follow(kinds, {
      onChanges: (changes) => void seen.push(changes.map(told).join(', ')),
      onInSync: () => void seen.push('in sync'),
      onConnected: (connected) => void seen.push(connected ? 'connected' : 'disconnected'),
    })
  return { memory, clock, store, resources, seen, follow }
}

const told = ({ type, resource }: ResourceChange): string =>
  `${type} ${resource.kind} ${resource.metadata.name}`

const pool = (name: string, cidr: string) =>
  ({ kind: 'IPPool', metadata: { name }, spec: { cidr } }) as const

const endpoint = {
  kind: 'WorkloadEndpoint',
  metadata: { namespace: 'default' },
  spec: {
    orchestrator: 'k8s',
    node: 'server01',
    pod: 'network-5z4qp',
    endpoint: 'eth0',
    interfaceName: 'cali50914021272',
  },
} as const

describe('resources in a store', () => {
  it('stand under the keys of Calico, without their version', async () => {
    const { memory, resources } = setUp()
    const created = await resources.create(endpoint)
    const key =
      '/calico/resources/v3/projectcalico.org/workloadendpoints/default/server01-k8s-network--5z4qp-eth0'
    expect(created.metadata).toMatchObject({
      creationTimestamp: '2019-01-16T06:46:19Z',
      resourceVersion: '2',
      uid: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    })
    expect(memory.row(key)?.value).toMatch(
      /^\{"kind":"WorkloadEndpoint","apiVersion":"projectcalico.org\/v3","metadata":\{"name":"server01-k8s-network--5z4qp-eth0","namespace":"default","uid":"[^"]+","creationTimestamp":"2019-01-16T06:46:19Z","labels":/,
    )
    expect(memory.row(key)?.value).not.toContain('resourceVersion')
    expect(await resources.get('WorkloadEndpoint', created.metadata.name)).toEqual(created)
  })

  it('tell what does not exist, what does already, and who was faster', async () => {
    const { resources } = setUp()
    const created = await resources.create(pool('a', '10.0.0.0/16'))
    await expect(resources.get('IPPool', 'b')).rejects.toThrow('resource does not exist: IPPool(b)')
    await expect(resources.create(pool('a', '10.0.0.0/16'))).rejects.toThrow(
      'resource already exists: IPPool(a)',
    )
    await resources.update({ ...created, spec: { ...created.spec, disabled: true } })
    await expect(resources.update(created)).rejects.toThrow('update conflict: IPPool(a)')
    await expect(
      resources.delete('IPPool', 'a', { resourceVersion: created.metadata.resourceVersion! }),
    ).rejects.toThrow('update conflict: IPPool(a)')
    await resources.delete('IPPool', 'a')
    await expect(resources.update(created)).rejects.toThrow('resource does not exist: IPPool(a)')
    await expect(resources.delete('WorkloadEndpoint', 'x', { namespace: 'n' })).rejects.toThrow(
      'resource does not exist: WorkloadEndpoint(n/x)',
    )
  })

  it('are applied by creating or by updating what is there', async () => {
    const { resources } = setUp()
    const first = await resources.apply(pool('a', '10.0.0.0/16'))
    const second = await resources.apply({
      ...pool('a', '10.0.0.0/16'),
      spec: { cidr: '10.0.0.0/16', natOutgoing: true },
    })
    expect(second.metadata.uid).toBe(first.metadata.uid)
    expect(second.spec.natOutgoing).toBe(true)
    expect(Number(second.metadata.resourceVersion)).toBeGreaterThan(
      Number(first.metadata.resourceVersion),
    )
  })

  it('of pools must not overlap, nor change their range', async () => {
    const { resources } = setUp()
    const created = await resources.create(pool('a', '10.0.0.0/16'))
    await expect(resources.create(pool('b', '10.0.128.0/20'))).rejects.toThrow(
      'IPPool(b) CIDR overlaps with IPPool(a) CIDR 10.0.0.0/16',
    )
    const moved = { ...created, spec: { ...created.spec, cidr: '10.1.0.0/16' } }
    await expect(resources.update(moved)).rejects.toThrow('IPPool CIDR cannot be modified')
  })

  it('are changed by many at once without losing a change', async () => {
    const { resources } = setUp()
    await resources.create({ kind: 'Node', metadata: { name: 'n' } })
    await Promise.all(
      Array.from({ length: 20 }, (_, at) =>
        resources.modify('Node', 'n', ({ spec }) => {
          spec.addresses = [...(spec.addresses ?? []), { address: `10.0.0.${at}` }]
        }),
      ),
    )
    expect((await resources.get('Node', 'n')).spec.addresses).toHaveLength(20)
  })

  it('that nothing changes are not written', async () => {
    const { memory, resources } = setUp()
    await resources.create({ kind: 'Node', metadata: { name: 'n' } })
    const { revision } = memory
    await resources.modify('Node', 'n', () => {})
    expect(memory.revision).toBe(revision)
  })

  it('of IPAM have their old places and forms', async () => {
    const { memory, resources } = setUp()
    await resources.apply({
      kind: 'IPAMConfiguration',
      metadata: { name: 'default' },
      spec: { strictAffinity: true },
    })
    expect(memory.row('/calico/ipam/v2/config')?.value).toBe(
      '{"strict_affinity":true,"auto_allocate_blocks":true}',
    )
    memory.commit([{ put: '/calico/ipam/v2/config', value: '{"maxBlocksPerHost":3}' }])
    expect((await resources.get('IPAMConfiguration', 'default')).spec).toEqual({
      strictAffinity: false,
      autoAllocateBlocks: false,
      maxBlocksPerHost: 3,
    })
    memory.commit([{ put: '/calico/ipam/v2/host/server01/ipv4/block/10.211.0.0-24', value: '' }])
    expect((await resources.list('BlockAffinity'))[0]).toMatchObject({
      metadata: { name: 'server01-10-211-0-0-24' },
      spec: { node: 'server01', cidr: '10.211.0.0/24', state: 'confirmed' },
    })
  })

  it('that cannot be read are left out of lists', async () => {
    const { memory, resources } = setUp()
    await resources.create(pool('a', '10.0.0.0/16'))
    memory.commit([
      { put: '/calico/resources/v3/projectcalico.org/ippools/bad', value: '{' },
      { put: '/calico/resources/v3/projectcalico.org/ippools/worse', value: '{"kind":"Node"}' },
    ])
    expect(await resources.list('IPPool')).toHaveLength(1)
    await expect(resources.get('IPPool', 'worse')).rejects.toThrow(
      "what is stored under /calico/resources/v3/projectcalico.org/ippools/worse cannot be read: kind is 'Node': expected IPPool",
    )
  })

  it('that cannot be read are told of once, with row, field, value and expectation', async () => {
    const { memory, clock, store } = setUp()
    const told: unknown[] = []
    const log = {
      ...silentLog,
      warn: (text: string, fields?: object) => void told.push([text, fields]),
    }
    const resources = new Resources({ store, clock, random: new SeededRandom(1), log })
    const key = '/calico/resources/v3/projectcalico.org/ippools/bad'
    memory.commit([
      { put: key, value: '{"kind":"IPPool","metadata":{"name":"bad"},"spec":{"cidr":7}}' },
    ])
    for (let times = 0; times < 3; times++) await resources.list('IPPool')
    expect(told).toEqual([
      [
        'Failed to read a stored resource',
        { key, field: 'spec.cidr', value: '7', expected: 'expected a CIDR such as 10.211.0.0/16' },
      ],
    ])
  })

  it('that cannot be read are mended by applying a right one, or deleted', async () => {
    const { memory, resources } = setUp()
    const key = '/calico/resources/v3/projectcalico.org/ippools/bad'
    memory.commit([{ put: key, value: 'rubbish' }])
    const mended = await resources.apply(pool('bad', '10.0.0.0/16'))
    expect(mended.metadata.uid).not.toBe('')
    expect(await resources.get('IPPool', 'bad')).toEqual(mended)
    memory.commit([{ put: key, value: 'rubbish' }])
    expect(await resources.delete('IPPool', 'bad')).toBeUndefined()
    expect(memory.row(key)).toBeUndefined()
  })

  it('under the key of another name are left out', async () => {
    const { memory, resources } = setUp()
    const { resourceVersion: _, ...metadata } = (await resources.create(pool('a', '10.0.0.0/16')))
      .metadata
    const value = JSON.stringify({ ...pool('a', '10.1.0.0/16'), metadata })
    memory.commit([{ put: '/calico/resources/v3/projectcalico.org/ippools/b', value }])
    expect((await resources.list('IPPool')).map(({ spec }) => spec.cidr)).toEqual(['10.0.0.0/16'])
  })

  it('keep entries that do not count when something else is changed', async () => {
    const { memory, resources } = setUp()
    const key = '/calico/resources/v3/projectcalico.org/bgpconfigurations/default'
    const spec = { asNumber: 64567, serviceLoadBalancerIPs: [{}, { cidr: 5 }], later: 1 }
    memory.commit([
      {
        put: key,
        value: JSON.stringify({ kind: 'BGPConfiguration', metadata: { name: 'default' }, spec }),
      },
    ])
    const { spec: read } = await resources.modify(
      'BGPConfiguration',
      'default',
      (configuration) => {
        configuration.spec.listenPort = 1790
      },
    )
    expect(read).toMatchObject({ asNumber: 64567, listenPort: 1790, serviceLoadBalancerIPs: [] })
    expect(JSON.parse(memory.row(key)!.value)).toMatchObject({
      spec: { ...spec, listenPort: 1790 },
    })
    const worse = resources.modify('BGPConfiguration', 'default', ({ spec: changed }) => {
      changed.serviceExternalIPs = [{ cidr: 6 as never }]
    })
    await expect(worse).rejects.toThrow('spec.serviceExternalIPs[0].cidr')
    await resources.apply({
      kind: 'BGPConfiguration',
      metadata: { name: 'default' },
      spec: { asNumber: 1 },
    })
    expect(memory.row(key)!.value).not.toContain('serviceLoadBalancerIPs')
  })
})

describe('following', () => {
  it('tells what is there, then that it is in sync, then every change', async () => {
    const { clock, resources, seen, follow } = setUp()
    await resources.create(pool('a', '10.0.0.0/16'))
    const following = follow('IPPool', 'Node')
    await clock.advance(0)
    expect(seen).toEqual(['put IPPool a', 'in sync'])
    await resources.create({ kind: 'Node', metadata: { name: 'n' } })
    await resources.delete('IPPool', 'a')
    await clock.advance(0)
    expect(seen.slice(2)).toEqual(['put Node n', 'delete IPPool a'])
    following.close()
    await resources.delete('Node', 'n')
    await clock.advance(0)
    expect(seen).toHaveLength(4)
  })

  it('after a compaction tells the differences only, deletions too', async () => {
    const { clock, store, memory, resources, seen, follow } = setUp()
    await resources.create(pool('kept', '10.0.0.0/16'))
    await resources.create(pool('gone', '10.1.0.0/16'))
    const following = follow('IPPool')
    await clock.advance(0)
    store.beginOutage()
    const key = '/calico/resources/v3/projectcalico.org/ippools/'
    memory.commit([{ delete: `${key}gone` }])
    store.endWatches('compacted')
    await clock.advance(60_000)
    expect(seen.slice(2)).toEqual(['disconnected'])
    store.endOutage()
    await clock.advance(60_000)
    expect(seen.slice(2)).toEqual(['disconnected', 'connected', 'delete IPPool gone'])
    await resources.create(pool('new', '10.2.0.0/16'))
    await clock.advance(0)
    expect(seen.at(-1)).toBe('put IPPool new')
    following.close()
  })

  it('keeps trying from the start when the store is not there yet', async () => {
    const { clock, store, seen, follow } = setUp()
    store.beginOutage()
    const following = follow('IPPool', 'Node')
    await clock.advance(600_000)
    expect(seen).toEqual(['disconnected'])
    expect(store.calls).toBeLessThan(200)
    store.endOutage()
    await clock.advance(20_000)
    expect(seen).toEqual(['disconnected', 'connected', 'in sync'])
    following.close()
  })

  it('keeps what was there when it can no longer be read', async () => {
    const { clock, memory, resources, seen, follow } = setUp()
    await resources.create(pool('a', '10.0.0.0/16'))
    const following = follow('IPPool')
    await clock.advance(0)
    const key = '/calico/resources/v3/projectcalico.org/ippools/a'
    memory.commit([{ put: key, value: 'rubbish' }])
    await clock.advance(0)
    expect(seen).toHaveLength(2)
    memory.commit([{ delete: key }])
    await clock.advance(0)
    expect(seen.at(-1)).toBe('delete IPPool a')
    following.close()
  })

  it.each(['onChanges', 'onInSync', 'onConnected'] as const)(
    'tells again what %s threw at, and says so',
    async (handler) => {
      const { clock, store, memory } = setUp()
      const errors: string[] = []
      const log = { ...silentLog, error: (text: string) => void errors.push(text) }
      const resources = new Resources({ store, clock, random: new SeededRandom(1), log })
      await resources.create(pool('a', '10.0.0.0/16'))
      const seen: string[] = []
      let failures = 0
      const take = (name: string, text: string): void => {
        if (name === handler && failures > 0) {
          failures--
          throw new Error('not now')
        }
        seen.push(text)
      }
      const following = resources.follow(['IPPool'], {
        onChanges: (changes) => take('onChanges', changes.map(told).join(', ')),
        onInSync: () => take('onInSync', 'in sync'),
        onConnected: (connected) => take('onConnected', connected ? 'connected' : 'disconnected'),
      })
      failures = 1
      await clock.advance(60_000)
      expect(seen).toEqual(['put IPPool a', 'in sync'])
      // Of an outage, and of what the watch tells.
      failures = 1
      store.beginOutage()
      store.endWatches('closed')
      await clock.advance(60_000)
      store.endOutage()
      await clock.advance(60_000)
      expect(seen.slice(2)).toEqual(['disconnected', 'connected'])
      failures = 2
      memory.commit([{ delete: '/calico/resources/v3/projectcalico.org/ippools/a' }])
      await clock.advance(60_000)
      expect(seen.slice(4)).toEqual(['delete IPPool a'])
      await resources.create(pool('b', '10.1.0.0/16'))
      await clock.advance(60_000)
      expect(seen.slice(5)).toEqual(['put IPPool b'])
      const failed = { onChanges: 3, onInSync: 1, onConnected: 1 }[handler]
      expect(errors).toHaveLength(failed)
      following.close()
    },
  )
})
