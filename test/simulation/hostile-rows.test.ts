import { describe, expect, it } from 'vitest'
import { FOLLOWED_KINDS } from '../../src/agent/cluster/cluster-view.ts'
import { identifierOf, type Kind } from '../../src/model/resource.ts'
import { storageOf } from '../../src/store/kind-storage.ts'
import type { Row } from '../../src/store/store.ts'
import { CALICO_KINDS } from './calico-fields.ts'
import { type ClusterNode, SimulatedCluster } from './cluster.ts'
import { PingStream } from './ping-stream.ts'
import { type Field, fieldsOf, type Mistake, MISTAKES, wrongRow } from './wrong-rows.ts'

/*
 * Whatever another program writes into the datastore harms nobody: each of these mistakes at each field of
 * each kind, one at a time, under the eyes of three agents.
 */

const RESOURCES = '/calico/resources/v3/projectcalico.org/'
/** What a change takes to be seen to by everybody, and more. */
const SEEN_MILLISECONDS = 150
/** Enough to see that nobody does anything about a row that nobody follows. */
const UNSEEN_MILLISECONDS = 20

const document = (kind: string, name: string, spec: object, metadata: object = {}): string =>
  JSON.stringify({
    kind,
    apiVersion: 'projectcalico.org/v3',
    metadata: { name, ...metadata },
    spec,
  })

/** Rows beside those that a cluster has from its start. */
const MORE_ROWS: readonly (readonly [string, string])[] = [
  [
    'bgpconfigurations/default',
    document('BGPConfiguration', 'default', {
      asNumber: 64512,
      nodeToNodeMeshEnabled: true,
      communities: [{ name: 'own', value: '64512:1' }],
      prefixAdvertisements: [{ cidr: '10.211.0.0/24', communities: ['own'] }],
      serviceClusterIPs: [{ cidr: '10.96.0.0/16' }],
    }),
  ],
  ['bgpfilters/filter', document('BGPFilter', 'filter', { exportV4: [{ action: 'Accept' }] })],
  [
    'bgppeers/peer',
    document('BGPPeer', 'peer', {
      peerIP: '172.16.170.9',
      asNumber: 65001,
      filters: ['filter'],
    }),
  ],
  [
    'clusterinformations/default',
    document('ClusterInformation', 'default', { datastoreReady: true }),
  ],
  ['felixconfigurations/default', document('FelixConfiguration', 'default', {})],
  [
    'ipreservations/kept',
    document('IPReservation', 'kept', { reservedCIDRs: ['10.211.0.200/32'] }),
  ],
]

/** Which row of a kind is spoilt, by its key; of a kind that nobody here knows one is made. */
const SPOILT: Readonly<Record<string, RegExp>> = {
  Node: /\/nodes\/n2$/,
  IPPool: /\/ippools\/pool$/,
  WorkloadEndpoint: /\/workloadendpoints\/default\/n2-/,
  IPAMBlock: /\/assignment\/ipv4\/block\/10\.211\.0\.\d+-29$/,
  IPAMHandle: /\/ipam\/v2\/handle\/k8s/,
  BlockAffinity: /\/ipam\/v2\/host\/n2\/ipv4\/block\//,
}
/** Kinds whose rows stand in the form of IPAM, without a head. */
const HEADLESS = new Set(['IPAMBlock', 'IPAMHandle', 'BlockAffinity', 'IPAMConfiguration'])

class World {
  readonly cluster = new SimulatedCluster({ seed: 1, nodes: 3, twoNetworks: false })
  pings: PingStream | undefined
  #goodChanges = 0

  static async open(): Promise<World> {
    const world = new World()
    const { cluster } = world
    await cluster.start()
    for (const [key, value] of MORE_ROWS) await world.put(RESOURCES + key, value)
    for (const [at, node] of cluster.nodes.entries()) node.runtime.run(`p${at}`)
    await world.after(20_000)
    expect(world.problems()).toEqual([])
    world.pings = new PingStream(cluster, 'p0', 'p1')
    return world
  }

  async after(milliseconds: number): Promise<void> {
    await this.cluster.clock.advance(milliseconds)
  }

  async put(key: string, value: string | undefined): Promise<void> {
    const operation = value === undefined ? { delete: key } : { put: key, value }
    await this.cluster.shared.transact({ compare: [], success: [operation] })
  }

  /** The row of a kind that is to be spoilt, and what stands there now. */
  async target(kind: string): Promise<{ readonly key: string; readonly good: string | undefined }> {
    const { rows } = await this.cluster.shared.list('/')
    const { plural, namespaced } = CALICO_KINDS[kind]!
    const ours = MORE_ROWS.find(([key]) => key.startsWith(`${plural}/`))?.[0]
    const pattern = SPOILT[kind]
    const found = rows.find(({ key }) =>
      pattern === undefined ? key === RESOURCES + String(ours) : pattern.test(key),
    )
    if (found !== undefined) return { key: found.key, good: found.value }
    if (kind === 'IPAMConfiguration') return { key: '/calico/ipam/v2/config', good: undefined }
    return { key: `${RESOURCES}${plural}/${namespaced ? 'default/' : ''}hostile`, good: undefined }
  }

  /** What agents say is wrong, by node; every agent answers. */
  problems(): readonly string[] {
    return this.cluster.nodes.flatMap((node) =>
      statusOf(node).problems!.map(({ resource }) => `${node.name}: ${resource}`),
    )
  }

