import { beforeEach, describe, expect, it } from 'vitest'
import type { CniRequest } from '../api/cni-protocol.ts'
import type { AgentStatus } from '../api/agent-status.ts'
import { createSimulatedMachine, type SimulatedMachine } from '../kernel/sim/machine.ts'
import { BUILT_IN_TOPOLOGIES } from '../lab/built-in-topologies.ts'
import { labUp } from '../lab/lab-up.ts'
import { memoryState } from '../lab/memory-state.ts'
import { parseTopology } from '../lab/parse-topology.ts'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { FaultyStore } from '../store/faulty-store.ts'
import { type SimulatedPrograms, simulatedLabPorts } from '../simulated-lab/simulated-lab-ports.ts'

describe('an agent that starts', () => {
  let clock: VirtualClock
  let machine: SimulatedMachine
  let programs: SimulatedPrograms
  let isAway: boolean
  const stores: FaultyStore[] = []

  const run = async <T>(work: Promise<T>): Promise<T> => {
    let done = false
    const finished = work.finally(() => (done = true))
    finished.catch(() => {})
    while (!done) await clock.advance(5)
    return finished
  }
  const storeIsAway = (away: boolean): void => {
    isAway = away
    for (const store of stores) {
      if (away) store.beginOutage()
      else store.endOutage()
    }
  }
  const ask = async (what: 'status', params: object): Promise<AgentStatus> =>
    (await programs.agent('seed', 'server01')!.methods[what]!(params)) as AgentStatus

  beforeEach(async () => {
    clock = new VirtualClock()
    const random = new SeededRandom(1)
    machine = createSimulatedMachine({ clock, random })
    isAway = false
    stores.length = 0
    const ports = simulatedLabPorts({
      machine,
      state: memoryState(),
      clock,
      random,
      log: silentLog,
      storeOf(store, node) {
        const faulty = new FaultyStore(unclosable(store), clock)
        if (node === 'server01') stores.push(faulty)
        if (isAway && node === 'server01') faulty.beginOutage()
        return faulty
      },
    })
    programs = ports.programs
    const text = BUILT_IN_TOPOLOGIES['seed']!
    await run(labUp({ topology: parseTopology(text, 'seed'), name: 'seed', text }, ports))
  })

  const add = (): CniRequest => ({
    command: 'ADD',
    containerId: 'late',
    networkNamespace: machine.namespacePath('late'),
    interfaceName: 'eth0',
    arguments: { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: 'late' },
    configuration: { cniVersion: '1.1.0', name: 'k8s-pod-network', type: 'tortie-cni' },
  })

  it('with an unfinished ADD while the datastore is away undoes it when that is back', async () => {
    machine.createNamespace('late').close()
    storeIsAway(true)
    const added = programs.agent('seed', 'server01')!.methods['cni']!(add())
    await expect(run(added)).rejects.toThrow('the store cannot be reached')
    const unfinished = () =>
      programs.attachments('seed', 'server01').filter(({ state }) => state === 'adding')
    expect(unfinished()).toHaveLength(1)

    await run(programs.endAgent('seed', 'server01'))
    programs.startAgent('seed', 'server01', 'server01')
    await clock.advance(165_000)
    expect(await ask('status', {})).toMatchObject({ node: 'server01' })
    expect(unfinished()).toHaveLength(1)

    storeIsAway(false)
    await clock.advance(90_000)
    expect(unfinished()).toHaveLength(0)
    expect(await ask('status', {})).toMatchObject({ converged: true })
  })
})

function unclosable<T extends object>(store: T): T {
  return new Proxy(store, {
    get: (target, key) => {
      if (key === 'close') return () => {}
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
