import type { Timer } from '../../../lib/clock.ts'
import type { NeighborState } from '../../kernel.ts'
import type { Addr } from '../routing/addr.ts'
import type { Device, Frame } from '../links/device.ts'
import type { NeighConf } from '../configuration/sysctl.ts'

/** Octets of packets that may wait for one neighbour (unres_qlen_bytes). */
const MOST_WAITING_OCTETS = 212_992

/** A packet that waits for a link-layer address. */
export interface Waiting {
  readonly etherType: number
  readonly octets: Uint8Array
  /** Where it came in, if it is somebody else's. */
  readonly input?: Device | undefined
}

/** One neighbour of one link (struct neighbour). */
export class NeighborEntry {
  readonly device: Device
  readonly addr: Addr
  mac: number | undefined
  state: NeighborState | 'none' = 'none'
  confirmedAt = 0
  updatedAt = -Infinity
  /** When it was last sent to without being connected. */
  usedAt = -Infinity
  /** For how long a confirmation counts, drawn anew at each (neigh_rand_reach_time). */
  reachableMilliseconds = 0
  probes = 0
  readonly waiting: Waiting[] = []
  waitingOctets = 0
  timer: Timer | undefined

  constructor(device: Device, addr: Addr) {
    this.device = device
    this.addr = addr
  }

  get isConnected(): boolean {
    return this.state === 'reachable' || this.state === 'permanent' || this.state === 'noarp'
  }

  /** NUD_VALID: there is an address to send to, however old. */
  get isValid(): boolean {
    return (
      this.isConnected || this.state === 'stale' || this.state === 'delay' || this.state === 'probe'
    )
  }
}

/** What the table asks of its namespace. */
export interface NeighborHooks {
  now(): number
  after(milliseconds: number, fire: () => void): Timer
  /** Uniform in [0, 1). */
  fraction(): number
  /** Sends an ARP request or neighbour solicitation; to one address when `unicast`. */
  solicit(entry: NeighborEntry, unicast: boolean): void
  /** The neighbour did not answer: each packet that waited for it is undeliverable. */
  failed(entry: NeighborEntry, packet: Waiting): void
  /** The link-layer address that needs no asking: that of broadcasts and groups (arp_constructor). */
  fixedMac(addr: Addr): number | undefined
  /** Whether the machine takes no further entry; told of each that was refused. */
  isFull(): boolean
  changed(entry: NeighborEntry, change: 'set' | 'removed'): void
}

/** The neighbours of one family, and their state machine (net/core/neighbour.c). */
export class NeighborTable {
  readonly #family: 4 | 6
  readonly #hooks: NeighborHooks
  readonly #byDevice = new Map<Device, Map<Addr, NeighborEntry>>()

  constructor(family: 4 | 6, hooks: NeighborHooks) {
    this.#family = family
    this.#hooks = hooks
  }

