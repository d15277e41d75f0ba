import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { CniRequest } from '../api/cni-protocol.ts'
import { settled } from '../lib/clock.ts'
import { StoreUnavailable } from '../store/store.ts'
import { cniNode } from './testing/cni-node.ts'

const PODS = ['p0', 'p1', 'p2']
const CONTAINERS = ['default-web1', 'default-web2', 'c3']

/** One thing that happens at a node: a runtime asks, the datastore goes or comes, the agent dies. */
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      command: fc.constantFrom('ADD' as const, 'ADD' as const, 'DEL' as const, 'CHECK' as const),
      at: fc.nat({ max: CONTAINERS.length - 1 }),
      interfaceName: fc.constantFrom('eth0', 'eth0', 'eth1'),
      isKubernetes: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ store: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant('restart' as const) },
  { weight: 1, arbitrary: fc.constant('gc' as const) },
  { weight: 1, arbitrary: fc.record({ gone: fc.nat({ max: PODS.length - 1 }) }) },
  { weight: 3, arbitrary: fc.record({ passes: fc.integer({ min: 1, max: 90_000 }) }) },
)

it('keeps every attachment to itself in any order of requests, outages and deaths, and loses none', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      let isAway = false
      const node = cniNode(PODS, () => {
        if (isAway) throw new StoreUnavailable('away')
      })
      const asked: Promise<unknown>[] = []
      const ask = (request: CniRequest): void => {
        asked.push(
          node
            .service()
            .handle(request)
            .catch(() => undefined),
        )
      }
      for (const each of steps) {
        if (each === 'restart') {
          await Promise.all(asked.splice(0))
          node.restart()
        } else if (each === 'gc') {
          await Promise.all(asked.splice(0))
          const configuration = { ...NETWORK, 'cni.dev/valid-attachments': node.valid() }
          ask({ ...NOBODY, command: 'GC', configuration })
        } else if ('store' in each) isAway = each.store
        else if ('gone' in each) node.replaceNamespace(PODS[each.gone]!)
        else if ('passes' in each) await node.clock.advance(each.passes)
        else ask(requestOf(each))
        await settled()
        expectEachItsOwn(node)
      }
      await Promise.all(asked)
      isAway = false
      await node.clock.advance(300_000)
      for (const { containerId, interfaceName } of node.attachments.list()) {
        const request = { ...NOBODY, command: 'DEL', containerId, interfaceName } as const
        await node.service().handle(request)
      }
      expect(node.attachments.list()).toEqual([])
      expect(node.leftOver()).toEqual([])
    }),
    { numRuns: 300 },
  )
})

const NETWORK = { cniVersion: '1.1.0', name: 'net', type: 'tortie-cni' } as const
const NOBODY = {
  containerId: '',
  interfaceName: '',
  networkNamespace: '',
  arguments: {},
  configuration: NETWORK,
} as const

function requestOf(given: {
  readonly command: 'ADD' | 'DEL' | 'CHECK'
  readonly at: number
  readonly interfaceName: string
  readonly isKubernetes: boolean
}): CniRequest {
  const { command, at, interfaceName, isKubernetes } = given
  return {
    command,
    containerId: CONTAINERS[at]!,
    interfaceName,
    networkNamespace: `/run/netns/${PODS[at]!}`,
    arguments: isKubernetes ? { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: PODS[at]! } : {},
    configuration: NETWORK,
  }
}

/** No two attachments have an address or, but for a pod's former container, a host end in common. */
function expectEachItsOwn({ attachments, heldBy }: ReturnType<typeof cniNode>): void {
  const rows = attachments.list()
  const addresses = rows.flatMap((row) => row.addresses)
  expect(new Set(addresses).size).toBe(addresses.length)
  const ready = rows.filter(({ state }) => state === 'ready')
  expect(new Set(ready.map((row) => row.hostInterfaceName)).size).toBe(ready.length)
  for (const { addresses: own, network, containerId } of ready) {
    for (const address of own) expect(heldBy(address)).toBe(`${network}.${containerId}`)
  }
}
