import type { Secret } from '../../../lib/secret.ts'
import { familyOf, type IpAddress } from '../../../net/ip-address.ts'
import type {
  TcpConnectOptions,
  TcpHandlers,
  TcpListener,
  TcpListenOptions,
} from '../../../net/transport.ts'
import { transportChecksumValid, writeTransportChecksum } from '../../../wire/packet/checksum.ts'
import { get16, set16 } from '../../../wire/packet/octets.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import * as tcp from '../../../wire/packet/tcp.ts'
import { type Addr, addrFromText, sameNetwork } from '../routing/addr.ts'
import {
  buildPacket,
  outputMtu,
  type OutputRoute,
  routeOutput,
  sendLocal,
} from '../ip/ip-output.ts'
import type { Inbound, Namespace, TransportError } from '../namespace.ts'
import type { NoRoute } from '../routing/routing.ts'
import { ConnectionTable } from './tcp-connection-table.ts'
import {
  type ReceivedSegment,
  type SegmentHeader,
  SimTcpConnection,
  type TcpEnvironment,
} from './tcp-connection.ts'
import {
  emptySignatureOption,
  sameDigest,
  signature,
  SIGNATURE_OPTION_OCTETS,
} from './tcp-signature.ts'

const { FLAG } = tcp

interface Listening {
  readonly options: TcpListenOptions
  readonly address: Addr | undefined
  readonly port: number
  readonly keys: { remote: Addr; length: number; key: Secret }[]
  onAccept(connection: SimTcpConnection): void
}

/** The TCP sockets of one namespace. */
export class TcpSockets implements TcpEnvironment {
  readonly namespace: Namespace
  readonly #connections = new ConnectionTable()
  readonly #listeners = new Set<Listening>()
  /** Where each connection's packets leave, until routes change. */
  readonly #accepting = new Map<SimTcpConnection, Listening>()

  constructor(namespace: Namespace) {
    this.namespace = namespace
    namespace.transports.set(IP_PROTOCOL.tcp, (packet) => this.#receive(packet))
    namespace.transportErrors.set(IP_PROTOCOL.tcp, (error) => this.#failed(error))
  }

  // What applications call.

  listen(options: TcpListenOptions, onAccept: (connection: SimTcpConnection) => void): TcpListener {
    const address = options.address === undefined ? undefined : addrFromText(options.address)
    const port = options.port === 0 ? this.#freePort() : options.port
    const where = `${options.address ?? (options.family === 4 ? '0.0.0.0' : '::')} port ${port}`
    if (address !== undefined && !this.namespace.isLocal(address)) {
      throw new Error(`Unable to listen on ${where}: EADDRNOTAVAIL`)
    }
    const isTaken = [...this.#listeners].some(
      (other) =>
        other.port === port &&
        other.options.family === options.family &&
        (other.address === undefined || address === undefined || other.address === address),
    )
    if (isTaken) throw new Error(`Unable to listen on ${where}: EADDRINUSE`)
    const listening: Listening = { options, address, port, keys: [], onAccept }
    this.#listeners.add(listening)
    return {
      port,
      setMd5Key: (remote, key, prefixLength) => setKey(listening, remote, key, prefixLength),
      close: () => this.#closeListener(listening),
    }
  }

  #closeListener(listening: Listening): void {
    this.#listeners.delete(listening)
    for (const [connection, owner] of this.#accepting) {
      if (owner === listening) connection.destroy()
    }
  }

  connect(options: TcpConnectOptions, handlers: TcpHandlers): SimTcpConnection {
    const remoteAddr = addrFromText(options.remote.address)
    const source = options.source === undefined ? undefined : addrFromText(options.source)
    const output =
      options.interface === undefined ? undefined : this.namespace.byName.get(options.interface)
    const route = routeOutput(this.namespace, { destination: remoteAddr, source, output })
    const isBindable = source === undefined || this.namespace.isLocal(source)
    const localAddr =
      typeof route === 'string'
        ? (source ?? (typeof remoteAddr === 'number' ? 0 : '\0'.repeat(8)))
        : route.source
    const connection = new SimTcpConnection({
      environment: this,
      localAddr,
      localPort: this.#freePort(),
      remoteAddr,
      remotePort: options.remote.port,
      md5Key: options.md5Key,
      ttl: options.ttl,
      minimumTtl: options.minimumTtl ?? 0,
      segmentOctets:
        typeof route === 'string' ? 536 : this.#segmentOctets(route, remoteAddr, options.md5Key),
      state: 'SYN-SENT',
      initialSequence: this.#initialSequence(),
    })
    connection.handlers = handlers
    this.namespace.counters.add('Tcp.ActiveOpens')
    const failure: string | undefined = !isBindable
      ? 'EADDRNOTAVAIL'
      : typeof route === 'string'
        ? route
        : undefined
    if (failure !== undefined) {
      connection.fail(failure)
      return connection
    }
    this.#connections.add(connection)
    connection.open()
    return connection
  }

  #segmentOctets(route: OutputRoute, remote: Addr, md5Key: Secret | undefined): number {
    const mtu = outputMtu(this.namespace, route, remote)
    const headers = typeof remote === 'number' ? 40 : 60
    return mtu - headers - (md5Key === undefined ? 0 : SIGNATURE_OPTION_OCTETS)
  }

