import type { Clock, Timer } from '../../lib/clock.ts'
import { every } from '../../lib/clock.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Closable } from '../../lib/closable.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import {
  isKernelError,
  type Kernel,
  type KernelEvent,
  type Link,
  type Machine,
  type Route,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
} from '../../kernel/kernel.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { hostPrefix, isHostPrefix, type Prefix } from '../../net/prefix.ts'
import type { PoolEncapsulation, RemoteNode, Surroundings } from '../../routes/encapsulation.ts'
import { setHostEndSysctls } from '../../routes/host-end.ts'
import { isOurRoute, POD_LINK_PREFIX, VXLAN_LINK } from '../../routes/ownership.ts'
import { RoutePlan } from '../../routes/route-plan.ts'
import { RouteTable } from '../../routes/route-table.ts'
import { KnownLinks } from './known-links.ts'
import { TUNNEL_LINK } from '../tunnel/tunnel-device.ts'
import { HostSysctls, type SavedSysctls } from './host-sysctls.ts'
import { linksWith } from '../cluster/node-addresses.ts'
import { NO_REVERSE_PATHS, reversePaths } from './reverse-paths.ts'
import { keepPodLink, type PodEnd, type PodLinkSettings } from './pod-links.ts'
import type { TunnelStatus } from '../../api/agent-status.ts'
import { NodeTunnel, type NodeTunnelSettings } from '../tunnel/node-tunnel.ts'
import type { TunnelKind, TunnelPrograms } from '../tunnel/tunnel-device.ts'
import { ensureVxlanDevice, removeVxlanDevice } from '../tunnel/vxlan-device.ts'
import { VxlanPeers } from '../tunnel/vxlan-peers.ts'
import type { TunnelEnd, VxlanDevice } from '../tunnel/vxlan-settings.ts'

/** What the dataplane of a node should serve beside pods; routes, tunnels and settings follow from it. */
export interface DataplaneSettings extends NodeTunnelSettings {
  readonly blocks: readonly Prefix[]
  readonly pools: readonly PoolEncapsulation[]
  readonly serviceRanges: readonly Prefix[]
  readonly nodeNetworks: readonly Prefix[]
  readonly podLinks: PodLinkSettings
  readonly vxlan: VxlanDevice | undefined
  /** Other nodes' ends of it; the same list as long as none is another one. */
  readonly tunnelEnds: readonly TunnelEnd[]
}

export interface DataplaneNeeds {
  readonly kernel: Kernel
  /** Where pods' namespaces are opened. */
  readonly machine: Pick<Machine, 'openNamespace'>
  readonly tunnelKind: TunnelKind
  /** For kernels without the ipip module. */
  readonly tunnelPrograms: TunnelPrograms | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly savedSysctls: SavedSysctls
  settings(): DataplaneSettings
  pods(): readonly (PodEnd & {
    readonly addresses: readonly IpAddress[]
    readonly hostInterfaceName: string
  })[]
  /** What BGP learned, as it is at any time. */
  readonly learned: ReadonlyMap<Prefix, readonly IpAddress[]>
  /** Other nodes' blocks in pools with VXLAN, as they are at any time. */
  readonly remote: ReadonlyMap<Prefix, RemoteNode>
  /** Routes to other nodes' blocks that nobody announces (yet) are kept while this answers true. */
  keepsLearnedRoutes(): boolean
  /** The same of routes in pools with VXLAN. */
  keepsRemoteRoutes(): boolean
  /** {@link Dataplane.strictLinks} changed. */
  onStrictLinks?(): void
  /** vxlan.calico is there now. */
  onVxlanLink?(): void
}

/** Everything is read anew this often, in case a notification was missed or the kernel kept silent. */
const RESYNC_MILLISECONDS = 90_000
const IP_FORWARD = ['ipv4.ip_forward', '1'] as const
/** Between two looks at settings of pods' host ends: of some of them the kernel tells nobody. */
const HOST_ENDS_MILLISECONDS = 8_000
/** After a refusal of the kernel. */
const RETRY = { firstMilliseconds: 1_000, mostMilliseconds: 30_000 } as const
/** Routes worked out, and routes written, in one pass: requests are served between two. */
export const ROUTES_PER_PASS = 2048
/** Sentences of one kind in a status; more are counted. */
const SENTENCES_MAX = 50
/** Between two passes, however much changes: routes and pods come in crowds. */
const PASS_MILLISECONDS = 10

