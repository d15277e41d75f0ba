import {
  originatedBlocks,
  originatedPrefixes,
  type CalicoExportRules,
  type OwnBlock,
} from '../bgp/filters/calico-export.ts'
import type { SpeakerEvent } from '../bgp/status.ts'
import type { Speaker } from '../bgp/speaker.ts'
import type { Clock, Timer } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import { Backoff } from '../lib/backoff.ts'
import { type Reconciliation, Scheduler } from '../lib/reconcile/scheduler.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { BlockOwners } from '../ipam/block-owners.ts'
import type { Kernel, KernelEvent, Machine } from '../kernel/kernel.ts'
import type { FilterTable } from '../kernel/packet-filter.ts'
import type { ClusterProblem, Derived } from '../model/cluster-problem.ts'
import type { Kind, Resource } from '../model/resource.ts'
import type { IpAddress } from '../net/ip-address.ts'
import { contains, hostPrefix, type Prefix, prefixOf } from '../net/prefix.ts'
import type { FollowProblem, RowHandlers } from '../store/follower.ts'
import { Attempts } from './attempts.ts'
import { BgpPolicies, exportRules } from './bgp/bgp-policies.ts'
import { serviceRanges } from './bgp/service-ranges.ts'
import { nodeSpeakerConfig } from './bgp/bgp-configuration.ts'
import { Bookkeeping, type NodeAddresses } from './datastore/bookkeeping.ts'
import { ClusterView } from './cluster/cluster-view.ts'
import { Dataplane, type DataplaneSettings } from './dataplane/dataplane.ts'
import { externalNodes } from './cluster/external-nodes.ts'
import type { SavedSysctls } from './dataplane/host-sysctls.ts'
import { KnownProblems } from './cluster/known-problems.ts'
import { LearnedRoutes } from './bgp/learned-routes.ts'
import { PacketFilterReconciler } from './packet-filter/packet-filter-reconciler.ts'
import { filterTable } from './packet-filter/filter-table.ts'
import { linksWith, nodeAddress } from './cluster/node-addresses.ts'
import { ParsedSelectors } from './cluster/parsed-selectors.ts'
import { rowProblem } from './cluster/row-problem.ts'
import type { PodEnd } from './dataplane/pod-links.ts'
import { PoolModes } from './cluster/pool-modes.ts'
import type { AgentStatus } from '../api/agent-status.ts'
import type { TunnelKind, TunnelPrograms } from './tunnel/tunnel-device.ts'
import {
  nodeMtus,
  type NodeMtus,
  tunnelDevice,
  tunnelProblems,
  tunnelsAnything,
} from './tunnel/tunnel-settings.ts'
import { VxlanNetwork } from './tunnel/vxlan-network.ts'
import { vxlanTunnelAddressOf as vxlanAddressOf, vxlanDevice } from './tunnel/vxlan-settings.ts'

/** A pod of this node, as far as the agent serves it. */
export interface LocalPod extends PodEnd {
  readonly namespace: string
  readonly pod: string
  readonly hostInterfaceName: string
  readonly addresses: readonly IpAddress[]
}

/** The datastore, as far as the agent follows it. */
export interface ClusterFeed {
  /** Tells what is there, then every change, across outages, until closed. */
  follow(handlers: {
    /** @param createRevision of the store: which of two rows is the older */
    onSet(resource: Resource, createRevision: number): void
    onDelete(kind: Kind, name: string): void
    /** All that was there has been told; after an outage perhaps again. */
    onInSync(): void
    /** All rows that cannot be read now, or not as a whole, whenever they are others. */
    onProblems(problems: readonly FollowProblem[]): void
  }): Closable
  /** The blocks of one node: all of them, at first and at every change. */
  followBlocks(
    node: string,
    onBlocks: (blocks: readonly OwnBlock[]) => void,
    onProblems: (problems: readonly FollowProblem[]) => void,
  ): Closable
  /** Which node has which block, of all blocks. */
  followBlockOwners(handlers: RowHandlers<BlockOwners>): Closable
}

