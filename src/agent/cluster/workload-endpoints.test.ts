import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip } from '../../net/ip-address.ts'
import { MemoryStore } from '../../store/memory-store.ts'
import { Resources } from '../../store/resources.ts'
import { NetworkProfiles } from './network-profiles.ts'
import { type PublishedInterface, WorkloadEndpoints } from './workload-endpoints.ts'

const WEB: PublishedInterface = {
  network: 'k8s-pod-network',
  namespace: 'default',
  pod: 'web',
  orchestrator: 'k8s',
  containerId: 'c1',
  interfaceName: 'eth0',
  hostInterfaceName: 'cali1',
  addresses: [],
  labels: {},
}

describe('the workload endpoints of a node', () => {
  let endpoints: WorkloadEndpoints
  let resources: Resources
  let store: MemoryStore

  beforeEach(() => {
    const ports = { clock: new VirtualClock(), random: new SeededRandom(1), log: silentLog }
    store = new MemoryStore()
    resources = new Resources({ store, ...ports })
    const profiles = new NetworkProfiles({ store, ...ports })
    endpoints = new WorkloadEndpoints(resources, 'server01', profiles)
  })

  it('are published and withdrawn', async () => {
    expect(endpoints.refusal(WEB)).toBeUndefined()
    await endpoints.publish({ ...WEB, addresses: [ip('10.211.0.6')] })
    await endpoints.withdraw({ ...WEB, containerId: 'c2' })
    expect(await resources.list('WorkloadEndpoint')).toHaveLength(1)
    await expect(endpoints.publish(WEB)).resolves.toBeUndefined()
    await endpoints.withdraw(WEB)
    expect(await resources.list('WorkloadEndpoint')).toEqual([])
    await expect(endpoints.withdraw(WEB)).resolves.toBeUndefined()
  })

  it.each(['web-', 'Abc_DEF.1', 'condescending_elbakyan', 'x'.repeat(250), 'a_b', 'a.b'])(
    'are those of containers of any legal name: %s',
    async (containerId) => {
      const container = { ...WEB, orchestrator: 'cni', containerId, pod: containerId } as const
      expect(endpoints.refusal(container)).toBeUndefined()
      await endpoints.publish(container)
      await endpoints.publish({ ...container, containerId: `${containerId}_` })
      expect(await resources.list('WorkloadEndpoint')).toHaveLength(2)
      await endpoints.withdraw(container)
      expect(await resources.list('WorkloadEndpoint')).toHaveLength(1)
    },
  )

  it('are in the profile of their network without Kubernetes, which is made but never changed', async () => {
    const key = '/calico/resources/v3/projectcalico.org/profiles/k8s-pod-network'
    const profilesOf = async () =>
      (await resources.list('WorkloadEndpoint')).map(({ spec }) => spec.profiles)
    await endpoints.publish(WEB)
    expect(await profilesOf()).toEqual([['kns.default']])
    await endpoints.withdraw(WEB)
    const container = { ...WEB, orchestrator: 'cni' } as const
    await endpoints.publish(container, 'k8s')
    expect(await profilesOf()).toEqual([['k8s-pod-network']])
    expect(store.row(key)).toBeUndefined()
    await endpoints.publish(container)
    const { value, modRevision } = store.row(key)!
    expect(JSON.parse(value)).toMatchObject({
      kind: 'Profile',
      metadata: { name: 'k8s-pod-network', creationTimestamp: expect.stringMatching(/Z$/) },
      spec: {
        ingress: [{ action: 'Allow', source: { selector: 'has(k8s-pod-network)' } }],
        egress: [{ action: 'Allow' }],
        labelsToApply: { 'k8s-pod-network': '' },
      },
    })
    await endpoints.publish(container)
    expect(store.row(key)?.modRevision).toBe(modRevision)
    await endpoints.withdraw(container)
    await endpoints.publish({ ...container, network: 'My_Net' })
    expect(await profilesOf()).toEqual([['kns.default']])
  })

  it.each([
    ['a pod without a name', { pod: '' }],
    ['a pod that ends with a dash', { pod: 'web-' }],
    ['a pod in capitals', { pod: 'Web' }],
    ['an interface of a dash', { interfaceName: '-' }],
    ['a label that is none', { labels: { 'a b': 'c' } }],
  ] as const)('are none for %s, and need no taking back', async (_, change) => {
    const pod = { ...WEB, ...change }
    expect(endpoints.refusal(pod)).toMatch(/\S/)
    await expect(endpoints.withdraw(pod)).resolves.toBeUndefined()
  })
})
