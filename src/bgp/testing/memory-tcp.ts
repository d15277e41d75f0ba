import type { Clock } from '../../lib/clock.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type {
  TcpConnection,
  TcpConnectOptions,
  TcpEndpoint,
  TcpHandlers,
  TcpListener,
  TcpListenOptions,
  TcpStack,
} from '../../net/transport.ts'

/** One way, in milliseconds. */
const LATENCY = 1
/** Octets under way to a reader that does not read before the writer has to wait. */
const WINDOW_OCTETS = 1 << 18

interface Listening {
  readonly address: IpAddress
  readonly options: TcpListenOptions
  readonly onAccept: (connection: TcpConnection) => void
}

/** From a host's start until it is killed. */
interface Life {
  isOver: boolean
}

/**
 * TCP between hosts of one process on a clock: enough of it to run speakers against each other, with
 * latency, windows that close, links that are cut, and hosts that die without a word.
 */
export class MemoryNetwork {
  readonly clock: Clock
  readonly #listening = new Map<string, Listening>()
  readonly #cut = new Set<string>()
  readonly #open = new Set<MemoryConnection>()
  readonly #lives: { address: IpAddress; life: Life }[] = []
  #port = 40_000

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** The TCP of one host. */
  host(address: IpAddress): TcpStack {
    const life = { isOver: false }
    this.#lives.push({ address, life })
    return {
      listen: (options, onAccept) => this.#listen(address, options, onAccept),
      connect: (options, handlers) => this.#connect(address, options, handlers, life),
    }
  }

  /** From now on nothing passes between two hosts, and neither is told. */
  cut(a: IpAddress, b: IpAddress): void {
    this.#cut.add(`${a} ${b}`).add(`${b} ${a}`)
  }

  mend(a: IpAddress, b: IpAddress): void {
    this.#cut.delete(`${a} ${b}`)
    this.#cut.delete(`${b} ${a}`)
  }

  isCut(a: IpAddress, b: IpAddress): boolean {
    return this.#cut.has(`${a} ${b}`)
  }

  /** The host's processes are killed: its sockets are closed by its kernel, the others are told. */
  kill(address: IpAddress): void {
    for (const one of this.#lives) if (one.address === address) one.life.isOver = true
    for (const [key, { address: at }] of this.#listening)
      if (at === address) this.#listening.delete(key)
    for (const connection of this.#open) {
      if (connection.local.address === address) connection.destroy()
    }
  }

  /** Octets that `from` has written and `to` has not read. */
  unreadOctets(from: IpAddress, to: IpAddress): number {
    let octets = 0
    for (const { local, remote, unsentOctets } of this.#open) {
      if (local.address === from && remote.address === to) octets += unsentOctets
    }
    return octets
  }

  connectionsBetween(a: IpAddress, b: IpAddress): number {
    let count = 0
    for (const { local, remote } of this.#open) {
      if (local.address === a && remote.address === b) count++
    }
    return count
  }

  #listen(
    address: IpAddress,
    options: TcpListenOptions,
    onAccept: (connection: TcpConnection) => void,
  ): TcpListener {
    const port = options.port === 0 ? this.#port++ : options.port
    const key = `${address} ${port}`
    if (this.#listening.has(key)) throw new Error(`Address in use: ${address} port ${port}`)
    if (options.family === 6 && !address.includes(':')) throw new Error('No IPv6 here')
    if (options.family === 4 && address.includes(':')) throw new Error('No IPv4 here')
    this.#listening.set(key, { address, options, onAccept })
    return { port, setMd5Key() {}, close: () => void this.#listening.delete(key) }
  }

  #connect(
    from: IpAddress,
    options: TcpConnectOptions,
    handlers: TcpHandlers,
    life: Life,
  ): TcpConnection {
    const local = { address: options.source ?? from, port: this.#port++ }
    const near = new MemoryConnection(this, local, options.remote, handlers)
    this.clock.after(LATENCY, () => {
      if (near.isOver || life.isOver || this.isCut(from, options.remote.address)) return
      const listening = this.#listening.get(`${options.remote.address} ${options.remote.port}`)
      if (listening === undefined) {
        this.clock.after(LATENCY, () => near.end('ECONNREFUSED'))
        return
      }
      const far = new MemoryConnection(this, options.remote, local, { onData() {}, onClose() {} })
      near.join(far)
      far.join(near)
      this.#open.add(near).add(far)
      this.clock.after(LATENCY, () => {
        if (!near.isOver) near.handlers.onConnect?.()
      })
      listening.onAccept(far)
    })
    return near
  }

  forget(connection: MemoryConnection): void {
    this.#open.delete(connection)
  }
}

class MemoryConnection implements TcpConnection {
  readonly local: TcpEndpoint
  readonly remote: TcpEndpoint
  handlers: TcpHandlers
  isOver = false
  readonly #network: MemoryNetwork
  #peer: MemoryConnection | undefined
  /** Arrived, not read: octets, or the end. */
  readonly #arrived: (Uint8Array | 'end')[] = []
  #isPaused = false
  #isFinished = false
  #mustTellDrain = false
  /** Written, not read by the peer yet. */
  unsentOctets = 0

  constructor(
    network: MemoryNetwork,
    local: TcpEndpoint,
    remote: TcpEndpoint,
    handlers: TcpHandlers,
  ) {
    this.#network = network
    this.local = local
    this.remote = remote
    this.handlers = handlers
  }

  join(peer: MemoryConnection): void {
    this.#peer = peer
  }

  write(octets: Uint8Array): boolean {
    if (this.isOver || this.#isFinished) return true
    this.unsentOctets += octets.length
    this.#send(octets.slice())
    this.#mustTellDrain = this.unsentOctets > WINDOW_OCTETS
    return !this.#mustTellDrain
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#network.clock.after(0, () => this.#read())
  }

  close(): void {
    if (this.isOver) return
    this.#isFinished = true
    this.#send('end')
    this.#finish()
  }

  destroy(): void {
    if (this.isOver) return
    this.#send('end')
    this.#finish()
  }

  end(reason: string): void {
    if (this.isOver) return
    this.#finish()
    this.handlers.onClose(reason)
  }

  #finish(): void {
    this.isOver = true
    this.#network.forget(this)
  }

  #send(what: Uint8Array | 'end'): void {
    this.#network.clock.after(LATENCY, () => {
      const peer = this.#peer
      if (peer === undefined || this.#network.isCut(this.local.address, this.remote.address)) return
      peer.#arrived.push(what)
      peer.#read()
    })
  }

  #read(): void {
    while (!this.#isPaused && !this.isOver && this.#arrived.length > 0) {
      const next = this.#arrived.shift()!
      if (next === 'end') return this.end('closed by the peer')
      this.handlers.onData(next)
      if (this.#peer !== undefined) this.#peer.#acknowledge(next.length)
    }
  }

  #acknowledge(octets: number): void {
    this.unsentOctets -= octets
    if (!this.#mustTellDrain || this.unsentOctets > WINDOW_OCTETS / 2) return
    this.#mustTellDrain = false
    this.#network.clock.after(LATENCY, () => {
      if (!this.isOver) this.handlers.onDrain?.()
    })
  }
}
