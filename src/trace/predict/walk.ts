import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Link, RouteQuery } from '../../kernel/kernel.ts'
import { IP_PROTOCOL } from '../../wire/packet/protocols.ts'
import type { LookupAnswer, Netns } from '../../api/node-access.ts'
import { isKnown, isTunnel, isWired, uplinkOf } from '../tables/link-facts.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import { lookUpRoute } from '../tables/route-lookup.ts'
import type { FarEnd, TracedCluster } from '../tables/topology.ts'
import { chooseExit, type Exit, sourceToward } from './choose-exit.ts'
import { outerOctets } from './encapsulation.ts'
import {
  type Lookup,
  lookupKey,
  type Outcome,
  type OuterHeader,
  type PredictedHop,
  type Prediction,
  type WalkRequest,
  type Way,
} from './prediction.ts'
import type { FindFault, WalkStep, StepName, Steps } from './steps.ts'
import { Ended, unknown } from './walk-end.ts'

/** Hops after which a walk is given up; a packet has 255 at most. */
const HOPS_MAX = 64
/** What a namespace gives its packets where its setting was not read. */
const DEFAULT_TTL = 64

/**
 * Predicts the way of one packet by the tables alone: in each namespace rules, tables and longest
 * prefix choose a link; the link leads to the namespace at its other end; until one has the address.
 *
 *     send ─> emit ─> (encapsulate ─> emit) ─> cross ─> receive ─> forward ─> emit …
 *                                                          └─> (decapsulate ─> receive) ─> delivered
 */
export class Walk {
  readonly #request: WalkRequest
  readonly #topology: TracedCluster
  readonly #answers: ReadonlyMap<string, LookupAnswer>
  readonly #findFault: FindFault
  readonly #hops: PredictedHop[] = []
  readonly #lookups: Lookup[] = []
  readonly #needs: string[] = []
  readonly #visited = new Set<string>()
  #ttl: number
  #ttlIsUpperBound = false
  #outerTtlIsUpperBound = false
  #outer: OuterHeader | undefined

  constructor(
    request: WalkRequest,
    topology: TracedCluster,
    answers: ReadonlyMap<string, LookupAnswer>,
    findFault: FindFault,
  ) {
    this.#request = request
    this.#topology = topology
    this.#answers = answers
    this.#findFault = findFault
    this.#ttl = request.ttl
  }

  run(): Prediction {
    const { leg, source, destination } = this.#request
    const outcome = this.#outcome()
    const [hops, lookups, needs] = [this.#hops, this.#lookups, this.#needs]
    return { leg, source, destination, hops, outcome, lookups, needs }
  }

  #outcome(): Outcome {
    try {
      const { start, source, destination } = this.#request
      const view = this.#viewOf(start.node, start.netns)
      this.#check('start', view, {})
      return this.#emit(view, this.#decide(view, { destination, source }, undefined))
    } catch (thrown) {
      if (thrown instanceof Ended) return thrown.outcome
      throw thrown
    }
  }