/**
 * Keeps one node's kernel as the cluster wants it; driven by changes of either. A change is worked into
 * the routes that it concerns; everything is looked at anew when the settings or the node's own links
 * and addresses change, and from time to time.
 */
export class Dataplane {
  readonly #needs: DataplaneNeeds
  readonly #table: RouteTable
  readonly #plan: RoutePlan
  readonly #links = new KnownLinks()
  readonly #vxlanPeers: VxlanPeers
  #vxlanLink: Link | undefined
  /** What the kernel would not have of it. */
  #refusedOfVxlan: readonly string[] = []
  /** vxlan.calico is to go once no route leads there. */
  #isVxlanOver = false
  #watch: Closable | undefined
  #resyncTimer: Timer | undefined
  #hostEndTimer: Timer | undefined
  #pending: { readonly timer: Timer; readonly due: number } | undefined
  #passedAt = -Infinity
  /** What the next pass has to look at, beside the routes that were touched. */
  #mustReadTable = true
  #mustReadPods = true
  #mustReadSettings = true
  #mustReadHostEnds = true
  /** Host ends of pods whose settings may have changed, by name. */
  readonly #unsureHostEnds = new Set<string>()
  #podLinks: PodLinkSettings | undefined
  /** What all routes follow from, as text; undefined when the ways to other nodes may be others. */
  #surroundings: string | undefined
  /** As of the last time that they might be others. */
  #ownAddresses: readonly Prefix[] = []
  readonly #tunnel: NodeTunnel
  /** Pods without their link, one sentence each. */
  #missingLinks: readonly string[] = []
  readonly #sysctls: HostSysctls
  #reversePaths = NO_REVERSE_PATHS
  /** What the kernel said of a setting that it did not take. */
  #refusedSysctl: string | undefined
  /** The last pass left routes to the next one. */
  #isBehind = false
  /** What the kernel said when it cut the last pass short. */
  #failure: string | undefined
  readonly #backoff: Backoff

