import type { Clock, Timer } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { ReconcileOutcome, Pace, Reconciler } from '../../lib/reconcile/reconciler.ts'
import type { PoolEncapsulation } from '../../routes/encapsulation.ts'
import { BarePools } from '../cluster/bare-pools.ts'
import type { ClusterView } from '../cluster/cluster-view.ts'
import { FORMER_MILLISECONDS, PoolHistory } from '../cluster/pool-history.ts'
import type { KernelView } from '../dataplane/kernel-view.ts'
import { Attempts } from './attempts.ts'
import { type DesiredNode, desiredRows, type DesiredRows } from './desired-node.ts'
import type { ToldFacts } from './local-facts.ts'
import type { NodeInputs } from './node-inputs.ts'

export interface DerivationNeeds {
  /** Name of the Node resource. */
  readonly node: string
  readonly view: ClusterView
  readonly kernelView: KernelView
  readonly clock: Clock
  readonly log: Log
  /** Tells a row's reconciler what is desired. */
  want<Row extends keyof DesiredNode>(row: Row, desired: DesiredNode[Row]): void
  /** Something else follows now, since a while has passed. */
  onAged(): void
}

/** Between two passes, however much the datastore tells: nodes come in crowds. */
const CHANGES_MILLISECONDS = 20
/** A pass looks at all nodes, and as many nodes change at one time. */
const CHANGES_MILLISECONDS_PER_NODE = 2
const CHANGES_MILLISECONDS_MAX = 200

/** Works out what the node should be from what is known now, and tells each reconciler its row. */
export class Derivation implements Reconciler<ToldFacts> {
  readonly name = 'desired state'
  readonly #needs: DerivationNeeds
  readonly #desired: DesiredRows
  readonly #attempts: Attempts
  readonly #barePools: BarePools
  readonly #history = new PoolHistory()
  readonly #timers = new Set<Timer>()

  constructor(needs: DerivationNeeds) {
    this.#needs = needs
    this.#desired = desiredRows(needs.node)
    this.#attempts = new Attempts(needs.log)
    this.#barePools = new BarePools(needs.log)
  }

  get pace(): Pace {
    const nodes = this.#needs.view.count('Node')
    const milliseconds = Math.max(nodes * CHANGES_MILLISECONDS_PER_NODE, CHANGES_MILLISECONDS)
    return {
      debounceMilliseconds: Math.min(milliseconds, CHANGES_MILLISECONDS_MAX),
      retry: { firstMilliseconds: 2_000, mostMilliseconds: 30_000 },
      resyncMilliseconds: 90_000,
    }
  }

  reconcile(facts: ToldFacts): ReconcileOutcome {
    const { view } = this.#needs
    this.#barePools.tell(view.list('IPPool'))
    this.#age(this.inputs(facts).pools)
    const inputs = this.inputs(facts)
    for (const row of ROWS) this.#attempts.try(row, () => this.#derive(row, inputs))
    return this.#attempts.failed ? 'retry' : 'done'
  }

  #derive<Row extends keyof DesiredNode>(row: Row, inputs: NodeInputs): DesiredNode[Row] {
    const desired = this.#desired.rows[row](inputs)
    this.#needs.want(row, desired)
    return desired
  }

  /** What all rows follow from, as of now. */
  inputs(facts: ToldFacts): NodeInputs {
    const { view, kernelView } = this.#needs
    const { former: formerPools, seen: poolsSeen } = this.#history
    return this.#desired.inputs(view, { ...facts, host: kernelView.host, formerPools, poolsSeen })
  }

  #age(pools: readonly PoolEncapsulation[]): void {
    const { clock, onAged } = this.#needs
    if (!this.#history.update(pools, clock.now())) return
    const timer = clock.after(FORMER_MILLISECONDS, () => {
      this.#timers.delete(timer)
      this.#history.age(clock.now())
      onAged()
    })
    this.#timers.add(timer)
  }

  forget(): void {
    this.#needs.kernelView.read()
  }

  problems(): readonly string[] {
    return this.#attempts.problems()
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel()
  }
}

/** In the order in which they are worked out. */
const ROWS = Object.keys({
  problems: true,
  ownRows: true,
  remoteBlocks: true,
  packetFilter: true,
  ipip: true,
  vxlan: true,
  sysctls: true,
  podLinks: true,
  hostEnds: true,
  routes: true,
  bgp: true,
} satisfies Record<keyof DesiredNode, true>) as (keyof DesiredNode)[]
