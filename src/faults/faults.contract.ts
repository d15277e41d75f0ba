import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Family, ip } from '../net/ip-address.ts'
import { type Kernel, ROUTE_PROTOCOL } from '../kernel/kernel.ts'
import type { Cause } from '../trace/causes/cause.ts'
import { CAUSES, type CauseId } from '../trace/causes/causes.ts'
import { hasIpip, type TestCluster, testCluster } from '../trace/testing/test-cluster.ts'
import { type Trace, trace } from '../trace/trace.ts'
import type { TraceHarness } from '../trace/trace.contract.ts'
import type { Effect } from './effect.ts'
import type { Fault, Path, Scene } from './fault.ts'
import { type FaultId, FAULTS } from './faults.ts'
import { perform, undo } from './perform.ts'
import { TestScene } from './testing/test-scene.ts'

/** What a kernel brings to be broken, beside what it brings to be traced on. */
export interface FaultHarness extends TraceHarness {
  readonly isSimulated: boolean
  /** Runs a command in a namespace, as a person would; throws unless it succeeds. */
  execute(kernel: Kernel, argv: readonly string[]): Promise<void>
  /** Corrupts what leaves by a link, where the kernel can. */
  corrupt?(kernel: Kernel, link: string, isOn: boolean): void
}

/** What a fault is to be called, and by which facts; without commands that mend it there is but undoing it. */
interface Expectation {
  readonly cause: CauseId
  readonly facts: (scene: Scene) => object
  readonly isMended: boolean
}

const mended = (cause: CauseId, facts: Expectation['facts'] = () => ({})): Expectation => ({
  cause,
  facts,
  isMended: true,
})
const named = (cause: CauseId, facts: Expectation['facts'] = () => ({})): Expectation => ({
  cause,
  facts,
  isMended: false,
})

const destination: Expectation['facts'] = ({ to }) => ({ destination: to.pod.address })
const underlayOf: Expectation['facts'] = ({ from, to }) => ({
  from: `${from.name} ens33`,
  to: `${to.name} ens33`,
})

