import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { Link, RouteQuery } from '../../kernel/kernel.ts'
import { IP_PROTOCOL } from '../../wire/packet/protocols.ts'
import type { Fault } from '../diagnose/cause.ts'
import { chooseExit, type Exit, refuseType, sourceToward } from './choose-exit.ts'
import { outerOctets } from './encapsulation.ts'
import { isDeaf, isKnown, isTunnel, isWired, uplinkOf } from '../tables/link-facts.ts'
import type { NamespaceView } from '../tables/namespace-view.ts'
import { neighborFault } from './neighbor-resolution.ts'
import type { LookupAnswer, Netns } from '../../api/node-access.ts'
import {
  type Leg,
  type Lookup,
  lookupKey,
  type Outcome,
  type OuterHeader,
  type PredictedHop,
  type Prediction,
  type Way,
} from './prediction.ts'
import { reversePathFault } from './reverse-path.ts'
import { lookUpRoute } from '../tables/route-lookup.ts'
import type { Topology } from '../tables/topology.ts'
import { dropped, Ended, unknown } from './walk-end.ts'

/** Hops after which a walk is given up; a packet has 255 at most. */
const HOPS_MAX = 64
/** What a namespace gives its packets where its setting was not read. */
const DEFAULT_TTL = 64

/** Where a walk begins and what for. */
export interface WalkRequest {
  readonly leg: Leg
  readonly start: { readonly node: string; readonly netns: Netns }
  /** Where it should end; undefined for an address that is nobody's. */
  readonly end: { readonly node: string; readonly netns: Netns } | undefined
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly ttl: number
  /** The packet's length, its header included. */
  readonly octets: number
  readonly dontFragment: boolean
}

/**
 * Predicts the way of one packet by the tables alone: in each namespace rules, tables and longest
 * prefix choose a link; the link leads to the namespace at its other end; until one has the address.
 *
 *     send ─> emit ─> (encapsulate ─> emit) ─> cross ─> receive ─> forward ─> emit …
 *                                                          └─> (decapsulate ─> receive) ─> delivered
 */
