import type { AgentStatus } from '../api/agent-status.ts'
import type { BestPathChange } from '../bgp/status.ts'
import type { Speaker } from '../bgp/speaker.ts'
import { type Kernel, type KernelEvent, type Machine, ROUTE_PROTOCOL } from '../kernel/kernel.ts'
import type { Closable } from '../lib/closable.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { type Reconciliation, Scheduler } from '../lib/reconcile/scheduler.ts'
import { shareEqual } from '../lib/share-equal.ts'
import type { FollowProblem } from '../store/follower.ts'
import { filterStatus, isConverged, neighborRows, refusedPrefixes } from './agent-status.ts'
import { LearnedRoutes } from './bgp/learned-routes.ts'
import { RestartHold } from './bgp/restart-hold.ts'
import { ClusterView } from './cluster/cluster-view.ts'
import { KnownProblems } from './cluster/known-problems.ts'
import { rowProblem } from './cluster/row-problem.ts'
import type { ClusterFeed } from './cluster/cluster-feed.ts'
import type { SavedSysctls } from './dataplane/host-sysctls.ts'
import { KernelView } from './dataplane/kernel-view.ts'
import { isLearnedRoute } from './dataplane/routes-reconciler.ts'
import type { NodeAddresses } from './datastore/own-rows-reconciler.ts'
import { Derivation } from './desired/derivation.ts'
import { type LocalPod, NO_FACTS, type ToldFacts } from './desired/local-facts.ts'
import { notReady } from './desired/not-ready.ts'
import { addNodeReconcilers, type NodeReconcilers } from './node-reconcilers.ts'
import type { TunnelKind, TunnelPrograms } from './tunnel/tunnel-device.ts'

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

/**
 * One node's agent. It decides from what is, never from what it did last, so that a restart finds nothing
 * to do. Everything goes one way:
 *
 *     datastore --feed--> ClusterView --+
 *     kernel --events---> KernelView ---+--> DesiredNode --> reconcilers --> kernel, speaker, own rows
 *     CNI ------pods--------------------+                        ^
 *     speaker --best paths, blocks of other nodes--> routes -----+
 *
 * What a reconciler finds out (the link that it made, what the host's own settings were) is a fact like
 * what the kernel tells, and what follows from it is worked out in the next turn.
 */
export class NodeAgent {
  readonly #needs: AgentNeeds
  readonly #view = new ClusterView()
  readonly #kernelView: KernelView
  readonly #learned = new LearnedRoutes()
  readonly #problems: KnownProblems
  readonly #restart: RestartHold
  readonly #scheduler: Scheduler<KernelEvent>
  readonly #derivation: Derivation
  readonly #derived: Reconciliation<ToldFacts>
  readonly #reconcilers: NodeReconcilers
  readonly #closables: Closable[] = []
  #facts: ToldFacts = NO_FACTS
  #isViewInSync = false
  #hasBegun = false