  constructor(needs: DataplaneNeeds) {
    this.#needs = needs
    this.#backoff = new Backoff({ ...RETRY, random: needs.random })
    this.#table = new RouteTable({
      kernel: needs.kernel,
      isOurs: (route) => this.#isOurs(route),
      log: needs.log,
    })
    this.#plan = new RoutePlan(this.#table, needs.learned, needs.remote)
    this.#vxlanPeers = new VxlanPeers(needs.kernel)
    this.#sysctls = new HostSysctls(needs.kernel, needs.savedSysctls)
    this.#tunnel = new NodeTunnel({
      kernel: needs.kernel,
      kind: needs.tunnelKind,
      programs: needs.tunnelPrograms,
      clock: needs.clock,
      random: needs.random,
      log: needs.log,
      onChange: () => this.settingsChanged(),
    })
  }

  /** Begins to follow the kernel and to keep it; the first pass is done when this returns. */
  start(): void {
    const { clock, kernel } = this.#needs
    this.#watch = kernel.watch((event) => this.#notice(event))
    this.#resyncTimer = every(clock, RESYNC_MILLISECONDS, () => {
      this.#forgetAll()
      this.schedule()
    })
    this.#hostEndTimer = every(clock, HOST_ENDS_MILLISECONDS, () => {
      this.#mustReadHostEnds = true
      this.schedule()
    })
    this.#pass()
  }

  /** Leaves the kernel as it is. */
  stop(): void {
    this.#watch?.close()
    this.#hostEndTimer?.cancel()
    this.#resyncTimer?.cancel()
    this.#pending?.timer.cancel()
    this.#tunnel.close()
  }

  /** {@link DataplaneNeeds.settings} answers differently. */
  settingsChanged(): void {
    this.#mustReadSettings = true
    this.schedule()
  }

  /** {@link DataplaneNeeds.pods} answers differently. */
  podsChanged(): void {
    this.#mustReadPods = true
    this.schedule()
  }

  /** {@link DataplaneNeeds.learned} or {@link DataplaneNeeds.remote} has another way to these. */
  waysChanged(prefixes: readonly Prefix[]): void {
    for (const prefix of prefixes) this.#plan.touch(prefix)
    if (prefixes.length > 0) this.schedule()
  }

  /** Asks for a pass soon; any number of askers share one. */
  schedule(milliseconds = 0): void {
    if (this.#watch === undefined) return
    const { clock } = this.#needs
    const due = Math.max(clock.now() + milliseconds, this.#passedAt + PASS_MILLISECONDS)
    // Who waits to try again something that was refused does not keep others waiting.
    if (this.#pending !== undefined && this.#pending.due <= due) return
    this.#pending?.timer.cancel()
    const timer = clock.after(due - clock.now(), () => {
      this.#pending = undefined
      this.#pass()
    })
    this.#pending = { timer, due }
  }

  /** Does the pass that is due now rather than in a moment. */
  settle(): void {
    if (this.#pending === undefined) return
    this.#pending.timer.cancel()
    this.#pending = undefined
    this.#pass()
  }

  /** What the node should have and had not when the last pass ended, one sentence each. */
  problems(): readonly string[] {
    if (this.#watch === undefined) return ['nothing has been installed yet']
    const failure = [this.#failure, this.#refusedSysctl, this.#tunnel.hindrance].filter(
      (text) => text !== undefined,
    )
    const routes = [...this.#plan.unreachable(SENTENCES_MAX), ...this.#refused()]
    const more = this.#plan.unreachableCount - SENTENCES_MAX
    if (more > 0) routes.push(`no way to ${more} more destinations`)
    for (const destination of this.#table.foreignDestinations()) {
      if (!this.#plan.isOwn(destination)) continue
      routes.push(`the host has a route of its own to ${destination}, which is used instead`)
    }
    return [...failure, ...this.#refusedOfVxlan, ...[...this.#missingLinks, ...routes].sort()]
  }

  /** What BGP learned and is not used, with the reason; the first of each kind, one sentence each. */
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
        return [...refused, `the kernel does not take ${missingCount - SENTENCES_MAX} more routes`]
      }
      refused.push(`the kernel does not take the route to ${destination}`)
    }
    return refused
  }

  /** Links whose reverse paths the packet filter is to check for all sources but pods ({@link reversePaths}). */
  get strictLinks(): readonly string[] {
    return this.#reversePaths.strictLinks
  }

  /** Whether this node takes packets in VXLAN. */
  get hasVxlanLink(): boolean {
    return this.#vxlanLink !== undefined
  }

  /** What tunl0 is made of, and what its programs dropped; undefined where nothing is tunnelled. */
  tunnelStatus(): TunnelStatus | undefined {
    const vxlan = this.#vxlanLink
    return (
      this.#tunnel.status() ??
      (vxlan && {
        link: vxlan.name,
        kind: 'vxlan',
        reason: 'a pool has packets go in VXLAN (vxlanMode)',
        mtu: vxlan.mtu,
      })
    )
  }

  /** Whether the kernel has routes to other nodes' blocks now, as an agent before this one left them. */
  hasLearnedRoutes(): boolean {
    return this.#needs.kernel
      .routes({ protocol: ROUTE_PROTOCOL.bird })
      .some((route) => isLearned(route))
  }

  #isOurs(route: Route): boolean {
    return isOurRoute(route, (index) => this.#links.at(index)?.name)
  }

  #notice(event: KernelEvent): void {
    switch (event.kind) {
      case 'route':
        this.#table.observe(event.change, event.route)
        if (this.#decidesWays(event.route)) this.#forgetWays()
        else if (!this.#table.inSync) this.schedule()
        return
      case 'link':
        this.#noticeLink(event.change, event.link)
        return
      case 'address':
        if (this.#leadsNowhere(event.address.linkIndex)) return
        // With an address go the routes by its network, of which nothing is told.
        if (event.change === 'removed') this.#mustReadTable = true
        this.#forgetWays()
        return
      case 'settings':
        this.#noticeSettings(event.linkIndex)
        return
      case 'trafficControl':
        // Programs of the tunnel hang there.
        if (!this.#leadsNowhere(event.linkIndex)) this.#forgetWays()
        return
      case 'overrun':
        this.#forgetAll()
        this.schedule()
        return
      case 'neighbor':
      case 'forwarding':
        if (this.#vxlanPeers.observe(event)) this.schedule()
        return
      case 'packetFilter':
      case 'rule':
    }
  }

  #noticeLink(change: 'set' | 'removed', link: Link): void {
    // Routes of a link that goes away vanish without a word.
    const isGone = change === 'removed' || (!link.up && this.#links.at(link.index)?.up === true)
    if (change === 'removed') this.#links.remove(link.index)
    else this.#links.set(link)
    if (isPodLink(link)) {
      if (isGone) this.#table.forgetLink(link.index)
      this.podsChanged()
    } else {
      if (isGone) this.#mustReadTable = true
      this.#forgetWays()
    }
  }

  /** Forwarding of the node and the filter of reverse paths are looked at in every pass. */
  #noticeSettings(linkIndex: number | undefined): void {
    const link = linkIndex === undefined ? undefined : this.#links.at(linkIndex)
    if (link !== undefined && isPodLink(link)) this.#unsureHostEnds.add(link.name)
    else if (linkIndex === undefined) this.#mustReadHostEnds = true
    this.schedule()
  }

  /** Whether a link is a pod's, or one that is gone: that was seen to when it went. */
  #leadsNowhere(index: number): boolean {
    const link = this.#links.at(index)
    return link === undefined || isPodLink(link)
  }

  /** Whether the way to other nodes may follow from a route: none of ours, nor one by a pod's link. */
  #decidesWays(route: Route): boolean {
    if (route.table === ROUTE_TABLE.local || this.#isOurs(route) || isPodRoute(route)) return false
    return !route.nextHops.some(({ linkIndex }) => this.#leadsNowhere(linkIndex))
  }

  /** The kernel may reach other nodes by other ways now. */
  #forgetWays(): void {
    this.#surroundings = undefined
    this.settingsChanged()
  }

  /** Nothing that was told or read before is believed any more. */
  #forgetAll(): void {
    this.#mustReadTable = true
    this.#mustReadPods = true
    this.#mustReadSettings = true
    this.#surroundings = undefined
  }

  #pass(): void {
    const { clock, kernel, log, keepsLearnedRoutes, keepsRemoteRoutes } = this.#needs
    this.#passedAt = clock.now()
    if (log.topics.routes) this.#tellPass()
    try {
      if (this.#mustReadTable) {
        this.#links.read(kernel.links())
        this.#vxlanPeers.forget()
      }
      // What routes the host has itself decides about ours.
      if (this.#mustReadTable) this.#table.resync()
      if (this.#mustReadSettings) this.#readSettings()
      if (this.#mustReadPods) this.#readPods()
      this.#keepSysctls()
      this.#keepHostEnds()
      const isSettled = this.#plan.settle(ROUTES_PER_PASS)
      this.#mustReadTable = false
      const [keepsLearned, keepsRemote] = [keepsLearnedRoutes(), keepsRemoteRoutes()]
      this.#vxlanPeers.write()
      const applied = this.#table.apply(
        (route) =>
          ((keepsLearned || keepsRemote) && isLearned(route)) ||
          (keepsRemote && this.#isRemote(route)) ||
          this.#plan.awaitsTunnelEnd(route.destination),
        ROUTES_PER_PASS,
      )
      this.#isBehind = !isSettled || !applied.isWhole
      if (this.#isBehind) this.schedule()
      else this.#finish()
      const { isWhole: _, ...counts } = applied
      if (applied.written + applied.removed > 0) log.info('Routes changed', counts)
      // What is in the way is told of in a moment; if it is not, everything has to be read anew.
      if (this.#table.mustResync) this.#mustReadTable = true
      else if (applied.contested > 0) this.schedule()
      if (applied.failed > 0 || this.#mustReadTable) this.schedule(this.#backoff.next())
      else if (this.#refusedSysctl === undefined) this.#backoff.reset()
      this.#failure = undefined
    } catch (thrown) {
      const error = messageOf(thrown)
      if (error !== this.#failure) {
        log.warn('Unable to bring the node up to date; it is tried again', { error })
      }
      this.#failure = error
      this.#forgetAll()
      this.schedule(this.#backoff.next())
    }
  }

  /** What has to wait until no route leads there. */
  #finish(): void {
    this.#vxlanPeers.sweep()
    if (this.#isVxlanOver) removeVxlanDevice(this.#needs.kernel)
    this.#isVxlanOver = false
  }

  #tellPass(): void {
    this.#needs.log.tell('routes', 'The kernel is looked at', {
      readsTable: this.#mustReadTable,
      readsPods: this.#mustReadPods,
      readsSettings: this.#mustReadSettings,
    })
  }

  #readSettings(): void {
    const { kernel, settings } = this.#needs
    const { blocks, pools, serviceRanges, nodeNetworks, podLinks, ...rest } = settings()
    if (JSON.stringify(podLinks) !== JSON.stringify(this.#podLinks)) this.#mustReadPods = true
    this.#podLinks = podLinks
    const isAnew = this.#surroundings === undefined
    const tunnelLinkIndex = this.#tunnel.keep(rest, isAnew)
    const loopbackLinkIndex = this.#links.named('lo')?.index ?? 1
    this.#plan.setBlocks(new Set(blocks))
    const { pathMtus } = this.#tunnel
    if (isAnew) this.#ownAddresses = kernel.addresses().map(({ address }) => hostPrefix(address))
    const own = {
      pools,
      serviceRanges,
      nodeNetworks,
      tunnelLinkIndex,
      pathMtus,
      ownAddresses: this.#ownAddresses,
    }
    const ways = { ...own, ...this.#keepVxlan(rest) }
    const text = JSON.stringify({ ...ways, loopbackLinkIndex })
    if (text !== this.#surroundings) {
      const hostRouteLength = cached((address: IpAddress) => this.#table.foreignLength(address))
      const resolve = cached((address: IpAddress) => lookUp(kernel, address))
      this.#plan.setSurroundings({ ...ways, hostRouteLength, resolve }, loopbackLinkIndex)
    }
    this.#surroundings = text
    this.#readReversePaths(rest)
    this.#mustReadSettings = false
  }

  /** A node that takes no tunnelled packets takes none by another link than it answers by. */
  #readReversePaths({
    ownAddress,
    tunnel,
    vxlan,
  }: Pick<DataplaneSettings, 'ownAddress' | 'tunnel' | 'vxlan'>): void {
    const before = this.#reversePaths
    const tunnels = [
      ...(tunnel === undefined ? [] : [TUNNEL_LINK]),
      ...(vxlan === undefined ? [] : [VXLAN_LINK]),
    ]
    this.#reversePaths =
      tunnels.length === 0
        ? NO_REVERSE_PATHS
        : reversePaths(this.#needs.kernel, this.#sysctls, ownAddress, tunnels)
    const { strictLinks } = this.#reversePaths
    if (before?.strictLinks.join() !== strictLinks.join()) this.#needs.onStrictLinks?.()
  }

  /** What the kernel refuses here keeps nothing else from being done. */
  #keepSysctls(): void {
    try {
      this.#sysctls.reconcile(new Map([IP_FORWARD, ...this.#reversePaths.sysctls]))
      this.#refusedSysctl = undefined
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      if (thrown.message !== this.#refusedSysctl) {
        this.#needs.log.warn('A setting of the host stays as it was; it is tried again', {
          error: thrown.message,
        })
      }
      this.#refusedSysctl = thrown.message
      this.schedule(this.#backoff.next())
    }
  }

  /** Nothing is asked of the kernel on a node where there is no VXLAN and was none. */
  #keepVxlan({
    vxlan,
    tunnelEnds,
    ownAddress,
  }: Pick<DataplaneSettings, 'vxlan' | 'tunnelEnds' | 'ownAddress'>): {
    readonly vxlanLinkIndex: number | undefined
    readonly uplinkIndex: number | undefined
  } {
    const before = this.#vxlanLink
    this.#vxlanLink = undefined
    this.#refusedOfVxlan = []
    this.#isVxlanOver = false
    if (vxlan === undefined && this.#links.named(VXLAN_LINK) === undefined) {
      this.#vxlanPeers.setDesired(undefined, tunnelEnds)
      return { vxlanLinkIndex: undefined, uplinkIndex: undefined }
    }
    const { kernel, log } = this.#needs
    const [uplinkIndex] = linksWith(kernel, ownAddress)
    const isWanted = vxlan !== undefined && uplinkIndex !== undefined
    const { link, refused } = isWanted
      ? ensureVxlanDevice(kernel, vxlan, uplinkIndex, log)
      : { link: undefined, refused: [] }
    this.#refusedOfVxlan = refused
    if (link !== undefined && before === undefined) this.#needs.onVxlanLink?.()
    this.#vxlanLink = link
    this.#isVxlanOver = !isWanted
    this.#vxlanPeers.setDesired(link?.index, tunnelEnds)
    return { vxlanLinkIndex: link?.index, uplinkIndex }
  }

  /** A route to a block of another node in a pool with VXLAN, perhaps Calico's. */
  #isRemote({ protocol, nextHops: [hop] }: Route): boolean {
    if (hop?.gateway === undefined) return false
    return protocol === ROUTE_PROTOCOL.felix || this.#links.at(hop.linkIndex)?.name === VXLAN_LINK
  }

  #readPods(): void {
    const { kernel, pods } = this.#needs
    const wanted = new Map<Prefix, number>()
    const missingLinks: string[] = []
    for (const pod of pods()) {
      const { addresses, hostInterfaceName } = pod
      // A new one may not have been told of yet.
      const link = this.#links.named(hostInterfaceName) ?? kernel.link(hostInterfaceName)
      if (link !== undefined) this.#keepLink(link, pod)
      for (const address of addresses) {
        if (link === undefined) missingLinks.push(`${hostInterfaceName} of ${address} is missing`)
        else wanted.set(hostPrefix(address), link.index)
      }
    }
    this.#missingLinks = missingLinks
    this.#plan.setPods(wanted)
    this.#mustReadPods = false
  }

  /** Without them a pod is answered no ARP, or its packets go no further. */
  #keepHostEnds(): void {
    const { kernel, log, pods } = this.#needs
    const names = this.#mustReadHostEnds
      ? pods().map(({ hostInterfaceName }) => hostInterfaceName)
      : [...this.#unsureHostEnds]
    this.#mustReadHostEnds = false
    this.#unsureHostEnds.clear()
    for (const name of names) {
      if (this.#links.named(name) === undefined) continue
      try {
        const wrong = setHostEndSysctls(kernel, name)
        for (const { path, found, wanted } of wrong) {
          log.warn('Somebody changed a setting of a pod’s link; it is set again', {
            sysctl: `net.${path}`,
            found,
            wanted,
          })
        }
      } catch (thrown) {
        // One that goes away meanwhile is seen to when the kernel tells of it.
        if (!isKernelError(thrown, 'ENOENT')) throw thrown
      }
    }
  }

  #keepLink(link: Link, pod: PodEnd): void {
    if (this.#podLinks === undefined) return
    const kept = keepPodLink(this.#needs, link, pod, this.#podLinks)
    // Of some of it the kernel tells nobody.
    if (kept !== link) this.#links.set(kept)
  }
}

function isPodLink({ name }: Link): boolean {
  return name.startsWith(POD_LINK_PREFIX)
}

/** As CNI writes it, on a link whose name may not have been heard of yet: no way to other nodes. */
function isPodRoute({ protocol, scope, destination }: Route): boolean {
  return protocol === ROUTE_PROTOCOL.boot && scope === 'link' && isHostPrefix(destination)
}

/** A route to another node's block. */
function isLearned(route: Route): boolean {
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

/** The kernel's way to a next hop. */
function lookUp(kernel: Kernel, destination: IpAddress): ReturnType<Surroundings['resolve']> {
  try {
    const { type, linkIndex, gateway } = kernel.lookupRoute({ destination })
    return type === 'unicast' ? { linkIndex, gateway } : undefined
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    return undefined
  }
}