export interface AgentNeeds {
  /** Name of the Node resource. */
  readonly node: string
  readonly kernel: Kernel
  /** Where pods' namespaces are opened. */
  readonly machine: Pick<Machine, 'openNamespace'>
  readonly tunnelKind: TunnelKind
  /** For kernels without the ipip module. */
  readonly tunnelPrograms?: TunnelPrograms
  readonly feed: ClusterFeed
  readonly addresses: NodeAddresses
  /** What the agent changed on its host. */
  readonly savedSysctls: SavedSysctls
  readonly speaker: Speaker
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  pods(): readonly LocalPod[]
}

/** Longest that routes of the agent before this one are kept unless a neighbor announces them again. */
const RESTART_MILLISECONDS = 120_000
/** From the last End-of-RIB to the removal of routes that nobody announced. */
const SETTLE_MILLISECONDS = 1_000
/** Between tries of what the datastore refused, or of what could not be brought up to date. */
const RETRY = { firstMilliseconds: 2_000, mostMilliseconds: 30_000 } as const
/** Between two looks at all that follows from the datastore, however much it tells: nodes come in crowds. */
const CHANGES_MILLISECONDS = 20
/** A look costs as much as there are nodes, and as many nodes change at one time. */
const CHANGES_MILLISECONDS_PER_NODE = 2
const CHANGES_MILLISECONDS_MAX = 200

/**
 * One node's agent: follows the datastore, its kernel and its BGP neighbors, and keeps the kernel, the
 * speaker and the node's own rows as they should be. It decides from what is, never from what it did
 * last, so that a restart finds nothing to do.
 *
 *     datastore --resources--> view --+--> speaker configuration, own blocks --> speaker
 *               --blocks------------->|                                            |
 *     CNI ------pods----------------->+--> desired routes, tunl0 <--best paths-----+
 *                                                 |
 *                                              kernel
 */
export class NodeAgent {
  readonly #needs: AgentNeeds
  readonly #view = new ClusterView()
  readonly #dataplane: Dataplane
  readonly #scheduler: Scheduler<KernelEvent>
  readonly #filter: PacketFilterReconciler
  readonly #packetFilter: Reconciliation<FilterTable>
  readonly #learned = new LearnedRoutes()
  readonly #announced = new Set<Prefix>()
  readonly #poolsSeen = new Set<Prefix>()
  readonly #closables: Closable[] = []
  readonly #policies = new BgpPolicies()
  readonly #vxlan: VxlanNetwork
  readonly #modes: PoolModes
  readonly #books: Bookkeeping
  #blocks: readonly OwnBlock[] | undefined
  #viewInSync = false
  #dataplaneStarted = false
  #keepsLearnedRoutes = false
  #restartTimer: Timer | undefined
  #retryTimer: Timer | undefined
  #changeTimer: Timer | undefined
  #changesSeenAt = -Infinity
  readonly #selectors = new ParsedSelectors()
  readonly #attempts: Attempts
  readonly #problems: KnownProblems
  readonly #backoff: Backoff
  /** What is announced; undefined when it may be something else. */
  #rules: Derived<CalicoExportRules> | undefined
  /** Of the speaker's configuration. */
  #bgpProblems: readonly ClusterProblem[] = []
  /** As of the last look at the links; undefined when the datastore may call for others. */
  #knownMtus: NodeMtus | undefined
  #stopped = false

