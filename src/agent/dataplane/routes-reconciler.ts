import {
  isKernelError,
  type Kernel,
  type KernelEvent,
  type Link,
  type Route,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
} from '../../kernel/kernel.ts'
import type { Log } from '../../lib/log.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { hostPrefix, isHostPrefix, type Prefix } from '../../net/prefix.ts'
import type { RemoteNode, Surroundings } from '../../routes/encapsulation.ts'
import { isOurRoute, VXLAN_LINK } from '../../routes/ownership.ts'
import { RoutePlan } from '../../routes/route-plan.ts'
import { type Applied, RouteTable } from '../../routes/route-table.ts'
import type { LocalPod } from '../desired/local-facts.ts'
import { isPodLink, type KernelView } from './kernel-view.ts'

/** What the routes of a node follow from, beside what BGP learned and the blocks of other nodes. */
export interface DesiredRoutes {
  readonly pods: readonly Pick<LocalPod, 'addresses' | 'hostInterfaceName'>[]
  /** Blocks of this node. */
  readonly blocks: readonly Prefix[]
  readonly surroundings: Omit<Surroundings, 'ownAddresses' | 'hostRouteLength' | 'resolve'>
  /** Routes to other nodes' blocks that nobody announces (yet) are kept. */
  readonly keepsLearned: boolean
  /** The same of routes in pools with VXLAN. */
  readonly keepsRemote: boolean
}

export interface RoutesNeeds {
  readonly kernel: Kernel
  readonly view: KernelView
  readonly log: Log
  /** What BGP learned, as it is at any time; {@link RoutesReconciler.touch} says what changed in it. */
  readonly learned: ReadonlyMap<Prefix, readonly IpAddress[]>
  /** Other nodes' blocks in pools with VXLAN, in the same way. */
  readonly remote: ReadonlyMap<Prefix, RemoteNode>
}

/** Routes worked out, and routes written, in one pass: requests are served between two. */
export const ROUTES_PER_PASS = 2048
/** Rows of the kernel's table taken up in one pass. */
const ROWS_PER_PASS = 8192
/** Sentences of one kind in a status; more are counted. */
const SENTENCES_MAX = 50

/**
 * Keeps a node's routes. A change is worked into the routes that it concerns; all are worked out again
 * when what they follow from changes, next hops of other nodes included.
 */
export class RoutesReconciler implements Reconciler<DesiredRoutes, KernelEvent> {
  readonly name = 'routes'
  readonly pace = {
    retry: { firstMilliseconds: 1_000, mostMilliseconds: 30_000 },
    /** In case a notification was missed, or the kernel kept silent. */
    resyncMilliseconds: 90_000,
  } as const
  readonly #needs: RoutesNeeds
  readonly #table: RouteTable
  readonly #plan: RoutePlan
  #desired: DesiredRoutes | undefined
  /** Links by which there may be routes. */
  #linksUp = new Set<number>()
  #mustReadTable = true
  /** The kernel's table is being read, in as many passes as that takes. */
  #isReading = false
  #mustReadPods = true
  /** Host ends of pods as last read, by index: they stay the pods' until somebody has read them again. */
  #podLinks: ReadonlySet<number> = new Set()
  #mustResolve = true
  /** Links of routes that were read before the kernel told of the link: whose they are is not known yet. */
  readonly #unheardLinks = new Set<number>()
  /** Pods without their link, one sentence each. */
  #missingLinks: readonly string[] = []
  /** The last pass left routes to the next one. */
  #isBehind = false

