import type { Clock, Timer } from '../../lib/clock.ts'
import type { Closable } from '../../lib/closable.ts'
import { Backoff } from '../../lib/backoff.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import { isKernelError, type Kernel } from '../../kernel/kernel.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { hostPrefix, type Prefix } from '../../net/prefix.ts'
import { linksWith } from '../cluster/node-addresses.ts'
import type { TunnelStatus } from '../../api/agent-status.ts'
import {
  ensureTunnelDevice,
  type TunnelDevice,
  type TunnelEnds,
  type TunnelInUse,
  type TunnelKind,
  type TunnelPrograms,
} from './tunnel-device.ts'

export interface NodeTunnelNeeds {
  readonly kernel: Kernel
  readonly kind: TunnelKind
  /** For kernels without the ipip module. */
  readonly programs: TunnelPrograms | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** {@link NodeTunnel.keep} would do or answer something else now. */
  onChange(): void
}

export interface NodeTunnelSettings {
  /** As it should be; undefined where IPIP is switched off. */
  readonly tunnel: TunnelDevice | undefined
  /** Whether any pool has packets go through it; if none has, a node can do without. */
  readonly isTunnelUsed: boolean
  /** Whether this kernel has no packet filter that keeps strangers' packets from its own device. */
  readonly isUnfiltered: boolean
  readonly ownAddress: IpAddress | undefined
  /** Of all nodes. */
  nodeAddresses(): readonly IpAddress[]
  /** Who may send into the tunnel beside nodes. */
  readonly externalNodes: readonly Prefix[]
}

/** Octets of an outer IPv4 header. */
const OVERHEAD_OCTETS = 20
/** How long a path is believed to be narrow (net.ipv4.route.mtu_expires), and how narrow one can be (min_pmtu). */
const PATH_MTU_MILLISECONDS = 600_000
const PATH_MTU_MIN = 552
/** Between tries of what the kernel refused. */
const RETRY = { firstMilliseconds: 1_000, mostMilliseconds: 30_000 } as const

const WORDS = { kernel: 'the kernel’s ipip module', ebpf: 'eBPF programs' } as const

/** One node's tunl0: there, of the right kind, and told what it must know. */
export class NodeTunnel {
  readonly #needs: NodeTunnelNeeds
  #use: TunnelInUse | undefined
  #isUsed = false
  /** What the programs were last told, as text. */
  #told = ''
  #nodes: ReadonlySet<IpAddress> = new Set()
  #watch: { readonly address: IpAddress; readonly closable: Closable } | undefined
  #failure: string | undefined
  #retryTimer: Timer | undefined
  readonly #narrow = new Map<IpAddress, { readonly mtu: number; readonly timer: Timer }>()
  readonly #backoff: Backoff

  constructor(needs: NodeTunnelNeeds) {
    this.#needs = needs
    this.#backoff = new Backoff({ ...RETRY, random: needs.random })
  }