/** A fault without a row does not compile, and a cause that none of them shows fails below. */
const EXPECTED: { readonly [Id in FaultId]: Expectation } = {
  'address-missing': mended('address-missing', ({ to: { pod } }) => ({
    owner: pod.name,
    address: pod.address,
  })),
  'blackhole-route': mended('blackhole-route', destination),
  'checksum-wrong': named('checksum-wrong', () => ({ link: 'ens33' })),
  'echo-ignored': mended('echo-ignored'),
  filtered: named('filtered', ({ to }) => ({ arrived: to.uplink, taken: undefined })),
  'filtered-in-pod': named('filtered', () => ({ arrived: undefined })),
  'forwarding-off': mended('forwarding-off', ({ family, to }) => ({
    link: to.uplink,
    everywhere: family === 6,
  })),
  'host-link-down': mended('link-down', ({ to }) => ({ link: to.pod.hostLink })),
  'icmp-error': named('icmp-error', ({ network }) => ({ sender: network.router })),
  'kernel-refuses': named('kernel-refuses', ({ to }) => ({
    destination: to.pod.address,
    code: 'EINVAL',
  })),
  'link-down': mended('link-down', ({ to }) => ({ link: to.pod.link })),
  'link-missing': mended('link-missing', () => ({ link: 'eth0', actual: 'renamed0' })),
  loop: named('loop'),
  'martian-source': mended('martian-source', ({ from }) => ({ source: from.pod.address })),
  'mtu-exceeded': mended('mtu-exceeded', ({ from }) => ({
    link: from.pod.link,
    mtu: 1400,
    octets: 1450,
  })),
  'near-tunnel-down': mended('tunnel-down', () => ({ link: 'tunl0' })),
  'neighbor-failed': mended('neighbor-failed', ({ from }) => ({ link: from.uplink })),
  'neighbor-table-full': mended('neighbor-table-full', ({ family }) => ({
    link: 'eth0',
    address: ip(family === 4 ? '169.254.1.1' : 'fe80::ecee:eeff:feee:eeee'),
    entries: 0,
  })),
  'neighbor-wrong-mac': mended('neighbor-wrong-mac', ({ to }) => ({
    address: to.address,
    mac: '66:66:66:66:66:66',
    actual: to.uplinkMac,
  })),
  'no-answer': named('no-answer', ({ to }) => ({ pod: to.pod.name })),
  'no-carrier': named('no-carrier', ({ to }) => ({ link: to.uplink })),
  'no-route': mended('no-route', destination),
  'other-way': named('other-way', ({ from }) => ({
    expected: from.uplink,
    actual: 'other0',
  })),
  'pod-link-missing': named('pod-link-missing', ({ to }) => ({
    pod: to.pod.name,
    link: to.pod.hostLink,
  })),
  'pod-not-running': named('pod-not-running', () => ({ pod: 'default/left-over' })),
  'prohibit-route': mended('prohibit-route', destination),
  'proxy-arp-no-forwarding': mended('proxy-arp-no-forwarding', () => ({ everywhere: true })),
  'proxy-arp-no-route': mended('proxy-arp-no-route', ({ from }) => ({ link: from.pod.hostLink })),
  'proxy-arp-off': mended('proxy-arp-off', ({ from }) => ({ link: from.pod.hostLink })),
  'rp-filter': mended('rp-filter', ({ from, to }) => ({
    link: to.uplink,
    source: from.pod.address,
    value: 1,
  })),
  'source-changed': named('source-changed', ({ from }) => ({
    before: from.pod.address,
    after: from.address,
  })),
  'ttl-expired': named('ttl-expired', () => ({ ttl: 1, initial: 1 })),
  'tunnel-down': mended('tunnel-down', () => ({ link: 'tunl0' })),
  'tunnel-drops': named('tunnel-drops', () => ({ taken: 'a fragment of an outer header' })),
  'tunnel-missing': named('tunnel-missing', ({ from }) => ({
    outerSource: from.address,
    vni: 4096,
  })),
  'underlay-drops': named('underlay-drops', underlayOf),
  'unreachable-route': mended('unreachable-route', destination),
  'vtep-elsewhere': mended('vtep-elsewhere', ({ to, bystander }) => ({
    remote: bystander.address,
    expected: to.address,
  })),
  'vtep-neighbor-missing': mended('neighbor-failed', ({ to }) => ({ address: to.vtep?.address })),
  'vtep-unknown': mended('vtep-unknown', ({ to }) => ({ mac: to.vtep?.mac, expected: to.address })),
  'wrong-holder': mended('wrong-holder', ({ to }) => ({ address: to.pod.address })),
  'wrong-next-hop': mended('wrong-next-hop', ({ to, bystander }) => ({
    nextNode: bystander.name,
    owner: to.name,
  })),
  'wrong-pod': mended('wrong-pod', ({ from }) => ({ pod: from.pod.name })),
}

/** Times that a trace is taken and what it offers carried out: one fault can hide behind another. */
const ROUNDS_MAX = 3

/** Before a command that sets something for the whole machine. */
const IN_FIRST_NAMESPACE = 'nsenter -t 1 -n'

/** Between two questions for a neighbor, of which there are three. */
const NEIGHBOR_MILLISECONDS = 50