  /** One more good change, and whether it got through to a node that pings go to. */
  async goodChange(what: string): Promise<void> {
    const ipipMTU = 1300 + (this.#goodChanges++ % 50)
    const spec = { ipipEnabled: true, ipipMTU }
    const key = `${RESOURCES}felixconfigurations/node.n1`
    await this.put(key, document('FelixConfiguration', 'node.n1', spec))
    await this.after(SEEN_MILLISECONDS)
    const { tunnel } = statusOf(this.cluster.nodes[1]!)
    expect(tunnel?.mtu, `a good change beside ${what}`).toBe(ipipMTU)
  }
}

function statusOf(node: ClusterNode) {
  expect(node.process?.alive, `the agent of ${node.name} lives`).toBe(true)
  node.agent!.agent.settle()
  return node.agent!.agent.status()
}

/** Whether a row says all that it says as it must be said. */
function isGood(kind: string, row: Row): boolean {
  const decoded = storageOf(kind as Kind).decode(row)
  return decoded !== undefined && 'resource' in decoded && decoded.problems.length === 0
}

function isFollowed(kind: string): boolean {
  return followersOf(kind).length > 0
}

/** Names of the nodes whose agents follow rows of a kind; an affinity is followed by its own node's. */
function followersOf(kind: string): readonly string[] {
  if (kind === 'BlockAffinity') return ['n2']
  return FOLLOWED_KINDS.some((each) => each === kind) ? ['n0', 'n1', 'n2'] : []
}

function placed(kind: string, field: Field): Field | undefined {
  if (!HEADLESS.has(kind)) return field
  if (!field.path.startsWith('spec.')) return undefined
  return { ...field, path: field.path.slice('spec.'.length) }
}

async function spoil(world: World, kind: string, field: Field, mistake: Mistake): Promise<boolean> {
  const { key, good } = await world.target(kind)
  const base = good ?? (HEADLESS.has(kind) ? '{}' : document(kind, 'hostile', {}))
  const value = wrongRow(base, field, mistake)
  const wait = isFollowed(kind) ? SEEN_MILLISECONDS : UNSEEN_MILLISECONDS
  await world.put(key, value)
  await world.after(wait)
  const what = `${mistake} at ${field.path} of ${kind}`
  const named = world.problems()
  const { row } = await world.cluster.shared.get(key)
  const mustBeNamed = isFollowed(kind) && !isGood(kind, row!)
  if (mustBeNamed) {
    const names = [key, identifierOf(kind, key.slice(key.lastIndexOf('/') + 1))]
    for (const node of followersOf(kind)) {
      const isNamed = names.some((name) => named.includes(`${node}: ${name}`))
      expect(isNamed, `${node} names ${what}`).toBe(true)
    }
  }
  if (isFollowed(kind) || mistake === 'half') await world.goodChange(what)
  await world.put(key, good)
  await world.after(wait)
  expect(world.problems(), `after ${what} was mended`).toEqual([])
  expect(world.pings!.lost, `pings lost at ${what}`).toBe(0)
  return mustBeNamed
}

describe.each(Object.keys(CALICO_KINDS))('a %s with a mistake', (kind) => {
  it('harms no agent, no packet and no other row, is named, and can be mended', async () => {
    const world = await World.open()
    let count = 0
    let named = 0
    for (const field of fieldsOf(kind)) {
      const at = placed(kind, field)
      if (at === undefined) continue
      for (const mistake of MISTAKES) {
        count++
        if (await spoil(world, kind, at, mistake)) named++
      }
    }
    console.log(`${kind}: ${count} wrong rows, ${named} named, ${world.pings!.sent} pings`)
    if (isFollowed(kind)) expect(named).toBeGreaterThan(count / 8)
    world.pings!.close()
  }, 600_000)
})

describe('an agent that starts beside wrong rows', () => {
  it('goes by what they said when they could last be read, and says since when', async () => {
    const world = await World.open()
    const { cluster } = world
    const node = cluster.nodes[1]!
    const targets = await Promise.all(FOLLOWED_KINDS.map((kind) => world.target(kind)))
    for (const { key, good } of targets) await world.put(key, good!.slice(0, -10))
    await world.after(10_000)
    const before = statusOf(node).problems!
    expect(before.map(({ resource }) => resource).toSorted()).toEqual(
      targets.map(({ key }) => key).toSorted(),
    )
    const mtu = node.agent!.agent.podMtu()
    cluster.killAgent(node)
    await world.after(1000)
    cluster.startAgent(node)
    await world.after(20_000)
    expect(statusOf(node).problems).toEqual(before)
    expect(node.agent!.agent.podMtu()).toBe(mtu)
    node.runtime.run('p9')
    await world.after(10_000)
    expect(node.runtime.pods.get('p9')?.state).toBe('ready')
    expect(world.pings!.lost).toBe(0)
    for (const { key, good } of targets) await world.put(key, good)
    await world.after(SEEN_MILLISECONDS)
    expect(world.problems()).toEqual([])
    world.pings!.close()
  })

  it('leaves them out where it never saw them good, and serves all the rest', async () => {
    const world = await World.open()
    const { cluster } = world
    const node = cluster.nodes[1]!
    const bad = `${RESOURCES}bgppeers/never`
    await world.put(bad, '{"kind":"BGPPeer","spec":')
    cluster.killAgent(node)
    node.clusterFile.text = 'cut off'
    cluster.startAgent(node)
    await world.after(20_000)
    expect(statusOf(node).problems).toMatchObject([
      { resource: bad, effect: 'the row is left out' },
    ])
    expect(statusOf(node).neighbors).toHaveLength(3)
    expect(node.clusterFile.aside).toBe('cut off')
    expect(world.pings!.lost).toBe(0)
    world.pings!.close()
  })
})