  /**
   * Mends what differs and answers the link's index, undefined while there is none. What the kernel
   * refuses is told as a hindrance, and a tunnel that works stays as it is.
   *
   * @param isAnew whether links or addresses may have changed since the last time
   */
  keep(settings: NodeTunnelSettings, isAnew: boolean): number | undefined {
    const before = this.#use
    this.#use = undefined
    this.#isUsed = settings.isTunnelUsed
    try {
      const { use, refused } = ensureTunnelDevice(this.#needs, settings.tunnel)
      this.#use = use
      if (use?.kind === 'ebpf') this.#equip(use, settings, isAnew)
      else if (use !== undefined && settings.isUnfiltered) this.#guard(use, settings, isAnew)
      if (refused.length > 0) this.#fail(refused.join('; '))
      else this.#succeed()
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      this.#fail(thrown.message)
      this.#use = settings.tunnel === undefined ? undefined : this.#stillThere(before)
    }
    if (this.#use !== undefined && this.#use.kind !== before?.kind) {
      this.#needs.log.info(`tunl0 is made by ${WORDS[this.#use.kind]}`, {
        reason: this.#use.reason,
      })
    }
    return this.#use?.link.index
  }

  #stillThere(before: TunnelInUse | undefined): TunnelInUse | undefined {
    const link = before && this.#needs.kernel.link(before.link.name)
    return link?.index === before?.link.index ? before : undefined
  }

  /** Octets inside the tunnel towards nodes to which the path is narrower than the tunnel. */
  get pathMtus(): Readonly<Record<IpAddress, number>> {
    return Object.fromEntries([...this.#narrow].map(([node, { mtu }]) => [node, mtu]))
  }

  /** Why packets of pools that tunnel cannot leave; undefined where they can or there are none. */
  get hindrance(): string | undefined {
    return this.#isUsed ? this.#failure : undefined
  }

  /** Undefined where nothing is tunnelled. */
  status(): TunnelStatus | undefined {
    if (this.#use === undefined || !this.#isUsed) return undefined
    const { kind, reason, link } = this.#use
    const drops = this.#needs.programs?.drops(link)
    return {
      link: link.name,
      kind,
      reason,
      mtu: link.mtu,
      ...(this.#narrow.size === 0 ? {} : { pathMtus: this.pathMtus }),
      ...(drops === undefined || drops.size === 0 ? {} : { drops: Object.fromEntries(drops) }),
    }
  }

  /** Leaves the kernel as it is. */
  close(): void {
    this.#watch?.closable.close()
    this.#retryTimer?.cancel()
    for (const { timer } of this.#narrow.values()) timer.cancel()
  }

  #equip(use: TunnelInUse, settings: NodeTunnelSettings, isAnew: boolean): void {
    const { programs } = this.#needs
    const ends = this.#newEnds(use, settings, isAnew)
    if (ends === undefined || programs === undefined) return
    programs.equip(use.link, ends)
    this.#nodes = new Set(settings.nodeAddresses())
    this.#watchPaths(programs, ends.localAddress)
  }

  /** A kernel that takes no programs either goes on without: packets of nodes are what matters. */
  #guard(use: TunnelInUse, settings: NodeTunnelSettings, isAnew: boolean): void {
    const { programs, log } = this.#needs
    const ends = this.#newEnds(use, settings, isAnew)
    if (ends === undefined || programs === undefined) return
    try {
      programs.guard(ends)
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      log.warn('Nothing keeps the IPIP packets of strangers out', { error: thrown.message })
    }
  }

  /** What programs must be told, unless they were told the same before. */
  #newEnds(
    { link, kind }: TunnelInUse,
    settings: NodeTunnelSettings,
    isAnew: boolean,
  ): TunnelEnds | undefined {
    const { ownAddress } = settings
    if (ownAddress === undefined || this.#needs.programs === undefined) return undefined
    const senders = [...settings.nodeAddresses().map(hostPrefix), ...settings.externalNodes]
    const { index, mtu, segmentOctets } = link
    const text = [kind, index, mtu, segmentOctets, ownAddress, ...senders].join()
    if (!isAnew && text === this.#told) return undefined
    this.#told = text
    return {
      localAddress: ownAddress,
      underlays: linksWith(this.#needs.kernel, ownAddress),
      senders,
    }
  }

  /**
   * The kernel's device learns path MTUs itself (ipip_err). For programs the agent does, from the same
   * ICMP messages, and writes them to the routes: the kernel's stack then answers what is too large, or
   * cuts it in fragments, before it reaches a program.
   */
  #watchPaths(programs: TunnelPrograms, address: IpAddress): void {
    if (this.#watch?.address === address) return
    this.#watch?.closable.close()
    const closable = programs.watchPathMtus(address, (node, mtu) => this.#onPathMtu(node, mtu))
    this.#watch = { address, closable }
  }

  #onPathMtu(node: IpAddress, outerMtu: number): void {
    if (this.#use === undefined || !this.#nodes.has(node)) return
    const mtu = Math.max(outerMtu, PATH_MTU_MIN) - OVERHEAD_OCTETS
    if (mtu >= this.#use.link.mtu) return
    const { clock, log, onChange } = this.#needs
    const before = this.#narrow.get(node)
    before?.timer.cancel()
    const timer = clock.after(PATH_MTU_MILLISECONDS, () => {
      this.#narrow.delete(node)
      onChange()
    })
    this.#narrow.set(node, { mtu, timer })
    if (before?.mtu === mtu) return
    log.info('The path to a node is narrower than the tunnel', { node, mtu })
    onChange()
  }

  #succeed(): void {
    this.#failure = undefined
    this.#retryTimer?.cancel()
    this.#retryTimer = undefined
    this.#backoff.reset()
  }

  #fail(message: string): void {
    const { clock, log, onChange } = this.#needs
    if (message !== this.#failure) {
      const text = 'Unable to make tunl0 as it should be; it is tried again'
      if (this.#isUsed) log.warn(text, { error: message })
      else log.info(`${text}, and nothing goes through it now`, { error: message })
    }
    this.#failure = message
    this.#told = ''
    if (!this.#isUsed || this.#retryTimer !== undefined) return
    this.#retryTimer = clock.after(this.#backoff.next(), () => {
      this.#retryTimer = undefined
      onChange()
    })
  }
}