/** Every fault on this kernel: its cause is named first, what is offered mends it, and undoing it does. */
export function faultsContract(kernel: string, open: () => FaultHarness): void {
  describe(`a fault on the ${kernel} kernel`, () => {
    let harness: FaultHarness
    let serial = 0
    const closers: (() => void)[] = []

    beforeAll(() => {
      harness = open()
    })
    afterAll(() => harness.done())

    /** Why this kernel does not show it. */
    const obstacleTo = ({ onlySimulated, path }: Fault): string | undefined => {
      if (!harness.isSimulated && onlySimulated !== undefined) return onlySimulated
      const isMissing =
        path === 'ipip' && !hasIpip(harness.machine, `${harness.prefix}i${++serial}`)
      return isMissing ? 'this kernel has no IPIP' : undefined
    }

    const build = (path: Path, family: Family): Bench => {
      const unique = `${harness.prefix}f${++serial}`
      const tunnel = path === 'bare' ? { isOfThree: true } : { tunnel: path }
      const cluster = testCluster({
        ...harness,
        unique,
        family,
        neighborMilliseconds: NEIGHBOR_MILLISECONDS,
        ...tunnel,
      })
      const bench = new Bench(harness, cluster, path)
      closers.push(() => bench.close())
      return bench
    }
    const close = (): void => closers.splice(0).forEach((each) => each())

    const cases = FAULTS.flatMap((fault: Fault) =>
      fault.families.map((family) => [fault.id as FaultId, family, fault] as const),
    )

    it.for(cases)('%s is named, and mended by what is offered: IPv%i', async (row, { skip }) => {
      const [id, family, fault] = row
      const obstacle = obstacleTo(fault)
      if (obstacle !== undefined) skip(obstacle)
      const bench = build(fault.path, family)
      try {
        const undoing = bench.break(fault)
        await bench.expectCause(fault, EXPECTED[id])
        if (EXPECTED[id].isMended) await bench.mend(fault)
        else bench.undo(undoing)
        await bench.settle()
        const { verdict } = await bench.trace(fault.probe?.to === undefined ? fault : undefined)
        expect(verdict.kind, JSON.stringify(verdict, undefined, 2)).toBe('delivered')
        expect(verdict.remarks).toEqual([])
      } finally {
        close()
      }
    })

    const mendable = cases.filter(([id]) => EXPECTED[id].isMended)
    it.for(mendable)('%s is undone: IPv%i', async ([, family, fault], { skip }) => {
      const obstacle = obstacleTo(fault)
      if (obstacle !== undefined) skip(obstacle)
      const bench = build(fault.path, family)
      try {
        bench.undo(bench.break(fault))
        expect((await bench.trace(fault)).verdict).toMatchObject({ kind: 'delivered', causes: [] })
      } finally {
        close()
      }
    })
  })
}

/** A cluster to be broken. */
class Bench {
  readonly #harness: FaultHarness
  readonly #cluster: TestCluster
  readonly #world: TestScene
  #flaps: readonly Effect[] = []
  #lost: readonly Effect[] = []
  /** What undoes what was set for the whole machine, which outlives the cluster. */
  #ofMachine: readonly Effect[] = []

  constructor(harness: FaultHarness, cluster: TestCluster, path: Path) {
    this.#harness = harness
    this.#cluster = cluster
    this.#world = new TestScene(cluster, path, harness)
  }

