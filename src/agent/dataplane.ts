import type { Clock, Timer } from '../lib/clock.ts'
import { every } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import {
  isKernelError,
  type Kernel,
  type KernelEvent,
  type Route,
  ROUTE_PROTOCOL,
} from '../kernel/kernel.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import { desiredRoutes, type PoolEncapsulation } from '../routes/desired-routes.ts'
import { isOurRoute } from '../routes/ownership.ts'
import { RouteTable } from '../routes/route-table.ts'
import {
  ensureTunnelDevice,
  type EquipTunnel,
  TUNNEL_LINK,
  type TunnelDevice,
} from './tunnel-device.ts'

/** What the dataplane of a node should serve; routes, tunl0 and settings follow from it. */
export interface DataplaneInputs {
  readonly blocks: readonly Prefix[]
  readonly pods: readonly { readonly address: IpAddress; readonly hostInterfaceName: string }[]
  readonly learned: readonly { readonly prefix: Prefix; readonly nextHops: readonly IpAddress[] }[]
  readonly pools: readonly PoolEncapsulation[]
  readonly nodeNetworks: readonly Prefix[]
  readonly tunnel: TunnelDevice | undefined
  /** Addresses of nodes: this one's, and all. */
  readonly ownAddress: IpAddress | undefined
  readonly nodeAddresses: readonly IpAddress[]
}

export interface DataplaneNeeds {
  readonly kernel: Kernel
  /** For kernels without the ipip module; without it their tunl0 carries nothing. */
  readonly equipTunnel?: EquipTunnel
  readonly clock: Clock
  readonly log: Log
  inputs(): DataplaneInputs
  /** Routes to other nodes' blocks that nobody announces (yet) are kept while this answers true. */
  keepsLearnedRoutes(): boolean
}

/** Everything is read anew this often, in case a notification was missed or the kernel kept silent. */
const RESYNC_MILLISECONDS = 90_000
/** After a refusal of the kernel. */
const RETRY_MILLISECONDS = 1_000
/** Between two passes, however much changes: routes and pods come in crowds. */
const PASS_MILLISECONDS = 10

/** Keeps one node's kernel as the cluster wants it; driven by changes of either. */
export class Dataplane {
  readonly #needs: DataplaneNeeds
  readonly #table: RouteTable
  readonly #linkNames = new Map<number, string>()
  #watch: Closable | undefined
  #resyncTimer: Timer | undefined
  #pending: Timer | undefined
  #mustReadTable = true
  #passedAt = -Infinity
  /** Why routes that pods and neighbors call for are not even desired. */
  #hindrances: readonly string[] = []
  /** What the kernel said when it cut the last pass short. */
  #failure: string | undefined

