import { beforeEach, describe, expect, it } from 'vitest'
import type { DebugState } from '../api/methods.ts'
import { createSimulatedMachine, type SimulatedMachine } from '../kernel/sim/machine.ts'
import { BUILT_IN_TOPOLOGIES } from '../lab/built-in-topologies.ts'
import { labUp } from '../lab/lab-up.ts'
import { memoryState } from '../lab/memory-state.ts'
import { parseTopology } from '../lab/parse-topology.ts'
import { VirtualClock } from '../lib/clock.ts'
import { debugSwitches } from '../lib/debug-topics.ts'
import { type Log, type LogFields, silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { Resources } from '../store/resources.ts'
import { type SimulatedPrograms, simulatedLabPorts } from '../simulated-lab/simulated-lab-ports.ts'

interface Told extends LogFields {
  readonly topic: string
  readonly message: string
}

/** Keeps what is told, of topics that are off too: it is for who tells to look. */
function tellingLog(told: Told[], own: LogFields = {}, topics = debugSwitches()): Log {
  return {
    ...silentLog,
    topics,
    tell(topic, message, fields) {
      told.push({ topic, message, ...own, ...fields })
    },
    child: (more) => tellingLog(told, { ...own, ...more }, topics),
  }
}

describe('topics of agents that run', () => {
  let clock: VirtualClock
  let machine: SimulatedMachine
  let programs: SimulatedPrograms
  let told: Told[]

  const run = async <T>(work: Promise<T>): Promise<T> => {
    let done = false
    const finished = work.finally(() => (done = true))
    finished.catch(() => {})
    while (!done) await clock.advance(5)
    return finished
  }
  const ask = (method: string, params: object) =>
    programs.agent('seed', 'server01')!.methods[method]!(params)
  const topics = (...on: string[]) => ask('debug', { topics: on }) as Promise<DebugState>

  beforeEach(async () => {
    clock = new VirtualClock()
    const random = new SeededRandom(1)
    machine = createSimulatedMachine({ clock, random })
    told = []
    const ports = simulatedLabPorts({
      machine,
      state: memoryState(),
      clock,
      random,
      log: tellingLog(told),
    })
    programs = ports.programs
    const text = BUILT_IN_TOPOLOGIES['seed']!
    await run(labUp({ topology: parseTopology(text, 'seed'), name: 'seed', text }, ports))
  })

  const add = () =>
    run(
      ask('cni', {
        command: 'ADD',
        containerId: 'c1',
        networkNamespace: machine.namespacePath('late'),
        interfaceName: 'eth0',
        arguments: { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: 'late', TOKEN: 'hush' },
        configuration: { cniVersion: '1.1.0', name: 'net', type: 'tortie-cni', token: 'hush' },
      }),
    )

  it('are off, and nothing is told', () => {
    expect(told).toEqual([])
  })

  it('tell of a pod that is added, from its CNI command to its route, and not of what else it was given', async () => {
    machine.createNamespace('late').close()
    expect((await topics('cni', 'routes')).topics).toEqual(['routes', 'cni'])
    await add()
    const done = told.find(({ message }) => message === 'CNI command done')!
    const [address] = done['addresses'] as string[]
    const host = machine.openNamespace('server01')
    const route = host.routes().find(({ destination }) => destination === address)!
    host.deleteRoute(route)
    await clock.advance(1000)
    const pod = { command: 'ADD', container: 'c1', interface: 'eth0', pod: 'default/late' }
    const cni = { topic: 'cni', node: 'server01', part: 'cni', ...pod }
    expect(told).toContainEqual(expect.objectContaining({ ...cni, message: 'CNI command' }))
    expect(told).toContainEqual(
      expect.objectContaining({ topic: 'routes', message: 'Route written', route: address }),
    )
    expect(JSON.stringify(told)).not.toContain('hush')
  })

  it('tell of a change of the datastore, and not of what it says', async () => {
    await topics('store')
    const store = await programs.openStore('seed')
    const resources = new Resources({ store, clock, random: new SeededRandom(2), log: silentLog })
    const metadata = { name: 'extra', annotations: { token: 'hush' } }
    const spec = { cidr: '10.250.0.0/16' }
    const { metadata: created } = await run(resources.create({ kind: 'IPPool', metadata, spec }))
    await clock.advance(1000)
    expect(told).toContainEqual({
      topic: 'store',
      message: 'Datastore change',
      node: 'server02',
      change: 'put',
      key: '/calico/resources/v3/projectcalico.org/ippools/extra',
      revision: created.resourceVersion,
    })
    expect(JSON.stringify(told)).not.toContain('hush')
  })

  it('tell of a command that fails why it did', async () => {
    await topics('cni')
    await expect(add()).rejects.toThrow('no network namespace')
    expect(told.at(-1)).toMatchObject({
      message: 'CNI command failed',
      code: 'CNI4',
      error: expect.stringContaining('no network namespace') as string,
    })
  })

  it('tell of BGP: messages of both directions, events and states', async () => {
    await topics('bgp.message', 'bgp.fsm')
    const [neighbor] = (await ask('bgp.neighbors', {})) as { readonly address: string }[]
    await ask('bgp.reset', { neighbor: neighbor!.address })
    await clock.advance(60_000)
    const own = { node: 'server01', neighbor: neighbor!.address }
    const seen = (fields: object): void =>
      expect(told).toContainEqual(expect.objectContaining({ ...own, ...fields }))
    for (const direction of ['sent', 'received']) {
      for (const type of ['OPEN', 'KEEPALIVE', 'UPDATE']) {
        seen({ topic: 'bgp.message', direction, type, octets: expect.any(Number) as number })
      }
    }
    seen({ type: 'NOTIFICATION', direction: 'sent' })
    seen({ topic: 'bgp.fsm', event: 'automaticStop', from: 'Established', to: 'Idle' })
    seen({ topic: 'bgp.fsm', event: 'keepaliveReceived', from: 'OpenConfirm', to: 'Established' })
  })

  it('end when they are switched off', async () => {
    await topics('bgp.message')
    await clock.advance(60_000)
    expect(told.length).toBeGreaterThan(0)
    expect((await topics()).topics).toEqual([])
    told.length = 0
    await clock.advance(60_000)
    expect(told).toEqual([])
  })

  it('stay as they are when they are asked for, and when a name is wrong', async () => {
    await topics('netlink')
    await expect(topics('store', 'netlnk')).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringMatching(
        /^There is no debug topic "netlnk"; did you mean netlink\? \(topics: bgp\.message, .*, cni\)$/,
      ) as string,
    })
    expect(await ask('debug', {})).toMatchObject({ topics: ['netlink'] })
  })
})