  /** Answers what undoes it. */
  break(fault: Fault): readonly Effect[] {
    const effects = JSON.parse(JSON.stringify(fault.effects(this.#world.scene))) as Effect[]
    this.#flaps = fault.flaps?.(this.#world.scene) ?? []
    const undoing = effects.flatMap((effect) => this.#perform(effect)).toReversed()
    // A route that somebody deleted is not one that the kernel took away.
    const deleted = effects.flatMap((each) => (each.do === 'delete-route' ? [each.route] : []))
    const isDeleted = (each: Effect) =>
      each.do === 'add-route' &&
      deleted.some((route) => route.destination === each.route.destination)
    this.#lost = undoing.filter((each) => !isDeleted(each))
    this.#ofMachine = undoing.filter((each) => each.in === this.#world.scene.firstNamespace)
    return undoing
  }

  close(): void {
    undo(this.#ofMachine, this.#world)
    this.#cluster.close()
  }

  /** What the agents of the nodes would do by themselves: they write the routes that they keep. */
  get #agents(): readonly Effect[] {
    return this.#lost.filter(
      (each) => each.do === 'add-route' && each.route.protocol === ROUTE_PROTOCOL.bird,
    )
  }

  #perform(effect: Effect): readonly Effect[] {
    return perform(effect, this.#world).toReversed()
  }

  undo(effects: readonly Effect[]): void {
    this.#flaps = []
    undo(effects, this.#world)
  }

  trace(fault: Fault | undefined): Promise<Trace> {
    const { scene, directory } = this.#world
    const { octets, isOfNodes, to } = fault?.probe ?? {}
    const { clock, random } = this.#harness
    const nodes = this.#cluster.nodes.map(({ name, access }) =>
      name === scene.from.name ? this.#flap(access) : access,
    )
    return this.#harness.run(
      trace({
        from: isOfNodes === true ? scene.from.name : scene.from.pod.name,
        to: isOfNodes === true ? scene.to.name : (to ?? scene.to.pod.name),
        nodes,
        directory,
        clock,
        random,
        options: {
          timeoutMilliseconds: 300,
          tries: 1,
          ...(octets === undefined ? {} : { octets }),
        },
      }),
    )
  }

  /** Breaks when all listen, and is whole again when they have listened. */
  #flap(access: TestCluster['nodes'][number]['access']): typeof access {
    let undoing: readonly Effect[] = []
    return {
      ...access,
      probe: (request) => {
        undoing = this.#flaps.flatMap((effect) => this.#perform(effect)).toReversed()
        return access.probe(request)
      },
      finish: (request) => {
        undo(undoing, this.#world)
        return access.finish(request)
      },
    }
  }

  async expectCause(fault: Fault, { cause, facts }: Expectation): Promise<void> {
    const { verdict } = await this.trace(fault)
    const all = JSON.stringify(verdict, undefined, 2)
    expect(verdict.kind, all).toBe('lost')
    expect(verdict.causes[0]?.name, all).toBe(cause)
    expect(verdict.causes[0]?.fault.facts, all).toMatchObject(facts(this.#world.scene))
    expect(verdict.causes[0]?.fault.family).toBe(
      fault.path === 'bare' ? this.#world.scene.family : 4,
    )
  }

  /** Lets what still asks for a neighbor give up, so that the next packet asks anew. */
  settle(): Promise<void> {
    const { clock } = this.#harness
    return this.#harness.run(
      new Promise((resolve) => void clock.after(4 * NEIGHBOR_MILLISECONDS, () => resolve())),
    )
  }

  /** Carries out what is offered first, and again what is offered then. */
  async mend(fault: Fault): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const { verdict } = await this.trace(fault)
      const first = verdict.causes[0]
      if (verdict.kind === 'delivered') return
      expect(first?.mend, JSON.stringify(verdict, undefined, 2)).not.toEqual([])
      for (const command of first!.mend) {
        const { node, netns } = first!.fault.place
        const isOfMachine = command.join(' ').startsWith(`${IN_FIRST_NAMESPACE} `)
        const { firstNamespace } = this.#world.scene
        const namespace = isOfMachine ? firstNamespace : netns === 'host' ? node : netns
        const argv = isOfMachine ? command.slice(IN_FIRST_NAMESPACE.split(' ').length) : command
        await this.#harness.execute(this.#world.kernel(namespace), argv)
      }
      undo(this.#agents, this.#world)
      await this.settle()
    }
  }
}

/** Every cause has a fault that shows it, and every fault shows a cause. */
export function expectWholeCatalogue(): void {
  const faults = new Set<string>(FAULTS.map(({ id }) => id))
  for (const { id, fault } of CAUSES as readonly Cause[]) {
    expect(faults, `the fault of the cause ${id}`).toContain(fault)
    expect(EXPECTED[fault as FaultId].cause, `what the fault ${fault} shows`).toBe(id)
  }
  expect(Object.keys(EXPECTED).toSorted()).toEqual([...faults].toSorted())
}