  constructor(needs: AgentNeeds) {
    this.#needs = needs
    this.#attempts = new Attempts(needs.log)
    this.#problems = new KnownProblems(needs.clock, needs.log)
    this.#backoff = new Backoff({ ...RETRY, random: needs.random })
    this.#vxlan = new VxlanNetwork({
      node: needs.node,
      follow: (handlers) =>
        needs.feed.followBlockOwners({ ...handlers, onProblems: this.#onRowProblems('blocks') }),
      onChanges: (prefixes) => this.#dataplane.waysChanged(prefixes),
      onInSync: () => this.#dataplane.schedule(),
    })
    this.#modes = new PoolModes({
      node: needs.node,
      view: this.#view,
      clock: needs.clock,
      log: needs.log,
      onAged: () => {
        this.#attempts.try('VXLAN', () => this.#vxlan.update(this.#view, this.#modes.hasVxlan))
        this.#dataplane.settingsChanged()
        this.#wantPacketFilter()
        this.#books.ask()
      },
    })
    this.#books = new Bookkeeping({
      node: needs.node,
      view: this.#view,
      modes: this.#modes,
      addresses: needs.addresses,
      log: needs.log,
      blocks: () => this.#confirmedBlocks(),
      hasVxlanLink: () => this.#dataplane.hasVxlanLink,
      isReady: () => !this.#stopped && this.notReady() === undefined,
      onTunnelAddress: () => this.#dataplane.settingsChanged(),
      onSuccess: () => {
        if (!this.#attempts.failed) this.#backoff.reset()
      },
      onFailure: () => this.#retry(),
    })
    this.#filter = new PacketFilterReconciler({
      kernel: needs.kernel,
      log: needs.log,
      onAvailability: () => this.#dataplane.settingsChanged(),
    })
    this.#scheduler = new Scheduler({ clock: needs.clock, random: needs.random, log: needs.log })
    this.#packetFilter = this.#scheduler.add(this.#filter)
    this.#dataplane = new Dataplane({
      kernel: needs.kernel,
      machine: needs.machine,
      clock: needs.clock,
      random: needs.random,
      log: needs.log,
      tunnelKind: needs.tunnelKind,
      tunnelPrograms: needs.tunnelPrograms,
      settings: () => this.#dataplaneSettings(),
      pods: () => needs.pods(),
      learned: this.#learned.rows,
      remote: this.#vxlan.rows,
      keepsLearnedRoutes: () => this.#keepsLearnedRoutes,
      keepsRemoteRoutes: () => this.#vxlan.isBehind,
      savedSysctls: needs.savedSysctls,
      onStrictLinks: () => this.#wantPacketFilter(),
      onVxlanLink: () => this.#books.ask(),
    })
  }

  /** Begins; what needs the datastore waits for it, and until then nothing of the node is touched. */
  start(): void {
    const { feed, node, speaker } = this.#needs
    this.#closables.push(
      this.#modes,
      this.#vxlan,
      { close: speaker.onBestPaths((changes) => this.#onBestPaths(changes)) },
      { close: speaker.onEvent((event) => this.#onSpeakerEvent(event)) },
      feed.follow({
        onSet: (resource, createRevision) => {
          this.#view.set(resource, createRevision)
          this.#onChange()
        },
        onDelete: (kind, name) => {
          this.#view.delete(kind, name)
          this.#onChange()
        },
        onInSync: () => {
          this.#viewInSync = true
          this.#onChange()
        },
        onProblems: this.#onRowProblems('resources'),
      }),
      feed.followBlocks(
        node,
        (blocks) => {
          this.#blocks = blocks
          this.#onChange()
        },
        this.#onRowProblems('affinities'),
      ),
    )
  }

  /** Ends without touching the kernel. Graceful: neighbors keep this node's routes for a while. */
  async stop(options: { readonly graceful: boolean }): Promise<void> {
    this.#stopped = true
    this.#restartTimer?.cancel()
    this.#retryTimer?.cancel()
    this.#changeTimer?.cancel()
    for (const closable of this.#closables) closable.close()
    this.#dataplane.stop()
    this.#scheduler.stop()
    await this.#needs.speaker.stop(options)
  }

  /** To be called when {@link AgentNeeds.pods} answers differently. */
  podsChanged(): void {
    this.#attempts.try('announcements', () => this.#announceBlocks())
    this.#dataplane.podsChanged()
  }

  /** Why pods cannot be attached now, or undefined. */
  notReady(): string | undefined {
    if (!this.#viewInSync || this.#blocks === undefined)
      return 'the datastore has not been read yet'
    if (this.#view.get('ClusterInformation', 'default')?.spec.datastoreReady === false) {
      return 'the datastore is locked (datastoreReady is false in ClusterInformation "default")'
    }
    if (this.#ownAddress() === undefined) {
      return `Node "${this.#needs.node}" has no spec.bgp.ipv4Address in the datastore`
    }
    return undefined
  }

  /** Octets of a pod's interface where the network configuration leaves it to the agent. */
  podMtu(): number {
    return (this.#knownMtus ??= this.#mtus()).pod
  }

  /** Does what is due now rather than in a moment, so that a status is about what stays. */
  settle(): void {
    this.#dataplane.settle()
    this.#scheduler.settle()
  }

  /** As of the last passes; changes nothing. */
  status(): AgentStatus {
    const neighbors = this.#needs.speaker.neighbors().map((neighbor) => ({
      address: neighbor.address,
      description: neighbor.description,
      remoteAs: neighbor.remoteAs,
      state: neighbor.state,
      since: neighbor.since,
      lastError: neighbor.lastError,
      endOfRibReceived: neighbor.families.every((family) => family.endOfRibReceived),
      received: neighbor.families.reduce((sum, family) => sum + family.received, 0),
    }))
    const notReady = this.notReady()
    const behind = this.#vxlan.isBehind ? ['the blocks of other nodes have not been read yet'] : []
    const lacking = [
      ...behind,
      ...this.#attempts.problems(),
      ...this.#dataplane.problems(),
      ...this.#scheduler.problems(),
    ]
    const problems = this.#problems.list()
    const tunnel = this.#dataplane.tunnelStatus()
    return {
      node: this.#needs.node,
      ...(notReady === undefined ? {} : { notReady }),
      blocks: this.#confirmedBlocks(),
      pods: this.#needs.pods().length,
      neighbors,
      packetFilter: this.#filterStatus(),
      learnedRoutes: this.#learned.rows.size,
      passedOver: this.#dataplane.passedOver(),
      ...(tunnel === undefined ? {} : { tunnel }),
      lacking,
      problems,
      converged:
        notReady === undefined &&
        lacking.length === 0 &&
        problems.length === 0 &&
        neighbors.every((row) => row.state === 'Established' && row.endOfRibReceived),
    }
  }

  /** Packets that the programs of tunl0 dropped, by reason. */
  tunnelDrops(): Readonly<Record<string, number>> {
    return this.#dataplane.tunnelStatus()?.drops ?? {}
  }

  #onRowProblems(source: string) {
    return (problems: readonly FollowProblem[]): void => {
      this.#view.setRowProblems(source, problems.map(rowProblem))
      this.#onChange()
    }
  }

  #ownNode() {
    return this.#view.get('Node', this.#needs.node)
  }

  #ownNetwork(): Prefix | undefined {
    const own = this.#ownAddress()
    return own && prefixOf(own.address, own.prefixLength)
  }

  #filterStatus(): AgentStatus['packetFilter'] {
    const { unavailable } = this.#filter
    const counters = [...this.#filter.counters()]
    return {
      ...(unavailable === undefined ? {} : { unavailable }),
      counters: Object.fromEntries(counters.map(([name, { packets }]) => [name, packets])),
    }
  }

  #ownAddress() {
    const node = this.#ownNode()
    return node === undefined ? undefined : nodeAddress(node)
  }

  #mtus(): NodeMtus {
    const { kernel, node } = this.#needs
    const [uplinkIndex] = linksWith(kernel, this.#ownAddress()?.address)
    return nodeMtus(this.#view, node, kernel.links(), uplinkIndex)
  }

  /** The datastore told something: what follows from it is seen to at once, or soon if it just was. */
  #onChange(): void {
    this.#knownMtus = undefined
    this.#rules = undefined
    if (this.#stopped || !this.#viewInSync || this.#blocks === undefined) return
    if (this.#changeTimer !== undefined) return
    const { clock } = this.#needs
    const wait = this.#changesSeenAt + this.#betweenLooks() - clock.now()
    if (wait <= 0) this.#seeToChanges()
    else this.#changeTimer = clock.after(wait, () => this.#seeToChanges())
  }

  #betweenLooks(): number {
    const milliseconds = this.#view.list('Node').length * CHANGES_MILLISECONDS_PER_NODE
    return Math.min(Math.max(milliseconds, CHANGES_MILLISECONDS), CHANGES_MILLISECONDS_MAX)
  }

  /** Brings everything that follows from the datastore up to date. */
  #seeToChanges(): void {
    this.#changeTimer = undefined
    this.#changesSeenAt = this.#needs.clock.now()
    const parts: readonly (readonly [string, () => void])[] = [
      ['pools', () => this.#modes.update()],
      ['VXLAN', () => this.#vxlan.update(this.#view, this.#modes.hasVxlan)],
      ['start', () => this.#startDataplane()],
      ['BGP', () => this.#configureSpeaker()],
      ['announcements', () => this.#announceBlocks()],
      ['problems', () => this.#problems.update(this.#findProblems())],
    ]
    for (const [part, run] of parts) this.#attempts.try(part, run)
    this.#dataplane.settingsChanged()
    this.#wantPacketFilter()
    this.#books.ask()
    if (this.#attempts.failed) this.#retry()
  }

  #findProblems(): ClusterProblem[] {
    return [
      ...this.#view.problems(),
      ...this.#exportRules().problems,
      ...this.#bgpProblems,
      ...tunnelProblems(this.#view),
    ]
  }

  #onKernelEvent(event: KernelEvent): void {
    if (event.kind === 'overrun') this.#scheduler.forget()
    else this.#scheduler.observe(event)
  }

  #wantPacketFilter(): void {
    if (!this.#dataplaneStarted) return
    this.#packetFilter.want(
      filterTable({
        view: this.#view,
        node: this.#needs.node,
        hasVxlan: this.#modes.hasVxlan,
        ownNetwork: this.#ownNetwork(),
        formerPools: this.#modes.former.flat().map(({ cidr }) => cidr),
        strictLinks: this.#dataplane.strictLinks,
      }),
    )
  }

  #startDataplane(): void {
    if (this.#dataplaneStarted) return
    this.#dataplaneStarted = true
    this.#books.recall()
    if (this.#dataplane.hasLearnedRoutes()) {
      this.#needs.log.info('The kernel has routes of an agent before this one; they stay for now')
      this.#keepsLearnedRoutes = true
      this.#restartTimer = this.#needs.clock.after(RESTART_MILLISECONDS, () =>
        this.#endRestart('not all neighbors came back in time'),
      )
    }
    this.#closables.push(this.#needs.kernel.watch((event) => this.#onKernelEvent(event)))
    this.#dataplane.start()
  }

  #endRestart(reason: string): void {
    if (!this.#keepsLearnedRoutes) return
    this.#keepsLearnedRoutes = false
    this.#restartTimer?.cancel()
    this.#needs.log.info('Restart complete', { reason })
    this.#dataplane.schedule()
  }

  #configureSpeaker(): void {
    const { value, problems } = nodeSpeakerConfig(this.#view, this.#needs.node, {
      selects: (selector, labels) => this.#selectors.selects(selector, labels),
      meshRanges: () => this.#meshRanges(),
      policies: this.#policies.of(this.#view, this.#exportRules().value),
    })
    this.#bgpProblems = problems
    if (value !== undefined) this.#needs.speaker.configure(value)
  }

  /** A pool that is deleted while pods have its addresses stays one as long as this agent lives. */
  #meshRanges(): readonly Prefix[] {
    for (const { spec } of this.#view.list('IPPool')) this.#poolsSeen.add(spec.cidr)
    return [...this.#poolsSeen, ...serviceRanges(this.#view)]
  }

  #exportRules(): Derived<CalicoExportRules> {
    this.#rules ??= exportRules(this.#view, this.#needs.node, this.#blocks ?? [])
    return this.#rules
  }

  #confirmedBlocks(): readonly Prefix[] {
    const blocks = this.#blocks ?? []
    return blocks.filter(({ state }) => state === 'confirmed').map(({ cidr }) => cidr)
  }

  /**
   * Offers own blocks whole, service prefixes, and single addresses of pods that are in no confirmed
   * block; the export policy decides what goes out.
   */
  #announceBlocks(): void {
    if (this.#blocks === undefined) return
    const { speaker, pods } = this.#needs
    const confirmed = this.#confirmedBlocks()
    const single = pods()
      .flatMap(({ addresses }) => addresses)
      .filter((address) => !confirmed.some((block) => contains(block, address)))
    const wanted = new Set([
      ...originatedPrefixes(this.#exportRules().value),
      ...single.map((address) => hostPrefix(address)),
    ])
    for (const prefix of wanted) {
      if (!this.#announced.has(prefix)) speaker.announce(prefix)
      this.#announced.add(prefix)
    }
    for (const prefix of this.#announced) {
      if (wanted.has(prefix)) continue
      speaker.withdraw(prefix)
      this.#announced.delete(prefix)
    }
  }

  #onBestPaths(changes: Parameters<LearnedRoutes['apply']>[0]): void {
    this.#dataplane.waysChanged(this.#learned.apply(changes))
  }

  #onSpeakerEvent(event: SpeakerEvent): void {
    if (event.kind !== 'endOfRib' || !this.#keepsLearnedRoutes) return
    const waiting = this.#needs.speaker.neighbors().some(
      ({ families }) =>
        // One that is not up has no families, and has announced nothing yet.
        families.length === 0 || families.some((family) => !family.endOfRibReceived),
    )
    if (waiting) return
    // The batch of best paths that goes with it may still be on its way.
    this.#restartTimer?.cancel()
    this.#restartTimer = this.#needs.clock.after(SETTLE_MILLISECONDS, () =>
      this.#endRestart('all neighbors have announced their routes'),
    )
  }

  #dataplaneSettings(): DataplaneSettings {
    const own = this.#ownAddress()
    const mtus = this.#mtus()
    const { node } = this.#needs
    this.#knownMtus = mtus
    return {
      blocks: originatedBlocks(this.#exportRules().value),
      pools: this.#modes.current,
      serviceRanges: serviceRanges(this.#view),
      nodeNetworks: own === undefined ? [] : [prefixOf(own.address, own.prefixLength)],
      podLinks: {
        mtu: mtus.pod,
        mtuMayGrow: this.#modes.former.length === 0,
        segmentOctets: mtus.segment,
      },
      ownAddress: own?.address,
      nodeAddresses: () =>
        this.#view.list('Node').flatMap((node) => nodeAddress(node)?.address ?? []),
      externalNodes: externalNodes(this.#view, node),
      tunnel: tunnelDevice(this.#view, node, this.#books.tunnelAddress, mtus),
      isTunnelUsed: tunnelsAnything(this.#view, node),
      isUnfiltered: this.#filter.unavailable !== undefined,
      vxlan: this.#modes.hasVxlan
        ? vxlanDevice(this.#view, {
            node,
            address: vxlanAddressOf(this.#ownNode()),
            localAddress: own?.address,
            mtu: mtus.vxlan,
          })
        : undefined,
      tunnelEnds: this.#vxlan.ends,
    }
  }

  #retry(): void {
    if (this.#retryTimer !== undefined) return
    this.#retryTimer = this.#needs.clock.after(this.#backoff.next(), () => {
      this.#retryTimer = undefined
      this.#onChange()
    })
  }
}
