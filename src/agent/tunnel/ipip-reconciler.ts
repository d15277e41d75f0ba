import { isKernelError, type Kernel, type KernelEvent } from '../../kernel/kernel.ts'
import type { Closable } from '../../lib/closable.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { Node } from '../../model/resource.ts'
import { hostPrefix, type Prefix } from '../../net/prefix.ts'
import type { TunnelStatus } from '../../api/agent-status.ts'
import { nodePrefixes } from '../cluster/node-addresses.ts'
import type { KernelView } from '../dataplane/kernel-view.ts'
import { PathMtus } from './path-mtus.ts'
import {
  ensureTunnelDevice,
  TUNNEL_LINK,
  type TunnelDevice,
  type TunnelInUse,
  type TunnelKind,
  type TunnelPrograms,
} from './tunnel-device.ts'
import { withoutUplink } from './without-uplink.ts'

/** A node's tunl0. */
export interface DesiredIpip {
  /** As it should be; undefined where IPIP is switched off. */
  readonly device: TunnelDevice | undefined
  /** Whether any pool has packets go through it; if none has, a node can do without. */
  readonly isUsed: boolean
  /** Whether this kernel has no packet filter that keeps strangers' packets from its own device. */
  readonly isUnfiltered: boolean
  readonly ownAddress: IpAddress | undefined
  /** Links that have it, by index. */
  readonly underlays: readonly number[]
  /** All nodes. */
  readonly nodes: readonly Node[]
  /** Who may send into the tunnel beside nodes. */
  readonly externalNodes: readonly Prefix[]
}

export interface IpipNeeds {
  readonly kernel: Kernel
  readonly view: KernelView
  readonly kind: TunnelKind
  /** For kernels without the ipip module. */
  readonly programs: TunnelPrograms | undefined
  readonly clock: Clock
  readonly log: Log
  /** tunl0 is at this index now; undefined: there is none. */
  onLink(index: number | undefined): void
  /** Octets inside the tunnel towards nodes to which the path is narrower than it. */
  onPathMtus(pathMtus: Readonly<Record<IpAddress, number>>): void
}

const WORDS = { kernel: 'the kernel’s ipip module', ebpf: 'eBPF programs' } as const

/** Keeps tunl0: there, of the right kind, and told what it must know. */
export class IpipReconciler implements Reconciler<DesiredIpip, KernelEvent> {
  readonly name = 'tunl0'
  readonly pace = {
    retry: { firstMilliseconds: 1_000, mostMilliseconds: 30_000 },
    resyncMilliseconds: 90_000,
  } as const
  readonly #needs: IpipNeeds
  readonly #pathMtus: PathMtus
  #desired: DesiredIpip | undefined
  #use: TunnelInUse | undefined
  /** What the programs were last told; undefined when they have to be told again. */
  #told: readonly unknown[] | undefined
  #nodes: ReadonlySet<Prefix> = new Set()
  #watch: { readonly address: IpAddress; readonly closable: Closable } | undefined
  #failure: string | undefined

  constructor(needs: IpipNeeds) {
    this.#needs = needs
    this.#pathMtus = new PathMtus({ ...needs, onChange: needs.onPathMtus })
  }

  /** What the kernel refuses is told as a problem, and a tunnel that works stays as it is. */
  reconcile(desired: DesiredIpip): ReconcileOutcome {
    const before = this.#use
    this.#desired = desired
    let failure: string | undefined
    try {
      const { use, refused } = ensureTunnelDevice(this.#needs, desired.device)
      this.#use = use
      const problems = [...refused]
      if (use?.kind === 'ebpf') problems.push(...this.#equip(use, desired))
      else if (use !== undefined && desired.isUnfiltered) this.#guard(use, desired)
      if (problems.length > 0) failure = problems.join('; ')
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      failure = thrown.message
      this.#use = desired.device === undefined ? undefined : this.#stillThere(before)
    }
    this.#setFailure(failure)
    this.#tell(before)
    return failure === undefined || !desired.isUsed ? 'done' : 'retry'
  }

  #stillThere(before: TunnelInUse | undefined): TunnelInUse | undefined {
    const link = before && this.#needs.kernel.link(before.link.name)
    return link?.index === before?.link.index ? before : undefined
  }

  #tell(before: TunnelInUse | undefined): void {
    const { log, onLink } = this.#needs
    const { kind, reason, link } = this.#use ?? {}
    if (kind !== undefined && kind !== before?.kind) {
      log.info(`tunl0 is made by ${WORDS[kind]}`, { reason })
    }
    onLink(link?.index)
  }

  #setFailure(failure: string | undefined): void {
    const { log } = this.#needs
    if (failure !== undefined) this.#told = undefined
    if (failure !== undefined && failure !== this.#failure) {
      const text = 'Unable to make tunl0 as it should be'
      if (this.#desired?.isUsed === true) log.warn(`${text}; it is tried again`, { error: failure })
      else log.info(`${text}, and nothing goes through it now`, { error: failure })
    }
    this.#failure = failure
  }