  #conf(entry: NeighborEntry): NeighConf {
    return this.#family === 4 ? entry.device.conf.neigh4 : entry.device.conf.neigh6
  }

  get(device: Device, addr: Addr): NeighborEntry | undefined {
    return this.#byDevice.get(device)?.get(addr)
  }

  /** Undefined where the machine takes no further entry (neigh_alloc); permanent ones it always takes. */
  getOrCreate(device: Device, addr: Addr, isPermanent = false): NeighborEntry | undefined {
    const entry = this.get(device, addr)
    if (entry !== undefined) return entry
    return !isPermanent && this.#hooks.isFull() ? undefined : this.#create(device, addr)
  }

  #create(device: Device, addr: Addr): NeighborEntry {
    let entries = this.#byDevice.get(device)
    if (entries === undefined) this.#byDevice.set(device, (entries = new Map()))
    const entry = new NeighborEntry(device, addr)
    entries.set(addr, entry)
    const fixed = this.#hooks.fixedMac(addr)
    if (fixed !== undefined) {
      entry.mac = fixed
      entry.state = 'noarp'
    }
    return entry
  }

  get size(): number {
    let size = 0
    for (const entries of this.#byDevice.values()) size += entries.size
    return size
  }

  *entries(): Generator<NeighborEntry> {
    for (const entries of this.#byDevice.values()) yield* entries.values()
  }

  /** Forgets the neighbours of a link; with `keepPermanent` those that a person set stay (carrier loss). */
  flush(device: Device, keepPermanent = false): void {
    const entries = this.#byDevice.get(device)
    if (entries === undefined) return
    for (const entry of entries.values()) {
      if (!keepPermanent || entry.state !== 'permanent') this.remove(entry)
    }
  }

  remove(entry: NeighborEntry): void {
    entry.timer?.cancel()
    entry.waiting.length = 0
    entry.waitingOctets = 0
    const wasKnown = entry.state !== 'none'
    const entries = this.#byDevice.get(entry.device)
    entries?.delete(entry.addr)
    if (entries?.size === 0) this.#byDevice.delete(entry.device)
    entry.state = 'none'
    if (wasKnown) this.#hooks.changed(entry, 'removed')
  }

  /**
   * Sends a packet to a neighbour, or keeps it until the neighbour is known (neigh_resolve_output).
   */
  output(device: Device, addr: Addr, packet: Waiting, source: number): void {
    const entry = this.getOrCreate(device, addr)
    if (entry === undefined) return
    if (entry.isConnected || this.#ready(entry)) this.#transmit(entry, packet, source)
    else this.#wait(entry, packet)
  }

  #transmit(entry: NeighborEntry, packet: Waiting, source: number): void {
    const frame: Frame = {
      etherType: packet.etherType,
      destination: entry.mac ?? 0,
      source,
      octets: packet.octets,
      shared: false,
      forwarded: packet.input !== undefined,
    }
    entry.device.send(frame)
  }

  #wait(entry: NeighborEntry, packet: Waiting): void {
    while (
      entry.waiting.length > 0 &&
      entry.waitingOctets + packet.octets.length > MOST_WAITING_OCTETS
    ) {
      entry.waitingOctets -= entry.waiting.shift()!.octets.length
    }
    entry.waiting.push(packet)
    entry.waitingOctets += packet.octets.length
    if (entry.probes === 0 && entry.state === 'incomplete') this.#probe(entry)
  }

  /** neigh_event_send: whether the entry can be sent to now; starts or restarts what finds out. */
  #ready(entry: NeighborEntry): boolean {
    const { state } = entry
    entry.usedAt = this.#hooks.now()
    if (state === 'delay' || state === 'probe') return true
    if (state === 'stale') {
      this.#set(entry, 'delay')
      this.#arm(entry, this.#conf(entry).delay_first_probe_time * 1000)
      return true
    }
    if (state !== 'incomplete') {
      entry.probes = 0
      entry.updatedAt = this.#hooks.now()
      this.#set(entry, 'incomplete')
      this.#arm(entry, this.#retransMilliseconds(entry))
    }
    return false
  }

  #retransMilliseconds(entry: NeighborEntry): number {
    return Math.max(10, this.#conf(entry).retrans_time_ms)
  }

  #arm(entry: NeighborEntry, milliseconds: number): void {
    entry.timer?.cancel()
    entry.timer = this.#hooks.after(milliseconds, () => this.#fire(entry))
  }

  #probe(entry: NeighborEntry): void {
    const unicast = entry.state === 'probe'
    entry.probes++
    this.#hooks.solicit(entry, unicast)
  }

  #armReachable(entry: NeighborEntry): void {
    entry.reachableMilliseconds =
      this.#conf(entry).base_reachable_time_ms * (0.5 + this.#hooks.fraction())
    this.#arm(entry, entry.reachableMilliseconds)
  }

  /** neigh_timer_handler. */
  #fire(entry: NeighborEntry): void {
    const now = this.#hooks.now()
    const conf = this.#conf(entry)
    const delayMilliseconds = conf.delay_first_probe_time * 1000
    if (entry.state === 'reachable') {
      const until = entry.confirmedAt + entry.reachableMilliseconds
      if (now < until) this.#arm(entry, until - now)
      else if (now <= entry.usedAt + delayMilliseconds) {
        this.#set(entry, 'delay')
        this.#arm(entry, delayMilliseconds)
      } else this.#set(entry, 'stale')
      return
    }
    if (entry.state === 'delay') {
      if (now <= entry.confirmedAt + delayMilliseconds) {
        this.#set(entry, 'reachable')
        this.#armReachable(entry)
        return
      }
      entry.probes = 0
      this.#set(entry, 'probe')
    }
    if (entry.state !== 'incomplete' && entry.state !== 'probe') return
    const most =
      entry.state === 'probe'
        ? conf.ucast_solicit + conf.app_solicit + conf.mcast_resolicit
        : conf.mcast_solicit + conf.app_solicit
    if (entry.probes >= most) this.#fail(entry)
    else {
      this.#arm(entry, this.#retransMilliseconds(entry))
      this.#probe(entry)
    }
  }

  #fail(entry: NeighborEntry): void {
    this.#set(entry, 'failed')
    entry.mac = undefined
    // neigh_invalidate: an error that needs the very same neighbour starts it anew, and then the rest
    // of the queue, that error included, is dropped without a word.
    while (this.#isFailed(entry) && entry.waiting.length > 0) {
      this.#hooks.failed(entry, entry.waiting.shift()!)
    }
    entry.waiting.length = 0
    entry.waitingOctets = 0
  }

  #isFailed(entry: NeighborEntry): boolean {
    return entry.state === 'failed'
  }

  #set(entry: NeighborEntry, state: NeighborState): void {
    if (entry.state === state) return
    entry.state = state
    this.#hooks.changed(entry, 'set')
  }

  /** An upper layer has proof that the neighbour answers (dst_confirm). */
  confirm(device: Device, addr: Addr): void {
    const entry = this.get(device, addr)
    if (entry !== undefined) entry.confirmedAt = this.#hooks.now()
  }

  /**
   * News of a neighbour's address (neigh_update).
   * @param options.override let it replace another address that is still valid
   * @param source this link's own MAC, for what waited
   */
  update(
    entry: NeighborEntry,
    mac: number | undefined,
    state:
      | 'reachable'
      | 'stale'
      | 'permanent'
      | 'noarp'
      | 'failed'
      | 'incomplete'
      | 'delay'
      | 'probe',
    options: { override: boolean; administrative?: boolean },
    source: number,
  ): void {
    const isFixed = entry.state === 'permanent' || entry.state === 'noarp'
    if (isFixed && options.administrative !== true) return
    const now = this.#hooks.now()
    const next = state
    const address = mac ?? entry.mac
    if (entry.isValid && address !== entry.mac && !options.override) return
    const isOldNews = entry.isValid && address === entry.mac && state === 'stale'
    if (isOldNews && options.administrative !== true) return
    const isNews = address !== entry.mac || next !== entry.state
    if (next === 'reachable' || next === 'permanent') entry.confirmedAt = now
    if (address !== entry.mac) entry.updatedAt = now
    entry.mac = address
    if (next !== entry.state) {
      entry.timer?.cancel()
      entry.state = next
      entry.updatedAt = now
    }
    if (next === 'reachable' && isNews) this.#armReachable(entry)
    if (next === 'incomplete' || next === 'probe') {
      entry.probes = 0
      this.#arm(entry, this.#retransMilliseconds(entry))
    }
    if (isNews) this.#hooks.changed(entry, 'set')
    if (entry.isValid) this.#release(entry, source)
  }

  #release(entry: NeighborEntry, source: number): void {
    const waiting = entry.waiting.splice(0)
    entry.waitingOctets = 0
    for (const packet of waiting) this.#transmit(entry, packet, source)
  }
}
