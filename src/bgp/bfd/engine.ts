import { type Family, familyOf, type IpAddress } from '../../net/ip-address.ts'
import type { UdpDatagram, UdpSocket } from '../../net/transport.ts'
import { type BfdControlPacket, decodeBfdControlPacket } from '../../wire/bfd/control-packet.ts'
import type {
  Bfd,
  BfdChange,
  BfdPorts,
  BfdSession,
  BfdSessionConfig,
  BfdSessionStatus,
} from './bfd.ts'
import { checkBfdTimers } from './check-timers.ts'
import { AsynchronousSession } from './session.ts'

/** RFC 5881 section 4, RFC 5883 section 5. */
const PORT = { singleHop: 3784, multihop: 4784 } as const
/** RFC 5881 section 4: source ports are of this range. */
const SOURCE_PORT = { first: 49152, count: 16384 } as const
const SOURCE_PORT_ATTEMPTS = 16
/** RFC 5881 section 5: what has crossed a router has a lower one. */
const TTL = 255
const DEFAULTS = {
  desiredMinTxMilliseconds: 300,
  requiredMinRxMilliseconds: 300,
  detectMultiplier: 3,
} as const

interface Entry {
  readonly config: BfdSessionConfig
  readonly session: AsynchronousSession
  readonly socket: UdpSocket
}

/** All sessions of a speaker, their sockets, and which packet is whose. */
export class BfdEngine implements Bfd {
  readonly #ports: BfdPorts
  readonly #byDiscriminator = new Map<number, Entry>()
  readonly #byAddresses = new Map<string, Entry>()
  readonly #listeners = new Map<string, UdpSocket>()
  readonly #dropped = new Map<string, number>()

  constructor(ports: BfdPorts) {
    this.#ports = ports
  }

  get dropped(): ReadonlyMap<string, number> {
    return this.#dropped
  }

