import { describe, expect, it } from 'vitest'
import { nodeOf } from '../../src/ipam/block.ts'
import { ROUTE_PROTOCOL } from '../../src/kernel/kernel.ts'
import { ip, ipv4ToNumber } from '../../src/net/ip-address.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import * as icmp from '../../src/wire/packet/icmp.ts'
import * as ipv4 from '../../src/wire/packet/ipv4.ts'
import { type ClusterNode, SimulatedCluster } from './cluster.ts'
import { happen } from './run-schedule.ts'
import type { Fault } from './schedule.ts'

/*
 * That invariants hold under faults says something only if the faults are felt. One test for each kind.
 */

const KEY = '/calico/resources/v3/projectcalico.org/ippools/pool'

class Trial {
  readonly cluster = new SimulatedCluster({ seed: 1, nodes: 3, twoNetworks: false })

  static async begin(): Promise<Trial> {
    const trial = new Trial()
    await trial.cluster.start()
    await trial.after(20_000)
    return trial
  }

  get nodes(): readonly [ClusterNode, ClusterNode, ClusterNode] {
    return this.cluster.nodes as unknown as readonly [ClusterNode, ClusterNode, ClusterNode]
  }

  happen(fault: Fault): void {
    happen(this.cluster, { at: 0, fault })
  }

  async after(milliseconds: number): Promise<void> {
    await this.cluster.clock.advance(milliseconds)
  }

  /** Numbers of the packets that arrive, of `count` that one node sends to another at once, in order. */
  async arrivals(from: ClusterNode, to: ClusterNode, count = 1): Promise<number[]> {
    const arrived: number[] = []
    const { index } = to.kernel.link('ens33')!
    const capture = to.kernel.capture({ linkIndex: index }, ({ direction, octets }) => {
      const at = ipv4.headerOctets(octets)
      const isRequest = ipv4.protocol(octets) === 1 && icmp.type(octets, at) === 8
      if (direction === 'in' && isRequest) arrived.push(icmp.sequence(octets, at))
    })
    const [source, destination] = [from, to].map(({ address }) => ipv4ToNumber(ip(address)))
    for (let sequence = 0; sequence < count; sequence++) {
      const header = { source: source!, destination: destination!, protocol: 1, timeToLive: 64 }
      const message = { type: 8, code: 0, first: 1, second: sequence, body: new Uint8Array(8) }
      from.kernel.sendPacket(ipv4.encode(header, icmp.encode(message)))
    }
    await this.after(500)
    capture.close()
    return arrived
  }

  /** What a call of a node's agent to its store comes to: "ok", or the name of the error; and how long it takes. */
  async askStore(node: ClusterNode): Promise<{ outcome: string; milliseconds: number }> {
    const { clock } = this.cluster
    const began = clock.now()
    const answer = node.store!.get(KEY).then(
      () => ({ outcome: 'ok', milliseconds: clock.now() - began }),
      (thrown: Error) => ({ outcome: thrown.name, milliseconds: clock.now() - began }),
    )
    await this.after(10_000)
    return answer
  }
}