  constructor(needs: RoutesNeeds) {
    this.#needs = needs
    this.#table = new RouteTable({
      kernel: needs.kernel,
      isOurs: (route) => this.#isOurs(route),
      log: needs.log,
    })
    this.#plan = new RoutePlan(this.#table, needs.learned, needs.remote)
  }

  /** The learned next hops of these prefixes changed. Returns whether a pass is due for it. */
  touch(prefixes: readonly Prefix[]): boolean {
    for (const prefix of prefixes) this.#plan.touch(prefix)
    return prefixes.length > 0
  }

  reconcile(desired: DesiredRoutes): ReconcileOutcome {
    this.#tellPass()
    // What routes the host has itself decides about ours.
    if (!this.#readTable()) return 'more'
    this.#take(desired)
    const isSettled = this.#plan.settle(ROUTES_PER_PASS)
    const { keepsLearned, keepsRemote } = desired
    const applied = this.#table.apply(
      (route) =>
        ((keepsLearned || keepsRemote) && isLearnedRoute(route)) ||
        (keepsRemote && this.#isRemote(route)) ||
        !this.#plan.isSettled(route.destination) ||
        this.#plan.awaitsTunnelEnd(route.destination),
      ROUTES_PER_PASS,
    )
    this.#isBehind = !isSettled || !applied.isWhole
    return this.#outcome(applied)
  }

  #outcome(applied: Applied): ReconcileOutcome {
    const { isWhole: _, ...counts } = applied
    if (applied.written + applied.removed > 0) this.#needs.log.info('Routes changed', counts)
    // What is in the way is told of in a moment; if it is not, everything has to be read again.
    if (this.#table.mustResync) this.#mustReadTable = true
    else if (this.#isBehind || applied.contested > 0) return 'more'
    return applied.failed > 0 || this.#mustReadTable ? 'retry' : 'done'
  }

  /** Returns whether the table has been read as far as it must be. */
  #readTable(): boolean {
    if (!this.#isReading && !this.#mustReadTable) return true
    if (!this.#isReading) {
      this.#mustReadTable = false
      this.#linksUp = new Set(this.#needs.view.up())
    }
    this.#isReading = !this.#table.resync(ROWS_PER_PASS)
    this.#isBehind = this.#isReading || this.#mustReadTable
    return !this.#isBehind
  }

  #take(desired: DesiredRoutes): void {
    const before = this.#desired
    this.#desired = desired
    if (desired.blocks !== before?.blocks) this.#plan.setBlocks(new Set(desired.blocks))
    if (desired.surroundings !== before?.surroundings) this.#mustResolve = true
    if (this.#mustResolve) this.#setSurroundings(desired.surroundings)
    if (this.#mustReadPods || desired.pods !== before?.pods) this.#readPods(desired.pods)
    this.#mustResolve = false
    this.#mustReadPods = false
  }

  #setSurroundings(surroundings: DesiredRoutes['surroundings']): void {
    const { kernel, view } = this.#needs
    const ofKernel = {
      ownAddresses: kernel.addresses().map(({ address }) => hostPrefix(address)),
      hostRouteLength: cached((address) => this.#table.foreignLength(address)),
      resolve: cached((address) => lookUp(kernel, address)),
    }
    const loopback = view.named('lo')?.index ?? 1
    this.#plan.setSurroundings({ ...surroundings, ...ofKernel }, loopback)
  }

  #readPods(pods: DesiredRoutes['pods']): void {
    const wanted = new Map<Prefix, number>()
    const missingLinks: string[] = []
    for (const { addresses, hostInterfaceName } of pods) {
      const link = this.#needs.view.find(hostInterfaceName)
      for (const address of addresses) {
        if (link === undefined) missingLinks.push(`${hostInterfaceName} of ${address} is missing`)
        else wanted.set(hostPrefix(address), link.index)
      }
    }
    this.#missingLinks = missingLinks
    this.#podLinks = new Set(wanted.values())
    this.#plan.setPods(wanted)
  }

  observe(event: KernelEvent): boolean {
    switch (event.kind) {
      case 'route':
        this.#table.observe(event.change, event.route)
        if (!this.#decidesWays(event.route)) return !this.#table.inSync
        this.#mustResolve = true
        return true
      case 'link':
        this.#observeLink(event.change, event.link)
        return true
      case 'address':
        if (this.#needs.view.leadsNowhere(event.address.linkIndex)) return false
        // With an address go the routes by its network, of which nothing is told.
        if (event.change === 'removed') this.#mustReadTable = true
        this.#mustResolve = true
        return true
      case 'rule':
        // Which tables are asked decides how other nodes are reached.
        this.#mustResolve = true
        return true
      case 'forwarding':
      case 'neighbor':
      case 'overrun':
      case 'packetFilter':
      case 'settings':
      case 'trafficControl':
        return false
    }
  }

  #observeLink(change: 'set' | 'removed', link: Link): void {
    // Routes of a link that goes away vanish without a word.
    const isUp = change === 'set' && link.up
    const isGone = !isUp && this.#linksUp.delete(link.index)
    if (isUp) this.#linksUp.add(link.index)
    if (this.#unheardLinks.delete(link.index)) this.#mustReadTable = true
    // One that has another name now was a pod's.
    if (isPodLink(link) || this.#podLinks.has(link.index)) {
      if (isGone) this.#table.forgetLink(link.index)
      this.#mustReadPods = true
    } else {
      if (isGone) this.#mustReadTable = true
      this.#mustResolve = true
    }
  }

  forget(): void {
    this.#mustReadTable = true
    this.#mustReadPods = true
    this.#mustResolve = true
  }

  problems(): readonly string[] {
    const ways = [...this.#plan.unreachable(SENTENCES_MAX), ...this.#refused()]
    const more = this.#plan.unreachableCount - SENTENCES_MAX
    if (more > 0) ways.push(`no route to ${more} more destinations`)
    for (const destination of this.#table.foreignDestinations()) {
      if (!this.#plan.isOwn(destination)) continue
      ways.push(`the host has a route of its own to ${destination}, which is used instead`)
    }
    return [...this.#missingLinks, ...ways].sort()
  }

  /** What BGP learned and is not used, with the reason; the first of each kind, one sentence each. Only reads. */
  passedOver(): readonly string[] {
    const found = [...this.#plan.passedOver(SENTENCES_MAX)]
    const more = this.#plan.passedOverCount - SENTENCES_MAX
    if (more > 0) found.push(`${more} more prefixes`)
    for (const destination of this.#table.foreignDestinations()) {
      if (found.length > 2 * SENTENCES_MAX) break
      if (!this.#plan.isLearned(destination)) continue
      found.push(`${destination}: the host has a route of its own, which is used`)
    }
    return found
  }

  #refused(): string[] {
    const { missing, missingCount } = this.#table
    // What no pass has come to yet has not been refused.
    const waiting = missingCount + this.#plan.unsettledCount
    if (this.#isBehind && waiting > 0) return [`${waiting} routes are still to be written`]
    const refused: string[] = []
    for (const { destination } of missing) {
      if (refused.length === SENTENCES_MAX) {
        return [...refused, `the kernel refuses ${missingCount - SENTENCES_MAX} more routes`]
      }
      refused.push(`the kernel refuses the route to ${destination}`)
    }
    return refused
  }

  #isOurs(route: Route): boolean {
    return isOurRoute(route, (index) => {
      const link = this.#needs.view.at(index)
      if (link === undefined) this.#unheardLinks.add(index)
      return link?.name
    })
  }

  /** A route to a block of another node in a pool with VXLAN, perhaps Calico's. */
  #isRemote({ protocol, nextHops: [hop] }: Route): boolean {
    if (hop?.gateway === undefined) return false
    const link = this.#needs.view.at(hop.linkIndex)
    return protocol === ROUTE_PROTOCOL.felix || link?.name === VXLAN_LINK
  }

  /** Whether other nodes may be reached by a route: none of ours, nor one by a pod's link. */
  #decidesWays(route: Route): boolean {
    if (route.table === ROUTE_TABLE.local || this.#isOurs(route) || isPodRoute(route)) return false
    return !route.nextHops.some(({ linkIndex }) => this.#needs.view.leadsNowhere(linkIndex))
  }

  #tellPass(): void {
    const { log } = this.#needs
    if (!log.topics.routes) return
    log.tell('routes', 'Reconciling routes', {
      readsTable: this.#mustReadTable,
      readsPods: this.#mustReadPods,
      resolvesNextHops: this.#mustResolve,
    })
  }
}

/** As CNI writes it, on a link whose name may not be known yet: it does not lead to other nodes. */
function isPodRoute({ protocol, scope, destination }: Route): boolean {
  return protocol === ROUTE_PROTOCOL.boot && scope === 'link' && isHostPrefix(destination)
}

/** A route to another node's block, as BGP gives it. */
export function isLearnedRoute(route: Route): boolean {
  return route.protocol === ROUTE_PROTOCOL.bird && route.nextHops.length > 0
}

/** Answers each question once: next hops are few, and have many routes. */
function cached<Answer>(ask: (address: IpAddress) => Answer): (address: IpAddress) => Answer {
  const known = new Map<IpAddress, Answer>()
  return (address) => {
    if (!known.has(address)) known.set(address, ask(address))
    return known.get(address)!
  }
}

/** How the kernel reaches a next hop. */
function lookUp(kernel: Kernel, destination: IpAddress): ReturnType<Surroundings['resolve']> {
  try {
    const { type, linkIndex, gateway } = kernel.lookupRoute({ destination })
    return type === 'unicast' ? { linkIndex, gateway } : undefined
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    return undefined
  }
}