  #initialSequence(): number {
    const { random } = this.namespace.machine
    return (random.below(0x10000) * 0x10000 + random.below(0x10000)) >>> 0
  }

  #freePort(): number {
    const used = new Set([...this.#listeners].map(({ port }) => port))
    for (const { localPort } of this.#connections) used.add(localPort)
    for (;;) {
      const port = 32_768 + this.namespace.machine.random.below(28_232)
      if (!used.has(port)) return port
    }
  }

  /** Connections of this namespace, for those who close down what a process held. */
  get connections(): Iterable<SimTcpConnection> {
    return this.#connections
  }

  // What connections call.

  send(connection: SimTcpConnection, header: SegmentHeader, data: Uint8Array): boolean {
    const { namespace } = this
    const route = routeOutput(namespace, {
      destination: connection.remoteAddr,
      source: connection.localAddr,
    })
    if (typeof route === 'string') {
      namespace.counters.add('Ip.OutNoRoutes')
      return false
    }
    this.#sendSegment(route, connection, header, data)
    return true
  }

  #sendSegment(
    route: OutputRoute,
    from: {
      localAddr: Addr
      localPort: number
      remoteAddr: Addr
      remotePort: number
      md5Key?: Secret | undefined
      ttl?: number | undefined
    },
    header: SegmentHeader,
    data: Uint8Array,
  ): void {
    const { namespace } = this
    const segmentHeader = tcp.encodeHeader({
      ...header,
      sourcePort: from.localPort,
      destinationPort: from.remotePort,
      ...optionsOf(header, from.md5Key),
    })
    const octets = buildPacket(namespace, from.localAddr, {
      destination: from.remoteAddr,
      protocol: IP_PROTOCOL.tcp,
      header: segmentHeader,
      payload: data,
      dontFragment: true,
      ...(from.ttl === undefined ? {} : { timeToLive: from.ttl }),
    })
    const at = octets.length - segmentHeader.length - data.length
    if (from.md5Key !== undefined) {
      const digest = signature(octets, at, octets.length, from.md5Key.reveal())
      octets.set(digest, at + tcp.headerOctets(octets, at) - 16)
      writeTransportChecksum(octets, 0, IP_PROTOCOL.tcp, at, octets.length)
    }
    namespace.counters.add('Tcp.OutSegs')
    if ((header.flags & FLAG.rst) !== 0) namespace.counters.add('Tcp.OutRsts')
    sendLocal(namespace, octets, route)
  }

  forget(connection: SimTcpConnection): void {
    this.#connections.delete(connection)
    this.#accepting.delete(connection)
  }

  confirm(connection: SimTcpConnection): void {
    const route: OutputRoute | NoRoute = routeOutput(this.namespace, {
      destination: connection.remoteAddr,
      source: connection.localAddr,
    })
    if (typeof route === 'string' || !route.device.needsNeighbors) return
    const nextHop = route.gateway ?? connection.remoteAddr
    this.namespace.neighbors(typeof nextHop === 'number' ? 4 : 6).confirm(route.device, nextHop)
  }

  established(connection: SimTcpConnection): void {
    const listening = this.#accepting.get(connection)
    if (listening === undefined) return
    this.#accepting.delete(connection)
    this.namespace.machine.clock.after(0, () => {
      if (this.#listeners.has(listening)) listening.onAccept(connection)
      else connection.destroy()
    })
  }

  // What the network brings.

  #receive(packet: Inbound): boolean {
    const { octets, at, end } = packet
    const { counters } = this.namespace
    counters.add('Tcp.InSegs')
    const isSound =
      !packet.isBroadcast &&
      !packet.isLinkGroup &&
      tcp.check(octets, at, end) &&
      transportChecksumValid(octets, 0, IP_PROTOCOL.tcp, at, end) === true
    if (!isSound) {
      counters.add('Tcp.InErrs')
      return true
    }
    const segment = segmentOf(octets, at, end)
    const local = tcp.destinationPort(octets, at)
    const remote = tcp.sourcePort(octets, at)
    const connection = this.#connections.find(packet.destination, local, packet.source, remote)
    if (connection !== undefined) {
      const isReopening =
        connection.state === 'TIME-WAIT' && (segment.flags & (FLAG.syn | FLAG.rst)) === FLAG.syn
      if (!isReopening) {
        if (packet.timeToLive < connection.minimumTtl) counters.add('TcpExt.TCPMinTTLDrop')
        else if (this.#isSigned(packet, connection.md5Key)) connection.receive(segment)
        return true
      }
      this.forget(connection)
    }
    this.#receiveUnconnected(packet, segment, local, remote)
    return true
  }

  /** The signature must be there and right if and only if a key is set (tcp_inbound_md5_hash). */
  #isSigned(packet: Inbound, key: Secret | undefined): boolean {
    const { counters } = this.namespace
    const { octets, at, end } = packet
    const digest = tcp.option(octets, at, tcp.OPTION.md5Signature)
    if (key === undefined && digest === undefined) return true
    if (key === undefined) counters.add('TcpExt.TCPMD5Unexpected')
    else if (digest === undefined) counters.add('TcpExt.TCPMD5NotFound')
    else if (sameDigest(digest, signature(octets, at, end, key.reveal()))) return true
    else counters.add('TcpExt.TCPMD5Failure')
    return false
  }

  #receiveUnconnected(
    packet: Inbound,
    segment: ReceivedSegment,
    local: number,
    remote: number,
  ): void {
    const listening = this.#listenerFor(packet, local)
    if (listening === undefined) return this.#reset(packet, segment, local, remote)
    if (packet.timeToLive < (listening.options.minimumTtl ?? 0)) {
      return this.namespace.counters.add('TcpExt.TCPMinTTLDrop')
    }
    const key = keyFor(listening, packet.source)
    if (!this.#isSigned(packet, key)) return undefined
    if ((segment.flags & FLAG.rst) !== 0) return undefined
    if ((segment.flags & FLAG.ack) !== 0) return this.#reset(packet, segment, local, remote)
    if ((segment.flags & FLAG.syn) === 0) return undefined
    return this.#accept(packet, segment, local, remote, listening, key)
  }

  #listenerFor(packet: Inbound, port: number): Listening | undefined {
    let any: Listening | undefined
    for (const each of this.#listeners) {
      if (each.port !== port || each.options.family !== packet.family) continue
      if (each.address === packet.destination) return each
      if (each.address === undefined) any = each
    }
    return any
  }

  #accept(
    packet: Inbound,
    segment: ReceivedSegment,
    local: number,
    remote: number,
    listening: Listening,
    key: Secret | undefined,
  ): void {
    const route = routeOutput(this.namespace, {
      destination: packet.source,
      source: packet.destination,
    })
    if (typeof route === 'string') return
    this.namespace.counters.add('Tcp.PassiveOpens')
    const connection = new SimTcpConnection({
      environment: this,
      localAddr: packet.destination,
      localPort: local,
      remoteAddr: packet.source,
      remotePort: remote,
      md5Key: key,
      ttl: listening.options.ttl,
      minimumTtl: listening.options.minimumTtl ?? 0,
      segmentOctets: this.#segmentOctets(route, packet.source, key),
      state: 'SYN-RECEIVED',
      initialSequence: this.#initialSequence(),
    })
    connection.acceptSyn(segment)
    this.#connections.add(connection)
    this.#accepting.set(connection, listening)
    connection.open()
  }

  /** RST for what belongs to no connection (RFC 9293 section 3.5.2). */
  #reset(packet: Inbound, segment: ReceivedSegment, local: number, remote: number): void {
    if ((segment.flags & FLAG.rst) !== 0) return
    const from = {
      localAddr: packet.destination,
      localPort: local,
      remoteAddr: packet.source,
      remotePort: remote,
    }
    const route = routeOutput(this.namespace, {
      destination: packet.source,
      source: packet.destination,
    })
    if (typeof route === 'string') return
    const hasAck = (segment.flags & FLAG.ack) !== 0
    const length =
      segment.data.length +
      ((segment.flags & FLAG.syn) === 0 ? 0 : 1) +
      ((segment.flags & FLAG.fin) === 0 ? 0 : 1)
    const header = {
      sequence: hasAck ? segment.acknowledgment : 0,
      acknowledgment: hasAck ? 0 : (segment.sequence + length) >>> 0,
      flags: hasAck ? FLAG.rst : FLAG.rst | FLAG.ack,
      window: 0,
    }
    this.#sendSegment(route, from, header, new Uint8Array(0))
  }

  /** An ICMP error came back for a segment of ours (tcp_v4_err). */
  #failed(error: TransportError): void {
    const local = get16(error.octets, error.at)
    const remote = get16(error.octets, error.at + 2)
    const connection = this.#connections.find(error.source, local, error.destination, remote)
    if (connection === undefined) return
    if (error.mtu !== undefined) {
      const headers = typeof error.source === 'number' ? 40 : 60
      const option = connection.md5Key === undefined ? 0 : SIGNATURE_OPTION_OCTETS
      connection.shrink(error.mtu - headers - option)
    } else if (connection.state === 'SYN-SENT') connection.fail(error.errno)
  }
}

