import type { Route } from '../kernel/kernel.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import {
  desiredRoute,
  routeDestinations,
  isCalledFor,
  isCutOff,
  POD_GATEWAY_PREFIX,
  whyPassedOver,
  type RouteInputs,
} from './desired-routes.ts'
import { followsBlocks, type RemoteNode, type Surroundings } from './encapsulation.ts'
import type { RouteTable } from './route-table.ts'

/**
 * The routes that a node should have, kept from change to change: of thousands only those are computed
 * that a change can concern. Once all is settled the table has what {@link desiredRoute} returns of every
 * destination.
 */
export class RoutePlan {
  readonly #table: Pick<RouteTable, 'desire'>
  #inputs: RouteInputs
  /** Destinations whose route may have changed. */
  readonly #touched = new Set<Prefix>()
  /** All destinations, as far as they wait for what every route follows from. */
  #sweep: Iterator<Prefix> | undefined
  /** Destinations that this sweep has settled. */
  #sweptCount = 0
  /** What every route follows from has changed since this sweep began. */
  #mustSweepAgain = false
  #hasSwept = false
  readonly #unreachable = new Set<Prefix>()
  /** What was learned and is not for this node's kernel. */
  readonly #passedOver = new Set<Prefix>()

  /**
   * @param learned what BGP learned, as it is at any time; {@link touch} says what changed in it
   * @param remote the same of other nodes' blocks
   */
  constructor(
    table: Pick<RouteTable, 'desire'>,
    learned: ReadonlyMap<Prefix, readonly IpAddress[]>,
    remote: ReadonlyMap<Prefix, RemoteNode> = new Map(),
  ) {
    this.#table = table
    this.#inputs = {
      blocks: new Set(),
      pods: new Map(),
      learned,
      remote,
      surroundings: {
        pools: [],
        serviceRanges: [],
        ownAddresses: [],
        hostRouteLength: () => -1,
        pathMtus: {},
        nodeNetworks: [],
        tunnelLinkIndex: undefined,
        vxlanLinkIndex: undefined,
        uplinkIndex: undefined,
        resolve: () => undefined,
      },
      loopbackLinkIndex: 1,
    }
    this.#beginSweep()
  }

  setPods(pods: ReadonlyMap<Prefix, number>): void {
    const before = this.#inputs.pods
    for (const destination of before.keys()) if (!pods.has(destination)) this.touch(destination)
    for (const [destination, linkIndex] of pods) {
      if (before.get(destination) !== linkIndex) this.touch(destination)
    }
    this.touch(POD_GATEWAY_PREFIX)
    this.#inputs = { ...this.#inputs, pods }
  }

  setBlocks(blocks: ReadonlySet<Prefix>): void {
    const before = this.#inputs.blocks
    for (const block of before) if (!blocks.has(block)) this.touch(block)
    for (const block of blocks) if (!before.has(block)) this.touch(block)
    this.touch(POD_GATEWAY_PREFIX)
    this.#inputs = { ...this.#inputs, blocks }
  }

  /** To be called only when they changed: every route follows from them. */
  setSurroundings(surroundings: Surroundings, loopbackLinkIndex: number): void {
    this.#inputs = { ...this.#inputs, surroundings, loopbackLinkIndex }
    // A sweep is finished first, so that changes that never cease leave no destination out.
    if (this.#sweptCount > 0) this.#mustSweepAgain = true
    else this.#beginSweep()
  }

  #beginSweep(): void {
    this.#sweep = routeDestinations(() => this.#inputs)
    this.#sweptCount = 0
    this.#mustSweepAgain = false
  }

  /** The route to a destination may have changed. */
  touch(destination: Prefix): void {
    this.#touched.add(destination)
  }

  /**
   * Has the table know what should be in it.
   *
   * @param most destinations worked out in this call
   * @returns whether that was all: otherwise the next call goes on
   */
  settle(most = Infinity): boolean {
    let left = most
    for (const destination of this.#touched) {
      if (left-- <= 0) return false
      this.#settleOne(destination)
      this.#touched.delete(destination)
    }
    while (this.#sweep !== undefined) {
      if (left-- <= 0) return false
      const { done, value: destination } = this.#sweep.next()
      if (done === true) this.#endSweep()
      else this.#settleSwept(destination)
    }
    return true
  }

  #endSweep(): void {
    this.#hasSwept = true
    if (this.#mustSweepAgain) return this.#beginSweep()
    this.#sweep = undefined
    this.#sweptCount = 0
  }

  #settleSwept(destination: Prefix): void {
    this.#sweptCount++
    this.#settleOne(destination)
  }

  #settleOne(destination: Prefix): void {
    const route = desiredRoute(destination, this.#inputs)
    this.#table.desire(destination, route)
    this.#explain(destination, route)
  }

  /** Takes note of why there is no route, where there might be one, or none that leads anywhere. */
  #explain(destination: Prefix, route: Route | undefined): void {
    const isLacking =
      route === undefined
        ? isCalledFor(destination, this.#inputs)
        : isCutOff(destination, route, this.#inputs)
    if (isLacking) this.#unreachable.add(destination)
    else this.#unreachable.delete(destination)
    const isPassed =
      route === undefined && !isLacking && whyPassedOver(destination, this.#inputs) !== undefined
    if (isPassed) this.#passedOver.add(destination)
    else this.#passedOver.delete(destination)
  }

  /** Whether a destination is a pod's or a block of this node. */
  isOwn(destination: Prefix): boolean {
    const { pods, blocks } = this.#inputs
    return pods.has(destination) || blocks.has(destination)
  }

  /** Whether BGP has a way to it that this node could use. */
  isLearned(destination: Prefix): boolean {
    return this.#inputs.learned.has(destination) && !this.#passedOver.has(destination)
  }

  /** What was learned and gets no route on purpose, with the reason; the first of them, one sentence each. */
  passedOver(most = Infinity): readonly string[] {
    const shown = [...this.#passedOver].slice(0, most)
    return shown.map((each) => `${each}: ${whyPassedOver(each, this.#inputs)}`)
  }

  /** How many they are. */
  get passedOverCount(): number {
    return this.#passedOver.size
  }

  /**
   * Whether a node that has a destination has no end of the tunnel yet by which packets are to go there:
   * what leads there now should stay until it has. It says so in its Node once it takes such packets.
   */
  awaitsTunnelEnd(destination: Prefix): boolean {
    const { remote, surroundings } = this.#inputs
    if (!this.#unreachable.has(destination) || !followsBlocks(destination, surroundings))
      return false
    const node = remote.get(destination)
    return node !== undefined && node.tunnelAddress === undefined
  }

  /** What was learned and has no route, because its next hops cannot be reached, or one that leads nowhere; one sentence each. */
  unreachable(most = Infinity): readonly string[] {
    const shown = [...this.#unreachable].slice(0, most)
    return shown.map((destination) => {
      const { learned, remote, surroundings } = this.#inputs
      const nextHops = followsBlocks(destination, surroundings)
        ? [remote.get(destination)?.address]
        : (learned.get(destination) ?? [])
      return `no route to ${destination} via ${nextHops.join(', ')}`
    })
  }

  /** Destinations that {@link settle} has not come to yet. */
  get unsettledCount(): number {
    if (this.#sweep === undefined) return this.#touched.size
    const { pods, blocks, learned, remote } = this.#inputs
    const all = pods.size + blocks.size + learned.size + remote.size + 1
    return this.#touched.size + Math.max(all - this.#sweptCount, 1)
  }

  /** Whether the table knows what should be at a destination: what it lacks may be removed from the kernel. */
  isSettled(destination: Prefix): boolean {
    return this.#hasSwept && !this.#touched.has(destination)
  }

  /** How many they are. */
  get unreachableCount(): number {
    return this.#unreachable.size
  }
}