  observe(event: KernelEvent): boolean {
    const isConcerned = this.#concerns(event)
    if (isConcerned) this.#told = undefined
    return isConcerned
  }

  /** Whether it is an end of the tunnel, whatever its name is now, or a link beneath. */
  #isOfUse(index: number): boolean {
    const { link } = this.#use ?? {}
    const isEnd = link !== undefined && (index === link.index || index === link.peerIndex)
    return isEnd || this.#desired?.underlays.includes(index) === true
  }

  #concerns(event: KernelEvent): boolean {
    const { ownAddress } = this.#desired ?? {}
    switch (event.kind) {
      case 'link':
        return event.link.name.startsWith(TUNNEL_LINK) || this.#isOfUse(event.link.index)
      case 'address':
        return (
          event.address.linkIndex === this.#use?.link.index || event.address.address === ownAddress
        )
      case 'trafficControl':
        // Programs of the tunnel hang there.
        return !this.#needs.view.leadsNowhere(event.linkIndex)
      case 'forwarding':
      case 'neighbor':
      case 'overrun':
      case 'packetFilter':
      case 'route':
      case 'rule':
      case 'settings':
        return false
    }
  }

  forget(): void {
    this.#told = undefined
  }

  /** Why packets of pools that tunnel cannot leave; none where they can or there are no such pools. */
  problems(): readonly string[] {
    return this.#failure === undefined || this.#desired?.isUsed !== true ? [] : [this.#failure]
  }

  /** Undefined where nothing is tunnelled. Only reads. */
  status(): TunnelStatus | undefined {
    if (this.#use === undefined || this.#desired?.isUsed !== true) return undefined
    const { kind, reason, link } = this.#use
    const drops = this.#needs.programs?.drops(link)
    const pathMtus = this.#pathMtus.octets
    return {
      link: link.name,
      kind,
      reason,
      mtu: link.mtu,
      ...(Object.keys(pathMtus).length === 0 ? {} : { pathMtus }),
      ...(drops === undefined || drops.size === 0 ? {} : { drops: Object.fromEntries(drops) }),
    }
  }

  stop(): void {
    this.#watch?.closable.close()
    this.#pathMtus.close()
  }

  /** Answers what keeps the programs from their work. */
  #equip(use: TunnelInUse, desired: DesiredIpip): readonly string[] {
    const { programs } = this.#needs
    const { ownAddress, underlays } = desired
    if (programs === undefined || ownAddress === undefined) return []
    if (this.#mustTell(use, desired)) {
      programs.equip(use.link, endsOf(desired, ownAddress))
      this.#nodes = new Set(nodePrefixes(desired.nodes, 4))
      this.#watchPaths(programs, ownAddress)
    }
    return underlays.length === 0 ? [withoutUplink(ownAddress)] : []
  }

  /** A kernel that takes no programs either goes on without: packets of nodes are what matters. */
  #guard(use: TunnelInUse, desired: DesiredIpip): void {
    const { programs, log } = this.#needs
    const { ownAddress } = desired
    if (programs === undefined || ownAddress === undefined || !this.#mustTell(use, desired)) return
    try {
      programs.guard(endsOf(desired, ownAddress))
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      log.warn('IPIP packets from unknown senders are not filtered', { error: thrown.message })
    }
  }

  /** Whether programs were not told the same before. */
  #mustTell({ link, kind }: TunnelInUse, desired: DesiredIpip): boolean {
    const { ownAddress, underlays, nodes, externalNodes } = desired
    const device = [kind, link.index, link.mtu, link.segmentOctets]
    const next = [...device, ownAddress, underlays, nodes, externalNodes]
    const isSame = this.#told !== undefined && next.every((part, at) => part === this.#told![at])
    this.#told = next
    return !isSame
  }

  /**
   * The kernel's device learns path MTUs itself (ipip_err). For programs the agent does, from the same
   * ICMP messages, and writes them to the routes: the kernel's stack then answers what is too large, or
   * cuts it in fragments, before it reaches a program.
   */
  #watchPaths(programs: TunnelPrograms, address: IpAddress): void {
    if (this.#watch?.address === address) return
    this.#watch?.closable.close()
    const closable = programs.watchPathMtus(address, (node, outerMtu) => {
      if (this.#use === undefined || !this.#nodes.has(hostPrefix(node))) return
      this.#pathMtus.learn(node, outerMtu, this.#use.link.mtu)
    })
    this.#watch = { address, closable }
  }
}

function endsOf({ underlays, nodes, externalNodes }: DesiredIpip, localAddress: IpAddress) {
  return { localAddress, underlays, senders: [...nodePrefixes(nodes, 4), ...externalNodes] }
}
