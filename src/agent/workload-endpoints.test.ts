import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import { type PublishedInterface, WorkloadEndpoints } from './workload-endpoints.ts'

const pod: PublishedInterface = {
  namespace: 'default',
  pod: 'network-5z4qp',
  orchestrator: 'k8s',
  containerId: 'older',
  interfaceName: 'eth0',
  hostInterfaceName: 'cali50914021272',
  addresses: [ip('10.211.0.6')],
  labels: { app: 'network' },
}

function setUp() {
  const clock = new VirtualClock()
  const random = new SeededRandom(1)
  const resources = new Resources({ store: new MemoryStore(), clock, random, log: silentLog })
  const name = 'server01-k8s-network--5z4qp-eth0'
  const find = () => resources.find('WorkloadEndpoint', name, 'default')
  return { resources, endpoints: new WorkloadEndpoints(resources, 'server01'), find }
}

describe('the endpoint of a pod', () => {
  it('says what Calico’s says, and goes with its container', async () => {
    const { endpoints, find } = setUp()
    await endpoints.publish(pod)
    expect(await find()).toMatchObject({
      metadata: {
        labels: {
          app: 'network',
          'projectcalico.org/namespace': 'default',
          'projectcalico.org/orchestrator': 'k8s',
        },
      },
      spec: {
        orchestrator: 'k8s',
        node: 'server01',
        containerID: 'older',
        pod: 'network-5z4qp',
        endpoint: 'eth0',
        ipNetworks: ['10.211.0.6/32'],
        profiles: ['kns.default'],
        interfaceName: 'cali50914021272',
      },
    })
    await endpoints.withdraw(pod)
    expect(await find()).toBeUndefined()
    await expect(endpoints.withdraw(pod)).resolves.toBeUndefined()
  })

  it('stays when a newer container of the pod has it and the older one goes late', async () => {
    const { endpoints, find } = setUp()
    await endpoints.publish(pod)
    await endpoints.publish({ ...pod, containerId: 'newer' })
    await endpoints.withdraw(pod)
    expect((await find())?.spec.containerID).toBe('newer')
    await endpoints.withdraw({ ...pod, containerId: 'newer' })
    expect(await find()).toBeUndefined()
  })

  it('goes with any container where it names none', async () => {
    const { resources, endpoints, find } = setUp()
    await endpoints.publish(pod)
    const { containerID: _, ...spec } = (await find())!.spec
    await resources.apply({
      kind: 'WorkloadEndpoint',
      metadata: { name: 'server01-k8s-network--5z4qp-eth0', namespace: 'default' },
      spec,
    })
    await endpoints.withdraw(pod)
    expect(await find()).toBeUndefined()
  })
})
