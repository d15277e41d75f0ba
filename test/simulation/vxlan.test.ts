import { expect, it } from 'vitest'
import { SimulatedCluster } from './cluster.ts'
import { quietBreaches } from './invariants.ts'
import { unansweredPairs } from './ping-all.ts'
import { runSchedule } from './run-schedule.ts'
import { generateSchedule } from './schedule.ts'

/** Real time that the schedules may take here. */
const BUDGET_MILLISECONDS = 15_000
const FIRST_SEED = Number(process.env['TORTIE_SIMULATION_SEED'] ?? 1)

it(
  'a cluster with VXLAN and without BGP holds the invariants too',
  { timeout: 90_000 },
  async () => {
    const until = Date.now() + BUDGET_MILLISECONDS
    let seed = FIRST_SEED
    for (; seed < FIRST_SEED + 200 && Date.now() < until; seed++) {
      const schedule = { ...generateSchedule(seed), twoNetworks: true }
      const breaches = await runSchedule(schedule, { encapsulation: 'vxlan' })
      expect(breaches.join('\n'), `seed ${seed}`).toBe('')
    }
    console.log(`${seed - FIRST_SEED} fault schedules with VXLAN`)
    expect(seed).toBeGreaterThan(FIRST_SEED)
  },
)

it('reaches addresses that a node borrowed from another’s block, those of its tunnel too', async () => {
  const cluster = new SimulatedCluster({
    seed: 1,
    nodes: 6,
    twoNetworks: true,
    encapsulation: 'vxlan',
    // Four blocks for six nodes.
    pool: '10.211.0.0/27',
  })
  await cluster.start()
  await cluster.clock.advance(20_000)
  for (const [at, node] of cluster.nodes.entries()) node.runtime.run(`p${at}`)
  await cluster.clock.advance(60_000)
  const borrowed = (await cluster.ipam.allocations()).filter(
    ({ blockNode, attributes }) => blockNode !== attributes['node'],
  )
  const kinds = new Set(borrowed.map(({ attributes }) => attributes['type'] ?? 'pod'))
  expect([...kinds].toSorted()).toEqual(['pod', 'vxlanTunnelAddress'])
  expect(cluster.attached()).toHaveLength(6)
  expect(await settled(cluster)).toEqual([])
  expect(await unansweredPairs(cluster)).toEqual([])
  // A pod that borrowed goes, and so does its route.
  const lent = borrowed.find(({ attributes }) => attributes['type'] === undefined)!
  const routesTo = () =>
    cluster.nodes.filter(({ kernel }) =>
      kernel.routes().some(({ destination }) => destination === `${lent.address}/32`),
    ).length
  expect(routesTo()).toBe(6)
  const { attachment } = cluster
    .attached()
    .find(({ attachment: { addresses } }) => addresses.includes(lent.address))!
  for (const { runtime } of cluster.nodes) runtime.remove(attachment.pod)
  await cluster.clock.advance(60_000)
  expect(routesTo()).toBe(0)
})

async function settled(cluster: SimulatedCluster): Promise<readonly string[]> {
  const asked = quietBreaches(cluster)
  await cluster.clock.advance(0)
  return asked
}
