import type { Secret } from '../lib/secret.ts'
import type { IpAddress } from './ip-address.ts'

/**
 * TCP and UDP as the core sees them; the real ones are in `platform`, the simulated one in `kernel/sim`.
 * Handlers are called from the event loop, never before the call that set them up has returned.
 */

export interface TcpEndpoint {
  readonly address: IpAddress
  readonly port: number
}

export interface TcpConnectOptions {
  readonly remote: TcpEndpoint
  /** Local address to connect from; the kernel's choice when absent. */
  readonly source?: IpAddress
  /** TCP MD5 signature key (RFC 2385), set before the SYN. */
  readonly md5Key?: Secret
  /** TTL (hop limit) of what is sent. */
  readonly ttl?: number
  /** Least TTL accepted (GTSM, RFC 5082). */
  readonly minimumTtl?: number
  /** Interface to bind to, for link-local neighbors. */
  readonly interface?: string
}

export interface TcpListenOptions {
  /** Address to listen on; all of the family when absent. */
  readonly address?: IpAddress
  readonly family: 4 | 6
  readonly port: number
  readonly ttl?: number
  readonly minimumTtl?: number
}

export interface TcpHandlers {
  /** The connection is up. Not called on accepted ones. */
  onConnect?(): void
  /** Octets arrived; valid only during the call. */
  onData(octets: Uint8Array): void
  /** After `write` answered false: there is room again. */
  onDrain?(): void
  /** Over, for whatever reason, refused included; called exactly once, and nothing follows. */
  onClose(reason: string): void
}

export interface TcpConnection {
  readonly local: TcpEndpoint
  readonly remote: TcpEndpoint
  handlers: TcpHandlers
  /** Queues octets (they are copied or no longer needed on return); false asks the caller to wait for `onDrain`. */
  write(octets: Uint8Array): boolean
  /**
   * TTL of what is sent from now on and the least TTL accepted (GTSM), for connections that were
   * accepted; those that are made here have them from the options of `connect`.
   */
  setHopLimits?(limits: { readonly ttl?: number; readonly minimumTtl?: number }): void
  /** Octets queued here that the kernel has not taken yet. */
  readonly unsentOctets: number
  /** Stops and resumes `onData`, so that the peer's window closes. */
  pause(): void
  resume(): void
  /** Sends what is queued, then FIN. */
  close(): void
  /** Drops everything at once; `onClose` is not called. */
  destroy(): void
}

export interface TcpListener {
  readonly port: number
  /** Adds (or with undefined removes) the MD5 key that connections from this address must use. */
  setMd5Key(remote: IpAddress, key: Secret | undefined, prefixLength?: number): void
  close(): void
}

export interface TcpStack {
  /** Throws an Error that names address and port when they cannot be had. */
  listen(options: TcpListenOptions, onAccept: (connection: TcpConnection) => void): TcpListener
  /** Never throws for what the network does: failure arrives as `onClose`. */
  connect(options: TcpConnectOptions, handlers: TcpHandlers): TcpConnection
}

export interface UdpDatagram {
  readonly from: TcpEndpoint
  /** Local address it was sent to. */
  readonly to: IpAddress
  /** TTL (hop limit) it arrived with. */
  readonly ttl: number
  readonly octets: Uint8Array
}

export interface UdpSocket {
  readonly port: number
  send(octets: Uint8Array, to: TcpEndpoint): void
  close(): void
}

export interface UdpStack {
  /** @param options.ttl TTL of what is sent (BFD asks for 255) */
  bind(
    options: { address?: IpAddress; family: 4 | 6; port: number; ttl?: number },
    onDatagram: (datagram: UdpDatagram) => void,
  ): UdpSocket
}