  #viewOf(node: string, netns: Netns): NamespaceView {
    const view = this.#topology.view(node, netns)
    if (view !== undefined && view.snapshot.links.length > 0) return view
    if (this.#topology.node(node) === undefined) {
      this.#needs.push(node)
      throw unknown(`the tables of ${node} were not read`)
    }
    const why = view?.snapshot.unknown[0] ?? `the namespace of ${netns} on ${node} was not found`
    throw unknown(why)
  }

  /** Ends the walk if there is a cause why the packet does not get beyond a step. */
  #check<Name extends StepName>(
    name: Name,
    view: NamespaceView,
    evidence: Omit<Steps[Name], keyof WalkStep> & { readonly family?: WalkStep['family'] },
  ): void {
    const [topology, request] = [this.#topology, this.#request]
    const family = familyOf(this.#header.destination)
    const step = { topology, request, view, family, ...evidence } as unknown as Steps[Name]
    const fault = this.#findFault(name, step)
    if (fault !== undefined) throw new Ended({ kind: 'dropped', fault })
  }

  /** The header that routers look at: the outer one in a tunnel. */
  get #header(): { readonly source: IpAddress; readonly destination: IpAddress } {
    return this.#outer ?? this.#request
  }

  // ---------------------------------------------------------------- choosing a link

  #decide(view: NamespaceView, query: RouteQuery, input: Link | undefined): Exit {
    const { destination, source } = query
    const decision = lookUpRoute(view, {
      destination,
      ...(source === undefined ? {} : { source }),
      ...(input === undefined ? {} : { inputLink: input.name }),
    })
    this.#lookups.push({ node: view.node, netns: view.netns, query })
    const answer = this.#answerTo(view, query)
    const family = familyOf(destination)
    this.#check('route', view, { family, destination, source, input, decision, answer })
    if (decision === undefined)
      throw unknown(`no table of ${view.node} was read for ${destination}`)
    const own = answer !== undefined && 'route' in answer ? answer.route : undefined
    return chooseExit(view, decision, query, own)
  }

  #answerTo({ node, netns }: NamespaceView, query: RouteQuery): LookupAnswer | undefined {
    return this.#answers.get(lookupKey({ node, netns, query }))
  }

  // ---------------------------------------------------------------- sending

  #emit(view: NamespaceView, exit: Exit): Outcome {
    const { link, nextHop, way } = exit
    this.#checkLink(view, link)
    if (isTunnel(link)) return this.#encapsulate(view, exit)
    const far = this.#farEnd(view, link, nextHop)
    if (far !== undefined && !isKnown(view, link, nextHop)) this.#checkArrival(far)
    this.#checkNeighbor(view, exit, far)
    this.#hop(view, link, 'out', { way, notes: exit.notes })
    return this.#cross(view, exit, far)
  }

  #checkLink(view: NamespaceView, link: Link): void {
    const outer = this.#outer === undefined ? 0 : outerOctets(this.#outer)
    const octets = this.#request.octets + outer
    // The header that VXLAN puts before a packet lets itself be fragmented; in IPv6 no router cuts.
    const mayNotBeCut = this.#request.dontFragment || familyOf(this.#request.destination) === 6
    const isWhole = mayNotBeCut && this.#outer?.vxlan === undefined
    const peer = this.#topology.peer(view, link)
    this.#check('leave', view, { link, peer, octets, outerOctets: outer, isWhole })
  }

  #checkArrival({ view, link }: FarEnd): void {
    this.#check('arrive', view, { link, peer: this.#topology.peer(view, link) })
  }

  #checkNeighbor(view: NamespaceView, { link, nextHop, way }: Exit, far: FarEnd | undefined): void {
    const entry = view.neighbor(link.index, nextHop)
    const [family, address, { route }] = [familyOf(nextHop), nextHop, way]
    this.#check('resolve', view, { family, link, address, entry, far, route })
  }

  /**
   * Sends through the tunnel. IPIP: the outer header is from the node's address towards the gateway, to
   * the gateway; a tunnel without a TTL of its own copies the inner one (ip_tunnel_xmit in
   * net/ipv4/ip_tunnel.c), be it the kernel's or one of programs. VXLAN: it is from the link's
   * own address to the node that the gateway's MAC address is behind, with the namespace's default TTL
   * (vxlan_xmit_one in drivers/net/vxlan).
   */
  #encapsulate(view: NamespaceView, exit: Exit): Outcome {
    const { link, nextHop, way, notes } = exit
    const far = this.#vtep(view, exit)
    if (link.vxlan !== undefined) this.#checkNeighbor(view, exit, far)
    this.#hop(view, link, 'out', { way, notes })
    if (this.#outer !== undefined) throw unknown(`a tunnel in a tunnel by ${link.name}`)
    const remote = link.vxlan === undefined ? nextHop : this.#vxlanRemote(view, exit, far)
    const { vni, port, localAddress } = link.vxlan ?? {}
    const query = {
      destination: remote,
      ...(localAddress === undefined ? {} : { source: localAddress }),
    }
    const under = this.#decide(view, query, undefined)
    const source = localAddress ?? sourceToward(view, under, this.#answerTo(view, query))
    if (source === undefined) throw unknown(`${under.link.name} has no address to send from`)
    this.#outer =
      vni === undefined || port === undefined
        ? { source, destination: remote, ttl: this.#ttl, protocol: IP_PROTOCOL.ipip }
        : { ...this.#vxlanHeader(view, source, remote), vxlan: { port, vni } }
    return this.#emit(view, under)
  }

  #vxlanHeader(view: NamespaceView, source: IpAddress, destination: IpAddress): OuterHeader {
    const ttl = view.sysctl('ipv4.ip_default_ttl') ?? DEFAULT_TTL
    return { source, destination, ttl, protocol: IP_PROTOCOL.udp }
  }

  /** The VXLAN link of another node that has the next hop's address. */
  #vtep(view: NamespaceView, { nextHop }: Exit): FarEnd | undefined {
    return this.#topology
      .holders(nextHop)
      .find((holder) => holder.view !== view && holder.link.vxlan !== undefined)
  }

  /** The node that frames for a next hop go to. */
  #vxlanRemote(view: NamespaceView, { link, nextHop }: Exit, far: FarEnd | undefined): IpAddress {
    const macAddress = view.neighbor(link.index, nextHop)?.macAddress
    if (macAddress === undefined) throw unknown(`${link.name} has no neighbor ${nextHop}`)
    const remote = view.forwarding(link.index, macAddress)
    this.#check('encapsulate', view, { link, address: nextHop, macAddress, remote, far })
    if (remote === undefined) throw unknown(`${link.name} has no row for ${macAddress}`)
    return remote
  }

  /** Who would answer for the next hop: the other end of a pair, or the node that has the address. */
  #farEnd(view: NamespaceView, link: Link, nextHop: IpAddress): FarEnd | undefined {
    const peer = this.#topology.peer(view, link)
    if (peer !== undefined) return peer
    return this.#topology
      .holders(nextHop)
      .find((holder) => holder.view !== view && isWired(holder.link))
  }

  // ---------------------------------------------------------------- crossing a link

  #cross(view: NamespaceView, exit: Exit, far: FarEnd | undefined): Outcome {
    if (far !== undefined) return this.#receive(far.view, far.link)
    const pod =
      view.netns === 'host' ? this.#topology.podBehind(view.node, exit.link.name) : undefined
    if (pod !== undefined) {
      const there = this.#viewOf(view.node, pod.pod as Netns)
      this.#check('cross', there, { link: exit.link, pod, route: exit.way.route })
      throw unknown(`what is at the other end of ${exit.link.name} was not found`)
    }
    const node = this.#topology.registeredNode(exit.nextHop)
    if (node !== undefined && this.#topology.node(node) === undefined) {
      this.#needs.push(node)
      throw unknown(`the tables of ${node} were not read`)
    }
    return this.#throughRouter(exit)
  }

  /** The next hop is nobody's that is known: the network between is believed to deliver. */
  #throughRouter(exit: Exit): Outcome {
    const { destination } = this.#header
    const owner =
      this.#topology.registeredNode(destination) ??
      this.#topology.registeredPod(destination)?.node ??
      (this.#outer === undefined ? this.#request.end?.node : undefined)
    if (owner === undefined) throw unknown(`${exit.nextHop} is no node that is known`)
    const view = this.#viewOf(owner, 'host')
    const link = uplinkOf(view, this.#outer?.destination)
    if (link === undefined) throw unknown(`${owner} has no interface towards ${exit.nextHop}`)
    if (this.#outer === undefined) {
      this.#ttlIsUpperBound = true
      this.#ttl--
    } else {
      this.#outerTtlIsUpperBound = true
      this.#outer = { ...this.#outer, ttl: this.#outer.ttl - 1 }
    }
    return this.#receive(view, link, [`${exit.nextHop} is a router that no table here shows`])
  }

  // ---------------------------------------------------------------- receiving

  #receive(view: NamespaceView, link: Link, notes: readonly string[] = []): Outcome {
    this.#checkArrival({ view, link })
    this.#hop(view, link, 'in', { notes })
    const { source, destination } = this.#header
    const back =
      familyOf(source) === 4
        ? lookUpRoute(view, { destination: source, source: destination })
        : undefined
    this.#check('receive', view, { link, source, back, ...this.#roundTrip(view, link) })
    const local = lookUpRoute(view, { destination, source, inputLink: link.name })
    if (local?.type !== 'local') return this.#forward(view, link)
    return this.#outer === undefined ? this.#deliver(view) : this.#decapsulate(view)
  }

  /** Whether the packet has come in here before, and where it has. */
  #roundTrip(view: NamespaceView, link: Link) {
    const key = `${view.node} ${view.netns} ${link.name} ${this.#outer?.destination ?? ''}`
    const isAgain = this.#visited.has(key) || this.#hops.length >= HOPS_MAX
    this.#visited.add(key)
    const through = this.#hops
      .filter(({ direction }) => direction === 'in')
      .map((hop) => `${hop.netns === 'host' ? hop.node : hop.netns} ${hop.link}`)
    return { isAgain, through }
  }

  #decapsulate(view: NamespaceView): Outcome {
    const inside = this.#outer?.vxlan
    const tunnel = view.snapshot.links.find((link) =>
      inside === undefined
        ? isTunnel(link) && link.vxlan === undefined
        : link.vxlan?.vni === inside.vni && link.vxlan.port === inside.port,
    )
    const outerSource = this.#header.source
    this.#check('decapsulate', view, { outerSource, vni: inside?.vni, tunnel })
    if (tunnel === undefined) throw unknown(`${view.node} has no tunnel device`)
    this.#outer = undefined
    this.#outerTtlIsUpperBound = false
    return this.#receive(view, tunnel)
  }

  #deliver(view: NamespaceView): Outcome {
    this.#check('deliver', view, {})
    return { kind: 'delivered' }
  }

  #forward(view: NamespaceView, link: Link): Outcome {
    const { source, destination } = this.#header
    this.#check('forward', view, { link })
    const exit = this.#decide(view, { destination, source, inputLinkIndex: link.index }, link)
    const ttl = this.#outer?.ttl ?? this.#ttl
    this.#check('handOver', view, { link, exit, ttl, isInTunnel: this.#outer !== undefined })
    if (this.#outer === undefined) this.#ttl--
    else this.#outer = { ...this.#outer, ttl: ttl - 1 }
    return this.#emit(view, exit)
  }

  // ---------------------------------------------------------------- notes

  #hop(
    view: NamespaceView,
    link: Link,
    direction: 'in' | 'out',
    why: { readonly way?: Way; readonly notes: readonly string[] },
  ): void {
    this.#hops.push({
      node: view.node,
      netns: view.netns,
      link: link.name,
      linkIndex: link.index,
      direction,
      ttl: this.#ttl,
      ttlIsUpperBound: this.#ttlIsUpperBound,
      outerTtlIsUpperBound: this.#outerTtlIsUpperBound,
      ...(this.#outer === undefined ? {} : { outer: this.#outer }),
      mtu: link.mtu,
      ...why,
    })
  }
}