describe('a fault', () => {
  it('kills an agent at the very step, and starts another', async () => {
    const trial = await Trial.begin()
    const [node] = trial.nodes
    const life = node.process!
    const { steps } = life
    trial.happen({ do: 'kill', node: 0, step: 7, down: 5000 })
    trial.happen({ do: 'run', node: 0, pod: 'p0' })
    await trial.after(4000)
    expect([life.alive, life.steps - steps]).toEqual([false, 7])
    expect(node.process).toBe(life)
    await trial.after(30_000)
    expect(node.process).not.toBe(life)
    expect(node.process!.alive).toBe(true)
    expect(node.runtime.pods.get('p0')?.state).toBe('ready')
  })

  it.each([
    { ways: 'out', outwards: 0, inwards: 1 },
    { ways: 'in', outwards: 1, inwards: 0 },
    { ways: 'both', outwards: 0, inwards: 0 },
  ] as const)('cuts a node off $ways ways, and no other', async ({ ways, outwards, inwards }) => {
    const trial = await Trial.begin()
    const [cut, other, third] = trial.nodes
    trial.happen({ do: 'partition', node: 0, ways, for: 10_000 })
    expect(await trial.arrivals(cut, other)).toHaveLength(outwards)
    expect(await trial.arrivals(other, cut)).toHaveLength(inwards)
    expect(await trial.arrivals(other, third)).toHaveLength(1)
    await trial.after(10_000)
    expect(await trial.arrivals(cut, other)).toHaveLength(1)
    expect(await trial.arrivals(other, cut)).toHaveLength(1)
  })

  it('delays, loses and reorders messages', async () => {
    const trial = await Trial.begin()
    const [bad, other] = trial.nodes
    trial.happen({ do: 'weather', node: 0, loss: 0.3, latency: 40, jitter: 100, for: 10_000 })
    const arrived = await trial.arrivals(bad, other, 100)
    expect(arrived.length).toBeGreaterThan(40)
    expect(arrived.length).toBeLessThan(95)
    expect(arrived).not.toEqual(arrived.toSorted((a, b) => a - b))
    await trial.after(10_000)
    const all = Array.from({ length: 100 }, (_, at) => at)
    expect(await trial.arrivals(bad, other, 100)).toEqual(all)
  })

  it('takes a node away for a while', async () => {
    const trial = await Trial.begin()
    const [lost, other] = trial.nodes
    trial.happen({ do: 'lose', node: 0, for: 10_000 })
    expect(lost.process!.alive).toBe(false)
    expect(await trial.arrivals(lost, other)).toEqual([])
    await trial.after(10_000)
    expect(lost.process!.alive).toBe(true)
    expect(await trial.arrivals(lost, other)).toEqual([0])
  })

  it('ends a machine with its pods, clears it away and puts an empty one in its place', async () => {
    const trial = await Trial.begin()
    const [dead] = trial.nodes
    trial.happen({ do: 'run', node: 0, pod: 'p0' })
    await trial.after(5000)
    expect(trial.cluster.attached()).toHaveLength(1)
    const known = async (): Promise<boolean> => {
      const { rows } = await trial.cluster.shared.list('/')
      return rows.some(({ key }) => key.endsWith('/nodes/n0'))
    }
    expect(await known()).toBe(true)
    trial.happen({ do: 'die', node: 0, cleared: 5000, back: 5000 })
    expect([dead.gone, dead.process!.alive, trial.cluster.attached()]).toEqual([true, false, []])
    await trial.after(6000)
    expect(await known()).toBe(false)
    expect(await trial.cluster.ipam.allocations()).not.toContainEqual(
      expect.objectContaining({ attributes: expect.objectContaining({ pod: 'p0' }) as unknown }),
    )
    await trial.after(6000)
    expect([dead.gone, dead.process!.alive, await known()]).toEqual([false, true, true])
  })

  it('has a block change hands', async () => {
    const trial = await Trial.begin()
    const owner = async (): Promise<string | undefined> => {
      const blocks = await trial.cluster.ipam.blocks()
      const block = blocks.find(({ cidr }) => cidr === '10.211.0.192/29')
      return block && nodeOf(block)
    }
    trial.happen({ do: 'move', block: 24, from: 0, to: 1, after: 5000 })
    await trial.after(1000)
    expect(await owner()).toBe('n0')
    await trial.after(5000)
    expect(await owner()).toBe('n1')
  })

  it('takes a route of the agent’s away, which comes back', async () => {
    const trial = await Trial.begin()
    const routes = (): readonly unknown[] =>
      trial.nodes[0].kernel.routes({ protocol: ROUTE_PROTOCOL.bird })
    trial.happen({ do: 'run', node: 1, pod: 'p0' })
    await trial.after(10_000)
    const before = routes()
    expect(before.length).toBeGreaterThan(0)
    trial.happen({ do: 'meddle', node: 0, which: 0 })
    expect(routes()).toHaveLength(before.length - 1)
    await trial.after(10_000)
    expect(routes()).toEqual(before)
  })

  it('puts the store out of reach of the nodes that it names', async () => {
    const trial = await Trial.begin()
    const [without, other] = trial.nodes
    trial.happen({ do: 'outage', nodes: [0], for: 30_000 })
    const { name } = new StoreUnavailable('')
    expect((await trial.askStore(without)).outcome).toBe(name)
    expect((await trial.askStore(other)).outcome).toBe('ok')
    await trial.after(30_000)
    expect((await trial.askStore(without)).outcome).toBe('ok')
  })

  it('makes the store slow, and loses its answers', async () => {
    const trial = await Trial.begin()
    const [slow, other] = trial.nodes
    trial.happen({ do: 'slow', node: 0, delay: 700, lost: 0, for: 20_000 })
    expect(await trial.askStore(slow)).toEqual({ outcome: 'ok', milliseconds: 1400 })
    expect(await trial.askStore(other)).toEqual({ outcome: 'ok', milliseconds: 0 })
    await trial.after(20_000)
    trial.happen({ do: 'slow', node: 0, delay: 0, lost: 1, for: 20_000 })
    expect((await trial.askStore(slow)).outcome).toBe(new StoreUnavailable('').name)
  })

  it('compacts the store under every watch, and agents read all anew', async () => {
    const trial = await Trial.begin()
    const calls = trial.nodes.map(({ store }) => store!.calls)
    trial.happen({ do: 'compact' })
    await trial.after(5000)
    const { compactedRevision, revision } = trial.cluster.shared
    expect(compactedRevision).toBe(revision)
    for (const [at, { store }] of trial.nodes.entries()) {
      expect(store!.calls).toBeGreaterThan(calls[at]!)
    }
  })

  it('repeats a command, which changes nothing', async () => {
    const trial = await Trial.begin()
    const [node] = trial.nodes
    trial.happen({ do: 'run', node: 0, pod: 'p0' })
    await trial.after(5000)
    const before = trial.cluster.attached()
    expect(before).toHaveLength(1)
    const { methods } = node.agent!
    const cni = methods['cni']!
    const asked: unknown[] = []
    Object.assign(methods, {
      cni(request: { readonly command: string }) {
        asked.push(request.command)
        return cni(request)
      },
    })
    for (const command of ['ADD', 'DEL'] as const) {
      trial.happen({ do: 'repeat', pod: 'p0', command })
      await trial.after(3000)
      expect(trial.cluster.attached()).toEqual(before)
    }
    expect(asked).toEqual(['ADD', 'DEL'])
  })

  it('has the clock on the wall jump, and no timer', async () => {
    const trial = await Trial.begin()
    const { clock } = trial.cluster
    const [wall, now] = [clock.wallTime(), clock.now()]
    trial.happen({ do: 'jump', by: -3_600_000 })
    expect([clock.wallTime() - wall, clock.now() - now]).toEqual([-3_600_000, 0])
  })

  it('spoils a row, which agents name, and mends it', async () => {
    const trial = await Trial.begin()
    const stored = async (): Promise<string | undefined> =>
      (await trial.cluster.shared.get(KEY)).row?.value
    const named = (): number[] =>
      trial.nodes.map((node) => node.agent!.agent.status().problems!.length)
    const good = await stored()
    for (let row = 0; (await stored()) === good; row++) {
      // Field 10 is "spec", and mistake 7 cuts the document there.
      trial.happen({ do: 'spoil', row, field: 11, mistake: 7, for: 5000 })
      await trial.after(10)
    }
    await trial.after(1000)
    expect(Math.min(...named())).toBeGreaterThan(0)
    await trial.after(10_000)
    expect(await stored()).toBe(good)
    expect(named()).toEqual([0, 0, 0])
  })

  it('has a neighbor rave, in and out of sessions, until it is gone', async () => {
    const trial = await Trial.begin()
    const [node] = trial.nodes
    const raving = () =>
      node
        .agent!.agent.status()
        .neighbors.filter(({ description }) => description?.startsWith('raving'))
    trial.happen({ do: 'rave', node: 0, seed: 3, for: 30_000 })
    const states = new Set<string | undefined>()
    for (let at = 0; at < 600; at++) {
      await trial.after(50)
      states.add(raving()[0]?.state)
      states.add(raving()[0]?.lastError === undefined ? undefined : 'error')
    }
    expect(states).toContain('Established')
    expect(states).toContain('error')
    await trial.after(10_000)
    expect(raving()).toEqual([])
    expect(node.agent!.agent.status().converged).toBe(true)
  })

  it('removes a pod that is there', async () => {
    const trial = await Trial.begin()
    trial.happen({ do: 'run', node: 2, pod: 'p0' })
    await trial.after(5000)
    trial.happen({ do: 'remove', pod: 'p0' })
    await trial.after(5000)
    expect([trial.cluster.attached(), [...trial.nodes[2].runtime.pods]]).toEqual([[], []])
  })
})