  add(config: BfdSessionConfig, onChange: (change: BfdChange) => void): BfdSession {
    const timers = { ...DEFAULTS, ...config }
    checkBfdTimers('bfd', timers)
    const key = addressesKey(config.local, config.remote, config.multihop === true)
    const former = this.#byAddresses.get(key)
    if (former?.session.state === 'AdminDown') this.#remove(former)
    else if (former !== undefined) {
      throw new Error(`There is a BFD session from ${config.local} to ${config.remote} already`)
    }
    const family = familyOf(config.remote)
    this.#listen(family, config.multihop === true)
    const socket = this.#sourceSocket(config.local, family)
    const to = { address: config.remote, port: portOf(config) }
    const session = new AsynchronousSession({
      clock: this.#ports.clock,
      random: this.#ports.random,
      discriminator: this.#newDiscriminator(),
      desiredMinTxMicroseconds: timers.desiredMinTxMilliseconds * 1000,
      requiredMinRxMicroseconds: timers.requiredMinRxMilliseconds * 1000,
      detectMultiplier: timers.detectMultiplier,
      send: (octets) => socket.send(octets, to),
      onChange: (change) => {
        this.#logChange(config, change)
        onChange(change)
      },
    })
    const entry = { config, session, socket }
    this.#byDiscriminator.set(session.discriminator, entry)
    this.#byAddresses.set(key, entry)
    return {
      status: () => statusOf(entry),
      close: () => {
        if (this.#byDiscriminator.get(session.discriminator) !== entry) return
        if (session.state !== 'AdminDown') session.endGently(() => this.#remove(entry))
      },
    }
  }

  sessions(): readonly BfdSessionStatus[] {
    return Array.from(this.#byDiscriminator.values(), statusOf)
  }

  close(): void {
    for (const entry of this.#byDiscriminator.values()) {
      entry.session.endGently(() => {})
      this.#remove(entry)
    }
    for (const listener of this.#listeners.values()) listener.close()
    this.#listeners.clear()
  }

  #remove(entry: Entry): void {
    const { config, session, socket } = entry
    const key = addressesKey(config.local, config.remote, config.multihop === true)
    if (this.#byAddresses.get(key) === entry) this.#byAddresses.delete(key)
    this.#byDiscriminator.delete(session.discriminator)
    session.end()
    socket.close()
  }

  #listen(family: Family, multihop: boolean): void {
    const key = `${family} ${multihop}`
    if (this.#listeners.has(key)) return
    const port = multihop ? PORT.multihop : PORT.singleHop
    const socket = this.#ports.udp.bind({ family, port, ttl: TTL }, (datagram) =>
      this.#receive(datagram, multihop),
    )
    this.#listeners.set(key, socket)
  }

  /** A socket of the session's own, whose port stays the same for its life (RFC 5881 section 4). */
  #sourceSocket(address: IpAddress, family: Family): UdpSocket {
    let failure: unknown
    for (let attempt = 0; attempt < SOURCE_PORT_ATTEMPTS; attempt++) {
      const port = SOURCE_PORT.first + this.#ports.random.below(SOURCE_PORT.count)
      try {
        return this.#ports.udp.bind({ address, family, port, ttl: TTL }, () => {})
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  #newDiscriminator(): number {
    for (;;) {
      const candidate = 1 + this.#ports.random.below(0xffffffff)
      if (!this.#byDiscriminator.has(candidate)) return candidate
    }
  }

  #receive(datagram: UdpDatagram, multihop: boolean): void {
    if (!multihop && datagram.ttl !== TTL) {
      this.#drop('TTL is not 255', datagram, `TTL ${datagram.ttl}`)
      return
    }
    const decoded = decodeBfdControlPacket(datagram.octets)
    if (!decoded.ok) {
      this.#drop('malformed', datagram, decoded.problem)
      return
    }
    const { packet } = decoded
    const entry = this.#entryFor(packet, datagram, multihop)
    if (entry === undefined) this.#drop('no such session', datagram)
    else if (packet.authenticationType !== undefined) {
      // RFC 5880 section 6.8.6: authentication on one side only is no session.
      const detail = `authentication type ${packet.authenticationType}; configure the neighbor's BFD without`
      this.#drop('authenticated', datagram, detail)
    } else entry.session.receive(packet)
  }

  #entryFor(
    packet: BfdControlPacket,
    { from, to }: UdpDatagram,
    multihop: boolean,
  ): Entry | undefined {
    if (packet.yourDiscriminator === 0) {
      return this.#byAddresses.get(addressesKey(to, from.address, multihop))
    }
    const entry = this.#byDiscriminator.get(packet.yourDiscriminator)
    const theirs = entry?.config.remote === from.address
    return theirs && (entry.config.multihop === true) === multihop ? entry : undefined
  }

  #drop(reason: string, { from, to }: UdpDatagram, detail?: string): void {
    const count = (this.#dropped.get(reason) ?? 0) + 1
    this.#dropped.set(reason, count)
    const fields = { from: from.address, to, detail, count }
    // A stranger can send any number of these: the first of a kind is told, then powers of ten.
    if (/^10*$/.test(String(count))) {
      this.#ports.log.warn(`BFD packet dropped: ${reason}`, fields)
    }
  }

  #logChange({ local, remote }: BfdSessionConfig, { up, reason }: BfdChange): void {
    if (up) this.#ports.log.info('BFD session up', { local, remote })
    else this.#ports.log.warn('BFD session down', { local, remote, reason })
  }
}

function portOf(config: BfdSessionConfig): number {
  return config.multihop === true ? PORT.multihop : PORT.singleHop
}

function addressesKey(local: IpAddress, remote: IpAddress, multihop: boolean): string {
  return `${local} ${remote} ${multihop}`
}

function statusOf({ config, session }: Entry): BfdSessionStatus {
  const { local, remote } = session.diagnostics
  return {
    local: config.local,
    remote: config.remote,
    multihop: config.multihop === true,
    state: session.state,
    remoteState: session.remoteState,
    diagnostic: local,
    remoteDiagnostic: remote,
    txIntervalMilliseconds: session.txIntervalMilliseconds,
    detectionTimeMilliseconds: session.detectionTimeMilliseconds,
    sent: session.sent,
    received: session.received,
  }
}
