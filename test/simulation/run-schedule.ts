import { IpamError } from '../../src/ipam/ipam-error.ts'
import { sleep } from '../../src/lib/clock.ts'
import { type Kernel, type Route, ROUTE_PROTOCOL } from '../../src/kernel/kernel.ts'
import { ip } from '../../src/net/ip-address.ts'
import { prefix } from '../../src/net/prefix.ts'
import { type ClusterOptions, SimulatedCluster } from './cluster.ts'
import { alwaysBreaches, quietBreaches } from './invariants.ts'
import { restartBreaches } from './restart.ts'
import { unansweredPairs } from './ping-all.ts'
import { RavingNeighbor } from './raving-neighbor.ts'
import type { Event, Fault, Schedule } from './schedule.ts'
import { spoilRow } from './spoil-row.ts'

/** Time that a cluster has, after the last fault is over, to be whole again. */
const RECOVERY_MILLISECONDS = 400_000
const LOOK_MILLISECONDS = 1000

/** Runs a schedule to its end, or to the first breach; answers the breaches, none if all is well. */
export async function runSchedule(
  schedule: Schedule,
  options: Pick<ClusterOptions, 'log' | 'sabotage' | 'encapsulation'> = {},
): Promise<readonly string[]> {
  const cluster = new SimulatedCluster({ ...schedule, ...options })
  const { clock } = cluster
  await cluster.start()
  await clock.advance(100)
  let end = 0
  for (const event of schedule.events) {
    while (clock.now() < event.at) {
      await clock.advance(Math.min(LOOK_MILLISECONDS, event.at - clock.now()))
      const breaches = alwaysBreaches(cluster)
      if (breaches.length > 0) return timed(cluster, breaches)
    }
    end = Math.max(end, clock.now() + happen(cluster, event))
  }
  while (clock.now() < end) {
    await clock.advance(Math.min(LOOK_MILLISECONDS, end - clock.now()))
    const breaches = alwaysBreaches(cluster)
    if (breaches.length > 0) return timed(cluster, breaches)
  }
  return await recover(cluster)
}

async function recover(cluster: SimulatedCluster): Promise<readonly string[]> {
  const { clock } = cluster
  mendAll(cluster)
  cluster.quietSince = clock.now()
  const deadline = clock.now() + RECOVERY_MILLISECONDS
  for (;;) {
    await clock.advance(LOOK_MILLISECONDS)
    for (const node of cluster.nodes) cluster.startAgent(node)
    const always = alwaysBreaches(cluster)
    if (always.length > 0) return timed(cluster, always)
    const quiet = await settledNow(cluster)
    if (quiet.length === 0) {
      const silent = await unansweredPairs(cluster)
      if (silent.length === 0) return timed(cluster, await restartBreaches(cluster))
      if (clock.now() > deadline) return timed(cluster, silent)
    } else if (clock.now() > deadline) return timed(cluster, quiet)
  }
}

async function settledNow(cluster: SimulatedCluster): Promise<readonly string[]> {
  const asked = quietBreaches(cluster)
  await cluster.clock.advance(0)
  return asked
}

function timed(cluster: SimulatedCluster, breaches: readonly string[]): readonly string[] {
  return breaches.map((breach) => `at ${cluster.clock.now()} ms: ${breach}`)
}

function mendAll(cluster: SimulatedCluster): void {
  for (const node of cluster.present) {
    cluster.impair(node, 'out', undefined)
    cluster.impair(node, 'in', undefined)
    cluster.setStoreOutage(node, false)
    cluster.setStoreTrouble(node, 0, 0)
    cluster.startAgent(node)
    if (node.process !== undefined) node.process.killAtStep = undefined
  }
}