export class Walk {
  readonly #request: WalkRequest
  readonly #topology: Topology
  readonly #answers: ReadonlyMap<string, LookupAnswer>
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
    topology: Topology,
    answers: ReadonlyMap<string, LookupAnswer>,
  ) {
    this.#request = request
    this.#topology = topology
    this.#answers = answers
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
      this.#checkAddress(view, source)
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

  /** What the pod sends must come from an address that it has. */
  #checkAddress(view: NamespaceView, source: IpAddress): void {
    if (view.holding(source) !== undefined) return
    const pod = view.netns === 'host' ? view.node : view.netns
    throw dropped('address-missing', view, undefined, { pod, address: source })
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
    if (decision === undefined) throw dropped('no-route', view, undefined, { destination })
    refuseType(view, decision, destination)
    if (answer !== undefined && 'code' in answer) {
      throw dropped('kernel-refuses', view, input?.name, { destination, code: answer.code })
    }
    return chooseExit(view, decision, query, answer?.route)
  }

  #answerTo({ node, netns }: NamespaceView, query: RouteQuery): LookupAnswer | undefined {
    return this.#answers.get(lookupKey({ node, netns, query }))
  }

  // ---------------------------------------------------------------- sending

  #emit(view: NamespaceView, exit: Exit): Outcome {
    const { link, nextHop } = exit
    if (!link.up) throw dropped('link-down', view, link.name, { link: link.name })
    if (!link.carrier && isWired(link)) throw this.#withoutCarrier(view, link)
    this.#checkSize(view, link)
    if (isTunnel(link)) return this.#encapsulate(view, exit)
    const far = this.#farEnd(view, link, nextHop)
    if (far !== undefined && isDeaf(far.link) && !isKnown(view, link, nextHop)) {
      throw this.#deaf(far.view, far.link)
    }
    const fault = neighborFault(view, link, nextHop, far)
    if (fault !== undefined) throw this.#unanswered(fault, far?.view)
    this.#hop(view, link, 'out', exit)
    return this.#cross(view, exit, far)
  }

  #deaf(view: NamespaceView, link: Link): Ended {
    if (link.up) return this.#withoutCarrier(view, link)
    return dropped('link-down', view, link.name, { link: link.name })
  }

  /** A pair's end has no carrier while its other end is down: that one is the cause. */
  #withoutCarrier(view: NamespaceView, link: Link): Ended {
    const peer = this.#topology.peer(view, link)
    if (peer === undefined || peer.link.up) {
      return dropped('no-carrier', view, link.name, { link: link.name })
    }
    return dropped('link-down', peer.view, peer.link.name, { link: peer.link.name })
  }

  /** A pod that does not answer for an address that is not its own was the wrong one to ask. */
  #unanswered(fault: Fault, view: NamespaceView | undefined): Ended {
    const { destination } = this.#request
    const isStranger =
      fault.cause === 'address-missing' &&
      view !== undefined &&
      this.#topology.registeredPod(destination)?.pod !== view.netns
    if (!isStranger) return new Ended({ kind: 'dropped', fault })
    return dropped('wrong-pod', view, fault.place.link, { pod: view.netns, destination })
  }

  #checkSize(view: NamespaceView, link: Link): void {
    const outer = this.#outer === undefined ? 0 : outerOctets(this.#outer)
    const octets = this.#request.octets + outer
    // The header that VXLAN puts before a packet lets itself be fragmented.
    const isWhole = this.#request.dontFragment && this.#outer?.vxlan === undefined
    if (octets <= link.mtu || !isWhole) return
    const facts = { link: link.name, mtu: link.mtu, octets, outerOctets: outer }
    throw dropped('mtu-exceeded', view, link.name, facts)
  }

  /**
   * Sends through the tunnel. IPIP: the outer header is from the node's address towards the gateway, to
   * the gateway; a tunnel without a TTL of its own copies the inner one (ip_tunnel_xmit in
   * net/ipv4/ip_tunnel.c), be it the kernel's or one of programs. VXLAN: it is from the link's
   * own address to the node that the gateway's MAC address is behind, with the namespace's default TTL
   * (vxlan_xmit_one in drivers/net/vxlan).
   */
  #encapsulate(view: NamespaceView, exit: Exit): Outcome {
    const { link } = exit
    const remote = link.vxlan === undefined ? exit.nextHop : this.#vxlanRemote(view, exit)
    this.#hop(view, link, 'out', exit)
    if (this.#outer !== undefined) throw unknown(`a tunnel in a tunnel by ${link.name}`)
    if (typeof remote !== 'string') throw remote
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

  /** Where the frame for a next hop goes; ended where it cannot leave the node. */
  #vxlanRemote(view: NamespaceView, { link, nextHop }: Exit): IpAddress | Ended {
    const far = this.#topology
      .holders(nextHop)
      .find((holder) => holder.view !== view && holder.link.vxlan !== undefined)
    const macAddress = view.neighbor(link.index, nextHop)?.macAddress
    const fault = neighborFault(view, link, nextHop, far)
    if (fault !== undefined) throw new Ended({ kind: 'dropped', fault })
    if (macAddress === undefined) {
      const facts = { link: link.name, address: nextHop, state: 'unknown' }
      throw dropped('neighbor-failed', view, link.name, facts)
    }
    const remote = view.forwarding(link.index, macAddress)
    const facts = { link: link.name, address: nextHop, mac: macAddress }
    if (remote === undefined) return dropped('vtep-unknown', view, link.name, facts)
    const expected = far?.link.vxlan?.localAddress
    return expected === undefined || expected === remote
      ? remote
      : dropped('vtep-elsewhere', view, link.name, { ...facts, remote, expected })
  }

  /** Who would answer for the next hop: the other end of a pair, or the node that has the address. */
  #farEnd(
    view: NamespaceView,
    link: Link,
    nextHop: IpAddress,
  ): { view: NamespaceView; link: Link } | undefined {
    const peer = this.#topology.peer(view, link)
    if (peer !== undefined) return peer
    return this.#topology
      .holders(nextHop)
      .find((holder) => holder.view !== view && isWired(holder.link))
  }

  // ---------------------------------------------------------------- crossing a link

  #cross(
    view: NamespaceView,
    exit: Exit,
    far: { view: NamespaceView; link: Link } | undefined,
  ): Outcome {
    if (far !== undefined) return this.#receive(far.view, far.link)
    const pod =
      view.netns === 'host' ? this.#topology.podBehind(view.node, exit.link.name) : undefined
    if (pod !== undefined) {
      const there = this.#viewOf(view.node, pod.pod as Netns)
      const facts = { link: pod.containerInterface, route: exit.way.route }
      throw dropped('link-missing', there, pod.containerInterface, facts)
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
    if (isDeaf(link)) throw this.#deaf(view, link)
    this.#hop(view, link, 'in', { notes })
    this.#checkLoop(view, link)
    const { source, destination } = this.#header
    const backwards = reversePathFault(view, link, source, destination)
    if (backwards !== undefined) throw new Ended({ kind: 'dropped', fault: backwards })
    const local = lookUpRoute(view, { destination, source, inputLink: link.name })
    if (local?.type !== 'local') return this.#forward(view, link)
    return this.#outer === undefined ? this.#deliver(view) : this.#decapsulate(view)
  }

  #checkLoop(view: NamespaceView, link: Link): void {
    const key = `${view.node} ${view.netns} ${link.name} ${this.#outer?.destination ?? ''}`
    if (!this.#visited.has(key) && this.#hops.length < HOPS_MAX) {
      this.#visited.add(key)
      return
    }
    const through = this.#hops
      .filter(({ direction }) => direction === 'in')
      .map((hop) => `${hop.netns === 'host' ? hop.node : hop.netns} ${hop.link}`)
    throw dropped('loop', view, link.name, { through })
  }

  #decapsulate(view: NamespaceView): Outcome {
    const inside = this.#outer?.vxlan
    const tunnel = view.snapshot.links.find((link) =>
      inside === undefined
        ? isTunnel(link) && link.vxlan === undefined
        : link.vxlan?.vni === inside.vni && link.vxlan.port === inside.port,
    )
    const { source } = this.#header
    if (tunnel === undefined) {
      const facts = { outerSource: source, ...(inside === undefined ? {} : { vni: inside.vni }) }
      throw dropped('tunnel-missing', view, undefined, facts)
    }
    if (!tunnel.up) throw dropped('tunnel-down', view, tunnel.name, { link: tunnel.name })
    this.#outer = undefined
    this.#outerTtlIsUpperBound = false
    return this.#receive(view, tunnel)
  }

  #deliver(view: NamespaceView): Outcome {
    const { end, destination } = this.#request
    if (end === undefined || (end.node === view.node && end.netns === view.netns)) {
      return { kind: 'delivered' }
    }
    const name = (node: string, netns: Netns): string =>
      netns === 'host' ? node : `${netns} on ${node}`
    throw dropped('wrong-holder', view, undefined, {
      address: destination,
      expected: name(end.node, end.netns),
      holder: name(view.node, view.netns),
    })
  }

  #forward(view: NamespaceView, link: Link): Outcome {
    const { source, destination } = this.#header
    const { netns } = view
    if (netns !== 'host') {
      const isOwner = this.#topology.registeredPod(destination)?.pod === netns
      throw isOwner
        ? dropped('address-missing', view, link.name, { pod: netns, address: destination })
        : dropped('wrong-pod', view, link.name, { pod: netns, destination })
    }
    const family = familyOf(destination) === 4 ? 'ipv4' : 'ipv6'
    if (view.setting(family, link.name, 'forwarding') === 0) {
      const everywhere = view.setting(family, 'all', 'forwarding') === 0
      throw dropped('forwarding-off', view, link.name, { link: link.name, everywhere })
    }
    const query = { destination, source, inputLinkIndex: link.index }
    const exit = this.#decide(view, query, link)
    this.#checkNextNode(view, exit)
    const ttl = this.#outer?.ttl ?? this.#ttl
    if (ttl <= 1) throw dropped('ttl-expired', view, link.name, { ttl })
    if (this.#outer === undefined) this.#ttl--
    else this.#outer = { ...this.#outer, ttl: ttl - 1 }
    return this.#emit(view, exit)
  }

  /** Noticed here, where it is decided, rather than at the node that then has no way to the pod. */
  #checkNextNode(view: NamespaceView, { way, nextHop }: Exit): void {
    const owner = this.#topology.registeredPod(this.#request.destination)?.node
    const nextNode = this.#topology.registeredNode(nextHop)
    if (owner === undefined || nextNode === undefined) return
    if (this.#outer !== undefined || nextNode === owner || nextNode === view.node) return
    const { destination } = this.#request
    if (!this.#isDeadEnd(nextNode, destination)) return
    const facts = { destination, nextHop, nextNode, owner, route: way.route }
    throw dropped('wrong-next-hop', view, undefined, facts)
  }

  /** Whether a node that is not the owner's, being handed the packet, would not pass it on. */
  #isDeadEnd(node: string, destination: IpAddress): boolean {
    const view = this.#topology.view(node, 'host')
    if (view === undefined) return false
    const type = lookUpRoute(view, { destination })?.type
    return type !== 'unicast'
  }

  // ---------------------------------------------------------------- notes

  #hop(
    view: NamespaceView,
    link: Link,
    direction: 'in' | 'out',
    why: { readonly way?: Way; readonly notes: readonly string[] },
    visible = true,
  ): void {
    const hidden = 'its programs take packets before a capture on it can'
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
      ...(why.way === undefined ? {} : { way: why.way }),
      visible,
      notes: visible ? why.notes : [...why.notes, hidden],
    })
  }
}