  constructor(needs: AgentNeeds) {
    const { node, kernel, speaker, clock, log, random } = needs
    this.#needs = needs
    this.#kernelView = new KernelView(kernel)
    this.#problems = new KnownProblems(clock, log)
    const onEnd = (): void => this.#learn({ isRestarting: false })
    this.#restart = new RestartHold({ speaker, clock, log, onEnd })
    this.#derivation = new Derivation({
      node,
      view: this.#view,
      kernelView: this.#kernelView,
      clock,
      log,
      want: (row, desired) => this.#reconcilers.rows[row].want(desired),
      onAged: () => this.#derived.request(0),
    })
    this.#scheduler = new Scheduler({ clock, random, log })
    this.#derived = this.#scheduler.add(this.#derivation)
    this.#reconcilers = addNodeReconcilers(this.#scheduler, {
      ...needs,
      kernelView: this.#kernelView,
      followBlockOwners: (handlers) =>
        needs.feed.followBlockOwners({ ...handlers, onProblems: this.#onRowProblems('blocks') }),
      learned: this.#learned.rows,
      problems: this.#problems,
      onFacts: (facts) => this.#learn(facts),
    })
  }

  /** Begins; what needs the datastore waits for it, and until then nothing of the node is touched. */
  start(): void {
    const { feed, node, speaker } = this.#needs
    this.#closables.push(
      this.#restart,
      { close: speaker.onBestPaths((changes) => this.#onBestPaths(changes)) },
      { close: speaker.onEvent((event) => this.#restart.observe(event)) },
      feed.follow({
        onSet: (resource, createRevision) => {
          this.#view.set(resource, createRevision)
          this.#onCluster()
        },
        onDelete: (kind, name) => {
          this.#view.delete(kind, name)
          this.#onCluster()
        },
        onInSync: () => {
          this.#isViewInSync = true
          this.#onCluster()
        },
        onProblems: this.#onRowProblems('resources'),
      }),
      feed.followBlocks(
        node,
        (blocks, problems) => {
          this.#facts = { ...this.#facts, blocks }
          this.#view.setRowProblems('owners of blocks', problems)
          this.#onCluster()
        },
        this.#onRowProblems('affinities'),
      ),
    )
  }

  /** Ends without touching the kernel. Graceful: neighbors keep this node's routes for a while. */
  async stop(options: { readonly graceful: boolean }): Promise<void> {
    this.#scheduler.stop()
    for (const closable of this.#closables) closable.close()
    await this.#needs.speaker.stop(options)
  }

  /** To be called when {@link AgentNeeds.pods} answers differently. */
  podsChanged(): void {
    this.#learn({ pods: this.#needs.pods() })
  }

  /** Why pods cannot be attached now, or undefined. */
  notReady(): string | undefined {
    const { blocks } = this.#facts
    return notReady(this.#view, this.#needs.node, {
      blocks: this.#isViewInSync ? blocks : undefined,
    })
  }

  /** Octets of a pod's interface where the network configuration leaves it to the agent. */
  podMtu(): number {
    return this.#derivation.inputs(this.#facts).mtus.pod
  }

  /** Does what is due now rather than in a moment, so that a status is about what stays. */
  settle(): void {
    this.#scheduler.settle()
  }

  /** As of the last passes; changes nothing. */
  status(): AgentStatus {
    const { node, speaker } = this.#needs
    const { ipip, vxlan, packetFilter, routes } = this.#reconcilers
    const notReady = this.notReady()
    const tunnel = ipip.status() ?? vxlan.status()
    const neighbors = speaker.neighbors()
    const nothing = this.#hasBegun ? [] : ['nothing has been installed yet']
    const status = {
      node,
      ...(notReady === undefined ? {} : { notReady }),
      blocks: this.#derivation.inputs(this.#facts).confirmedBlocks,
      pods: this.#facts.pods.length,
      neighbors: neighborRows(neighbors),
      packetFilter: filterStatus(packetFilter),
      learnedRoutes: this.#learned.rows.size,
      passedOver: routes.passedOver(),
      ...(tunnel === undefined ? {} : { tunnel }),
      lacking: [...nothing, ...this.#scheduler.problems(), ...refusedPrefixes(neighbors)],
      problems: this.#problems.list(),
    }
    return { ...status, converged: isConverged(status) }
  }

  /** Packets that the programs of tunl0 dropped, by reason. */
  tunnelDrops(): Readonly<Record<string, number>> {
    return this.#reconcilers.ipip.status()?.drops ?? {}
  }

  #onRowProblems(source: string) {
    return (problems: readonly FollowProblem[]): void => {
      this.#view.setRowProblems(source, problems.map(rowProblem))
      this.#onCluster()
    }
  }

  /** The datastore told something. What follows from it waits until all of it has been told. */
  #onCluster(): void {
    if (!this.#isViewInSync || this.#facts.blocks === undefined) return
    if (!this.#hasBegun) return this.#begin()
    this.#derived.want(this.#facts)
    this.#derived.request()
  }

  /** Begins to follow the kernel and to keep it; the first turn is done when this returns. */
  #begin(): void {
    const { kernel, node, pods } = this.#needs
    this.#hasBegun = true
    this.#closables.push(kernel.watch((event) => this.#onKernel(event)))
    this.#kernelView.read()
    const isRestarting = kernel
      .routes({ protocol: ROUTE_PROTOCOL.bird })
      .some((route) => isLearnedRoute(route))
    if (isRestarting) this.#restart.begin()
    const ipipAddress = this.#view.get('Node', node)?.spec.bgp?.ipv4IPIPTunnelAddr
    this.#facts = { ...this.#facts, pods: pods(), isRestarting, ipipAddress }
    this.#derived.want(this.#facts)
    this.#scheduler.settle()
  }

  #onKernel(event: KernelEvent): void {
    if (event.kind === 'overrun') return this.#scheduler.forget()
    if (this.#kernelView.observe(event)) this.#derived.request(0)
    this.#scheduler.observe(event)
  }

  #onBestPaths(changes: readonly BestPathChange[]): void {
    this.#reconcilers.touchRoutes(this.#learned.apply(changes))
  }

  /** Takes facts; what equals what was known is nothing new. */
  #learn(facts: Partial<ToldFacts>): void {
    const next = shareEqual(this.#facts, { ...this.#facts, ...facts })
    if (next === this.#facts) return
    this.#facts = next
    if (!this.#hasBegun) return
    this.#derived.want(next)
    this.#derived.request(0)
  }
}