  constructor(needs: DataplaneNeeds) {
    this.#needs = needs
    this.#table = new RouteTable({
      kernel: needs.kernel,
      isOurs: (route) => isOurRoute(route, (index) => this.#linkNames.get(index)),
      log: needs.log,
    })
  }

  /** Begins to follow the kernel and to keep it; the first pass is done when this returns. */
  start(): void {
    const { clock, kernel } = this.#needs
    this.#watch = kernel.watch((event) => this.#notice(event))
    this.#resyncTimer = every(clock, RESYNC_MILLISECONDS, () => {
      this.#mustReadTable = true
      this.schedule()
    })
    this.#pass()
  }

  /** Leaves the kernel as it is. */
  stop(): void {
    this.#watch?.close()
    this.#resyncTimer?.cancel()
    this.#pending?.cancel()
  }

  /** Asks for a pass soon; any number of askers share one. */
  schedule(milliseconds = 0): void {
    if (this.#watch === undefined) return
    const { clock } = this.#needs
    const wait = Math.max(milliseconds, this.#passedAt + PASS_MILLISECONDS - clock.now())
    this.#pending ??= clock.after(wait, () => {
      this.#pending = undefined
      this.#pass()
    })
  }

  /**
   * What the node should have and has not, one sentence each. A pass that is due is done first, so that
   * the answer is about what is, not about what is being mended.
   */
  lacking(): readonly string[] {
    if (this.#watch === undefined) return ['nothing has been installed yet']
    if (this.#pending !== undefined) {
      this.#pending.cancel()
      this.#pending = undefined
      this.#pass()
    }
    const refused = this.#table.missing.map(
      ({ destination }) => `the kernel does not take the route to ${destination}`,
    )
    const failure = this.#failure === undefined ? [] : [this.#failure]
    return [...failure, ...[...this.#hindrances, ...refused].sort()]
  }

  /** Whether the kernel has routes to other nodes' blocks now, as an agent before this one left them. */
  hasLearnedRoutes(): boolean {
    return this.#needs.kernel
      .routes({ protocol: ROUTE_PROTOCOL.bird })
      .some((route) => isLearned(route))
  }

  #notice(event: KernelEvent): void {
    switch (event.kind) {
      case 'route':
        this.#table.observe(event.change, event.route)
        if (!this.#table.inSync) this.schedule()
        return
      case 'link':
        // Routes of a link that goes away vanish without a word.
        if (event.change === 'removed' || !event.link.up) this.#mustReadTable = true
        this.schedule()
        return
      case 'address':
        this.schedule()
        return
      case 'overrun':
        this.#mustReadTable = true
        this.schedule()
        return
      case 'rule':
      case 'neighbor':
      case 'forwarding':
    }
  }

  #pass(): void {
    const { clock, kernel, log, inputs: currentInputs, keepsLearnedRoutes } = this.#needs
    this.#passedAt = clock.now()
    try {
      const inputs = currentInputs()
      if (kernel.readSysctl('ipv4.ip_forward') !== '1') kernel.writeSysctl('ipv4.ip_forward', '1')
      this.#keepTunnel(inputs)
      this.#setDesired(inputs)
      if (this.#mustReadTable) this.#table.resync()
      this.#mustReadTable = false
      const keep = keepsLearnedRoutes()
      const applied = this.#table.apply((route) => keep && isLearned(route))
      if (applied.written + applied.removed > 0) log.info('Routes changed', { ...applied })
      if (applied.failed > 0) this.schedule(RETRY_MILLISECONDS)
      this.#failure = undefined
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      this.#failure = thrown.message
      log.warn('Unable to bring the node up to date; it is tried again', { error: thrown.message })
      this.#mustReadTable = true
      this.schedule(RETRY_MILLISECONDS)
    }
  }

  #keepTunnel({ tunnel, ownAddress, nodeAddresses }: DataplaneInputs): void {
    const { kernel, log, equipTunnel } = this.#needs
    const link = ensureTunnelDevice(kernel, tunnel, log)
    if (tunnel === undefined || link?.kind !== 'tun' || ownAddress === undefined) return
    const underlays = kernel
      .addresses()
      .filter(({ address }) => address === ownAddress)
      .map(({ linkIndex }) => linkIndex)
    equipTunnel?.(link, { localAddress: ownAddress, underlays, nodes: nodeAddresses })
  }

  #setDesired(inputs: DataplaneInputs): void {
    const { kernel } = this.#needs
    const links = kernel.links()
    const indexOf = new Map(links.map((link) => [link.name, link.index]))
    this.#linkNames.clear()
    for (const link of links) this.#linkNames.set(link.index, link.name)
    const hindrances: string[] = []
    const pods = inputs.pods.flatMap(({ address, hostInterfaceName }) => {
      const linkIndex = indexOf.get(hostInterfaceName)
      if (linkIndex !== undefined) return [{ address, linkIndex }]
      hindrances.push(`${hostInterfaceName} of ${address} is missing`)
      return []
    })
    const routes = desiredRoutes({
      ...inputs,
      pods,
      tunnelLinkIndex: indexOf.get(TUNNEL_LINK),
      loopbackLinkIndex: indexOf.get('lo') ?? 1,
      resolve: resolver(kernel),
    })
    for (const { prefix, nextHops } of inputs.learned) {
      if (!routes.has(prefix)) hindrances.push(`no way to ${prefix} via ${nextHops.join(', ')}`)
    }
    this.#hindrances = hindrances
    this.#table.setDesired(routes)
  }
}

/** A route to another node's block. */
function isLearned(route: Route): boolean {
  return route.protocol === ROUTE_PROTOCOL.bird && route.nextHops.length > 0
}

/** Asks the kernel for the way to a next hop, once each. */
function resolver(kernel: Kernel) {
  type Way = { linkIndex: number; gateway: IpAddress | undefined } | undefined
  const known = new Map<IpAddress, Way>()
  return (address: IpAddress): Way => {
    if (known.has(address)) return known.get(address)
    let way: Way
    try {
      const { type, linkIndex, gateway } = kernel.lookupRoute({ destination: address })
      way = type === 'unicast' ? { linkIndex, gateway } : undefined
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
    }
    known.set(address, way)
    return way
  }
}