/** Makes an event happen; answers for how long its effect lasts. */
export function happen(cluster: SimulatedCluster, { fault }: Event): number {
  const { clock, nodes } = cluster
  switch (fault.do) {
    case 'run':
      if (!nodes[fault.node]!.gone) nodes[fault.node]!.runtime.run(fault.pod)
      return 0
    case 'remove':
      for (const node of nodes) node.runtime.remove(fault.pod)
      return 0
    case 'repeat':
      for (const node of nodes) node.runtime.repeat(fault.pod, fault.command)
      return 0
    case 'kill': {
      const node = nodes[fault.node]!
      const life = node.process
      if (life === undefined || !life.alive) return 0
      life.killAtStep = life.steps + fault.step
      void life.killed.then(() => {
        clock.after(fault.down, () => cluster.startAgent(node))
      })
      return fault.down + 5000
    }
    case 'partition': {
      const node = nodes[fault.node]!
      const ways = fault.ways === 'both' ? (['out', 'in'] as const) : [fault.ways]
      for (const way of ways) cluster.impair(node, way, { cut: true })
      clock.after(fault.for, () => {
        for (const way of ways) cluster.impair(node, way, undefined)
      })
      return fault.for
    }
    case 'weather': {
      const node = nodes[fault.node]!
      const impairment = {
        loss: fault.loss,
        latencyMilliseconds: fault.latency,
        jitterMilliseconds: fault.jitter,
      }
      for (const way of ['out', 'in'] as const) cluster.impair(node, way, impairment)
      clock.after(fault.for, () => {
        for (const way of ['out', 'in'] as const) cluster.impair(node, way, undefined)
      })
      return fault.for
    }
    case 'lose': {
      const node = nodes[fault.node]!
      cluster.killAgent(node)
      for (const way of ['out', 'in'] as const) cluster.impair(node, way, { cut: true })
      clock.after(fault.for, () => {
        for (const way of ['out', 'in'] as const) cluster.impair(node, way, undefined)
        cluster.startAgent(node)
      })
      return fault.for
    }
    case 'die': {
      const node = nodes[fault.node]!
      // What is left must be a cluster.
      if (node.gone || cluster.present.length < 3) return 0
      cluster.destroy(node)
      const cleared = new Promise<void>((resolve) => {
        clock.after(fault.cleared, () => void cluster.clear(node).then(resolve))
      })
      if (fault.back === undefined) return fault.cleared + 1000
      clock.after(fault.cleared + fault.back, () => void cleared.then(() => cluster.restore(node)))
      return fault.cleared + fault.back + 1000
    }
    case 'move':
      void moveBlock(cluster, fault)
      return fault.after + 1000
    case 'meddle': {
      const { gone, kernel } = nodes[fault.node]!
      if (!gone) meddle(kernel, fault.which)
      return 0
    }
    case 'outage':
      for (const at of fault.nodes) cluster.setStoreOutage(nodes[at]!, true)
      clock.after(fault.for, () => {
        for (const at of fault.nodes) cluster.setStoreOutage(nodes[at]!, false)
      })
      return fault.for
    case 'slow': {
      const node = nodes[fault.node]!
      cluster.setStoreTrouble(node, fault.delay, fault.lost)
      clock.after(fault.for, () => cluster.setStoreTrouble(node, 0, 0))
      return fault.for
    }
    case 'spoil':
      void spoilRow(cluster, fault)
      return fault.for + 1000
    case 'rave': {
      const { gone, address } = nodes[fault.node]!
      if (gone) return 0
      const neighbor = new RavingNeighbor(cluster, ip(address), fault.seed)
      clock.after(fault.for, () => neighbor.end())
      return fault.for + 1000
    }
    case 'compact':
      void cluster.shared.list('/').then(({ revision }) => {
        // Where nothing was written since the last one, all is compacted already.
        cluster.shared.compact(revision).catch(() => {})
        for (const node of nodes) node.store?.endWatches('compacted')
      })
      return 0
    case 'jump':
      clock.jump(fault.by)
      return 0
  }
}

/** Claims a block for a node, and later releases it and claims it for another; what is in use stays. */
async function moveBlock(
  cluster: SimulatedCluster,
  { block, from, to, after }: Extract<Fault, { do: 'move' }>,
): Promise<void> {
  const { clock, ipam, nodes } = cluster
  const cidr = prefix(`10.211.0.${block * 8}/29`)
  const claim = async (at: number): Promise<void> => {
    if (!nodes[at]!.gone) await ipam.claimAffinity(nodes[at]!.name, cidr)
  }
  try {
    await claim(from)
    await sleep(clock, after)
    await ipam.releaseAffinity(nodes[from]!.name, cidr, { mustBeEmpty: true })
    await claim(to)
  } catch (thrown) {
    // Another node has it, or pods have addresses of it.
    if (!(thrown instanceof IpamError)) throw thrown
  }
}

/** Takes away a row that the agent wrote: a route, or where a tunnel's end is. */
function meddle(kernel: Kernel, which: number): void {
  const vxlan = kernel.link('vxlan.calico')?.index
  const isOfAgent = ({ protocol, type }: Route): boolean =>
    protocol === ROUTE_PROTOCOL.bird ||
    (protocol === ROUTE_PROTOCOL.felix && vxlan !== undefined && type === 'unicast')
  const rows = [
    ...kernel
      .routes()
      .filter(isOfAgent)
      .map((route) => () => kernel.deleteRoute(route)),
    ...(vxlan === undefined ? [] : kernel.forwardingEntries(vxlan)).map(
      (entry) => () => kernel.deleteForwardingEntry(entry),
    ),
    ...kernel
      .neighbors()
      .filter(({ linkIndex, state }) => linkIndex === vxlan && state === 'permanent')
      .map((neighbor) => () => kernel.deleteNeighbor(neighbor)),
  ]
  rows[which % rows.length]?.()
}
