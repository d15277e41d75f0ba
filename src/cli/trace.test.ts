import { checkedMethods } from '../api/checked-methods.ts'
import type { AgentApi, TraceApi } from '../api/methods.ts'
import { TRACE_PARAMS } from '../api/params-schemas.ts'
import { fakeConnection } from '../api/testing/fake-connection.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { UserError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { createSimulatedMachine } from '../kernel/sim/machine.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import { nodeMethods } from '../trace/node/node-rpc.ts'
import { type TestCluster, type TestNode, testCluster } from '../trace/testing/test-cluster.ts'
import { traceDocument } from '../trace/report/trace-document.ts'
import { runProgram } from './program.ts'
import { testContext } from './testing/test-context.ts'
import { defineTrace } from './trace.ts'

const ENTRY = {
  name: 'trace',
  summary: 'a way',
  group: 'Look',
  load: () => Promise.resolve(defineTrace),
} as const

describe('tortie trace', () => {
  let clock: VirtualClock
  let cluster: TestCluster
  let resources: Resources
  const dead = new Set<string>()

  beforeEach(async () => {
    clock = new VirtualClock()
    const random = new SeededRandom(1)
    cluster = testCluster({
      machine: createSimulatedMachine({ clock, random }),
      clock,
      unique: 'sim',
    })
    resources = new Resources({ store: new MemoryStore(), clock, random, log: silentLog })
    for (const node of cluster.nodes) await register(resources, node)
    dead.clear()
  })

  async function run(...argv: string[]) {
    const context = testContext({
      clock,
      random: new SeededRandom(3),
      openResources: () => Promise.resolve({ resources, close() {} }),
      openAgents: (_, names = []) => {
        const nodes = cluster.nodes.filter(({ name }) => names.includes(name))
        if (nodes.some(({ name }) => dead.has(name))) {
          return Promise.reject(new UserError('the socket is not there'))
        }
        return Promise.resolve({
          agents: nodes.map(({ name, access }) => ({
            node: name,
            call: fakeConnection<AgentApi>(async (method, params) =>
              checkedMethods<TraceApi>(TRACE_PARAMS, nodeMethods(access))[method as keyof TraceApi](
                params,
              ),
            ).call,
          })),
          close() {},
        })
      },
    })
    let status: number | undefined
    void runProgram(['trace', ...argv], [ENTRY], context, '1.0.0').then((code) => (status = code))
    for (let waited = 0; status === undefined && waited < 8000; waited += 5) await clock.advance(5)
    return { status, exitCode: context.exitCode, ...context.written }
  }

  it('prints a table, and ends well when the packet came through', async () => {
    const { status, exitCode, out, err } = await run('pod1', 'pod2')
    expect({ status, exitCode, err }).toEqual({ status: 0, exitCode: 0, err: '' })
    expect(out).toContain('✓ server02  cali00000000002  out   62    62')
    expect(out).toContain('✓ Delivered and answered in')
  })

  it('prints a document that fits the schema', async () => {
    const { out } = await run('pod1', 'pod2', '-o', 'json')
    expect(traceDocument.parse(JSON.parse(out)).verdict.kind).toBe('delivered')
  })

  it('ends with the status of the verdict', async () => {
    expect((await run('pod1', '10.211.1.99')).exitCode).toBe(20)
    cluster.nodes[1]!.kernel.writeSysctl('ipv4.ip_forward', '0')
    expect((await run('pod1', 'pod2')).exitCode).toBe(50)
  })

  it('goes on without a node whose agent does not answer, and says so', async () => {
    dead.add('server02')
    const { out, exitCode } = await run('pod1', 'pod2')
    expect(exitCode).toBe(0)
    expect(out).toContain('server02 could not be reached: the socket is not there')
    expect(out).not.toContain('probes lost')
    expect(out).toContain('? the path beyond is not known: the tables of server02 were not read')
  })

  it('cannot go on without the node where it begins', async () => {
    dead.add('server01')
    expect(await run('pod1', 'pod2')).toMatchObject({
      status: 2,
      out: '',
      err: 'tortie: Cannot reach server01, where default/pod1 is: the socket is not there. Does its agent run?\n',
    })
  })

  it.each([
    [['pod1', 'pod9'], 'No pod, node or address is called "pod9". Did you mean pod1 or pod2?'],
    [['pod1', 'pod1'], 'Both ends are default/pod1'],
    [['pod1', 'pod2', '-o', 'yaml'], '-o is "yaml": expected table or json'],
    [['pod1', 'pod2', '--size', '20'], 'A probe has 44 to 65535 octets'],
    [['pod1', 'pod2', '--ttl', '0'], '--ttl is 0: expected 1 to 255'],
    [['pod1', 'pod2', '--tries', '0'], '--tries is 0: expected 1 to 10'],
    [['pod1', 'pod2', '--timeout', '60'], '--timeout is 60: expected 0.01 to 5 seconds'],
    [['pod1', 'pod2', '--timeout', 'x'], 'Expected a number of seconds.'],
    [['pod1'], "missing required argument 'to'"],
  ])('refuses %j with one clear message', async (argv, message) => {
    const { status, out, err } = await run(...argv)
    expect({ status, out }).toEqual({ status: 1, out: '' })
    expect(err).toContain(message)
  })

  it('says that a pod is not running when its node does not have it', async () => {
    await resources.create({
      kind: 'WorkloadEndpoint',
      metadata: { name: '', namespace: 'default' },
      spec: {
        orchestrator: 'k8s',
        node: 'server02',
        pod: 'gone',
        endpoint: 'eth0',
        ipNetworks: ['10.211.1.7/32'],
        interfaceName: 'cali999',
      },
    })
    expect((await run('gone', 'pod1')).err).toContain('default/gone is not running on server02')
    const { out, exitCode } = await run('pod1', 'gone')
    expect(exitCode).toBe(80)
    expect(out).toContain('Cause, certain: default/gone is not running on server02.')
  })
})

async function register(resources: Resources, node: TestNode): Promise<void> {
  await resources.create({
    kind: 'Node',
    metadata: { name: node.name },
    spec: { bgp: { ipv4Address: `${node.address}/24` } },
  })
  await resources.create({
    kind: 'WorkloadEndpoint',
    metadata: { name: '', namespace: 'default' },
    spec: {
      orchestrator: 'k8s',
      node: node.name,
      pod: node.pod.slice('default/'.length),
      endpoint: 'eth0',
      ipNetworks: [`${node.podAddress}/32`],
      interfaceName: node.hostInterface,
    },
  })
}