function setKey(
  listening: Listening,
  remote: IpAddress,
  key: Secret | undefined,
  prefixLength?: number,
): void {
  const addr = addrFromText(remote)
  const length = prefixLength ?? (familyOf(remote) === 4 ? 32 : 128)
  const at = listening.keys.findIndex((each) => each.remote === addr && each.length === length)
  if (at >= 0) listening.keys.splice(at, 1)
  if (key !== undefined) listening.keys.push({ remote: addr, length, key })
  listening.keys.sort((a, b) => b.length - a.length)
}

function keyFor(listening: Listening, remote: Addr): Secret | undefined {
  return listening.keys.find(
    (each) => typeof each.remote === typeof remote && sameNetwork(each.remote, remote, each.length),
  )?.key
}

function optionsOf(header: SegmentHeader, md5Key: Secret | undefined): { options?: Uint8Array } {
  const size = header.maximumSegment
  const sizeOctets = size === undefined ? 0 : 4
  const signatureOctets = md5Key === undefined ? 0 : SIGNATURE_OPTION_OCTETS
  if (sizeOctets + signatureOctets === 0) return {}
  const options = new Uint8Array(sizeOctets + signatureOctets)
  if (size !== undefined) {
    options[0] = tcp.OPTION.maximumSegmentSize
    options[1] = 4
    set16(options, 2, size)
  }
  if (md5Key !== undefined) options.set(emptySignatureOption(), sizeOctets)
  return { options }
}

function segmentOf(octets: Uint8Array, at: number, end: number): ReceivedSegment {
  const flags = tcp.flags(octets, at)
  const size =
    (flags & FLAG.syn) === 0 ? undefined : tcp.option(octets, at, tcp.OPTION.maximumSegmentSize)
  return {
    sequence: tcp.sequence(octets, at),
    acknowledgment: tcp.acknowledgment(octets, at),
    flags,
    window: tcp.window(octets, at),
    data: octets.subarray(at + tcp.headerOctets(octets, at), end),
    ...(size?.length === 2 ? { maximumSegment: get16(size, 0) } : {}),
  }
}
