import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import type { Draft } from '../model/resource.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import { defineGet } from './get.ts'
import { runProgram } from './program.ts'
import { testContext } from './testing/test-context.ts'

const POD_LABELS = {
  app: 'network',
  'controller-revision-hash': '66086030',
  'pod-template-generation': '1',
}
const endpoint = (
  namespace: string,
  pod: string,
  node: string,
  address: string,
  interfaceName: string,
): Draft<'WorkloadEndpoint'> => ({
  kind: 'WorkloadEndpoint',
  metadata: { name: '', namespace, labels: POD_LABELS },
  spec: {
    orchestrator: 'k8s',
    node,
    pod,
    endpoint: 'eth0',
    ipNetworks: [`${address}/32`],
    profiles: [`kns.${namespace}`],
    interfaceName,
  },
})
const node = (name: string, address: string): Draft<'Node'> => ({
  kind: 'Node',
  metadata: { name },
  spec: { bgp: { ipv4Address: address } },
})
const CLUSTER: readonly Draft[] = [
  node('server01', '172.16.170.128/24'),
  node('server02', '172.16.170.129/24'),
  endpoint('default', 'network-5z4qp', 'server01', '10.211.0.6', 'cali50914021272'),
  endpoint('default', 'network-6k87z', 'server03', '10.211.2.4', 'calif17d1193010'),
  endpoint('default', 'network-mngxw', 'server02', '10.211.1.4', 'calid406b8b6c93'),
  endpoint('kube-system', 'coredns-777d78ff6f-mr977', 'server01', '10.211.0.2', 'cali009d9b46eef'),
  { kind: 'IPPool', metadata: { name: 'pool' }, spec: { cidr: '10.211.0.0/16', blockSize: 24 } },
]

async function get(...argv: string[]) {
  const ports = { clock: new VirtualClock(), random: new SeededRandom(1), log: silentLog }
  const resources = new Resources({ store: new MemoryStore(), ...ports })
  for (const draft of CLUSTER) await resources.create(draft)
  const context = testContext({
    openResources: () => Promise.resolve({ resources, close() {} }),
  })
  const entry = {
    name: 'get',
    summary: 'resources',
    group: 'Look',
    load: () => Promise.resolve(defineGet),
  } as const
  const code = await runProgram(['get', ...argv], [entry], context, '1')
  return { code, ...context.written }
}

describe('tortie get', () => {
  it('prints workload endpoints of a namespace by pod, with the columns of calicoctl', async () => {
    const { out, code } = await get('workloadendpoint', '-n', 'default')
    expect(code).toBe(0)
    expect(out.split('\n')).toEqual([
      'NAMESPACE   WORKLOAD        NODE       NETWORKS        INTERFACE         ',
      'default     network-5z4qp   server01   10.211.0.6/32   cali50914021272   ',
      'default     network-6k87z   server03   10.211.2.4/32   calif17d1193010   ',
      'default     network-mngxw   server02   10.211.1.4/32   calid406b8b6c93   ',
      '',
      '',
    ])
  })

  it('leaves the namespace out unless it was asked for, and takes "default"', async () => {
    const { out } = await get('wep')
    expect(out).toMatch(/^WORKLOAD {8}NODE/)
    expect(out).not.toContain('coredns')
  })

  it('prints all namespaces', async () => {
    const { out } = await get('weps', '-A')
    expect(out).toMatch(/^kube-system {3}coredns-777d78ff6f-mr977 {3}server01/m)
  })

  it('prints nodes by name, and wide with the AS number that they inherit', async () => {
    expect((await get('node')).out).toBe('NAME       \nserver01   \nserver02   \n\n')
    expect((await get('nodes', '-o', 'wide')).out).toContain(
      'server01   (64512)   172.16.170.128/24          \n',
    )
  })

  it('prints one endpoint as YAML, in the shape of calicoctl', async () => {
    const { out } = await get('wep', 'server01-k8s-network--5z4qp-eth0', '-o', 'yaml')
    expect(out.replace(/uid: .*/, 'uid: U')).toBe(`apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata:
  creationTimestamp: 2019-01-16T06:46:19Z
  labels:
    app: network
    controller-revision-hash: "66086030"
    pod-template-generation: "1"
    projectcalico.org/namespace: default
    projectcalico.org/orchestrator: k8s
  name: server01-k8s-network--5z4qp-eth0
  namespace: default
  resourceVersion: "4"
  uid: U
spec:
  endpoint: eth0
  interfaceName: cali50914021272
  ipNetworks:
  - 10.211.0.6/32
  node: server01
  orchestrator: k8s
  pod: network-5z4qp
  profiles:
  - kns.default
`)
  })

  it('prints several as a list of their kind', async () => {
    const { out } = await get('wep', '-o', 'yaml')
    expect(out).toMatch(
      /^apiVersion: projectcalico.org\/v3\nitems:\n- apiVersion: projectcalico.org\/v3\n {2}kind: Work/,
    )
    expect(out).toMatch(/\nkind: WorkloadEndpointList\nmetadata: {}\n$/)
    const { out: json } = await get('wep', '-o', 'json')
    expect(JSON.parse(json)).toMatchObject({
      kind: 'WorkloadEndpointList',
      items: Array.from({ length: 3 }, () => ({ kind: 'WorkloadEndpoint' })),
    })
  })

  it('prints names as kubectl does', async () => {
    expect((await get('ippool', '-o', 'name')).out).toBe('ippool/pool\n')
  })

  it.each([
    [['ndoe'], "resource type 'ndoe' is not supported; did you mean node?"],
    [['node', '-o', 'yml'], "unrecognized output format 'yml'; did you mean yaml?"],
    [['node', 'server1'], 'resource does not exist: Node(server1); did you mean server01?'],
    [
      ['wep', 'network-5z4qp'],
      'resource does not exist: WorkloadEndpoint(default/network-5z4qp); did you mean server01-k8s-network--5z4qp-eth0?',
    ],
    [
      ['node', '-n', 'default'],
      'namespace should not be specified for a non-namespaced resource. Node is not a namespaced resource',
    ],
    [
      ['wep', '-n', 'default', '-A'],
      'cannot use both --namespace and --all-namespaces flags at the same time',
    ],
  ])('%j is told what is wrong', async (argv, message) => {
    expect(await get(...argv)).toEqual({ code: 1, out: '', err: `tortie: ${message}\n` })
  })
})
