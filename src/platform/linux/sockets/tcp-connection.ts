import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import type { TcpConnection, TcpEndpoint, TcpHandlers } from '../../../net/transport.ts'
import { familyOf } from '../../../net/ip-address.ts'
import { errnoName } from '../process/errno.ts'
import { FdWatcher } from '../process/fd-watcher.ts'
import { setHopLimits } from './hop-limits.ts'
import type { Libc } from '../process/libc.ts'
import { getOption } from './socket-options.ts'

const READ_OCTETS = 64 * 1024
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000

export interface TcpConnectionParts {
  readonly libc: Libc
  readonly local: TcpEndpoint
  readonly remote: TcpEndpoint
  readonly handlers: TcpHandlers
  /** Told once, when nothing of the connection is open any more. */
  readonly onEnd: (connection: LinuxTcpConnection) => void
}

/** One TCP connection: first a descriptor that is watched until it is connected, then a socket of Node's. */
export class LinuxTcpConnection implements TcpConnection {
  readonly local: TcpEndpoint
  readonly remote: TcpEndpoint
  handlers: TcpHandlers
  readonly #libc: Libc
  readonly #onEnd: (connection: LinuxTcpConnection) => void
  #fd = -1
  #watcher: FdWatcher | undefined
  #socket: Socket | undefined
  #paused = false
  #reason = 'closed'
  /** No handler is called any more. */
  #over = false

  constructor({ libc, local, remote, handlers, onEnd }: TcpConnectionParts) {
    this.#libc = libc
    this.local = local
    this.remote = remote
    this.handlers = handlers
    this.#onEnd = onEnd
  }

  /** Takes over a descriptor whose connect(2) is under way. */
  awaitConnected(fd: number): void {
    this.#fd = fd
    this.#watcher = new FdWatcher(fd, 'writable', () => {
      this.#stopWatching()
      const errno = Buffer.alloc(4)
      getOption(this.#libc, fd, 'error', errno)
      if (errno.readInt32LE() !== 0) return this.#fail(errnoName(errno.readInt32LE()))
      this.adopt(fd)
      this.handlers.onConnect?.()
    })
  }

  /** Tells from the event loop that connect(2) failed at once. */
  failSoon(errno: string): void {
    setImmediate(() => this.#fail(errno))
  }

  /** Takes over a connected descriptor. */
  adopt(fd: number): void {
    this.#fd = fd
    const onread: OnReadOpts = {
      buffer: Buffer.allocUnsafeSlow(READ_OCTETS),
      callback: (count, buffer) => {
        if (!this.#over) this.handlers.onData(buffer.subarray(0, count))
        return !this.#paused
      },
    }
    // The types know `onread` of net.connect only; the constructor behind it takes it as well.
    const options: SocketConstructorOpts & { readonly onread: OnReadOpts } = { fd, onread }
    const socket = new Socket(options)
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('drain', () => this.#over || this.handlers.onDrain?.())
    socket.on('end', () => (this.#reason = 'closed by the peer'))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#reason = error.code ?? error.message
    })
    socket.on('close', () => this.#end(this.#reason))
  }

  setHopLimits(limits: { readonly ttl?: number; readonly minimumTtl?: number }): void {
    if (this.#over || this.#fd < 0) return
    const family = familyOf(this.local.address)
    setHopLimits(this.#libc, this.#describe(), this.#fd, family, limits)
  }

  write(octets: Uint8Array): boolean {
    const socket = this.#socket
    if (socket === undefined) throw new Error(`${this.#describe()} is not connected yet`)
    if (socket.destroyed || socket.writableEnded) return true
    // With nothing queued the kernel can have the octets directly, which spares a copy and the queue.
    const sent =
      socket.writableLength > 0 ? 0 : this.#libc.send(this.#fd, octets, MSG_DONTWAIT | MSG_NOSIGNAL)
    if (sent === octets.length) return true
    // Whatever the error was, Node's own attempt meets it again and reports it as an event.
    return socket.write(Buffer.from(octets.subarray(Math.max(sent, 0))))
  }

  get unsentOctets(): number {
    return this.#socket?.writableLength ?? 0
  }

  pause(): void {
    this.#paused = true
    this.#socket?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#socket?.resume()
  }

  close(): void {
    if (this.#socket !== undefined) this.#socket.end()
    else if (this.#watcher !== undefined) {
      this.#stopWatching()
      setImmediate(() => this.#fail('closed'))
    }
  }

  destroy(): void {
    if (this.#over) return
    this.#over = true
    this.#stopWatching()
    if (this.#socket !== undefined) this.#socket.destroy()
    else if (this.#fd >= 0) this.#libc.close(this.#fd)
    this.#onEnd(this)
  }

  #stopWatching(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  /** Ends a connection that never was. */
  #fail(reason: string): void {
    if (this.#over) return
    if (this.#fd >= 0) this.#libc.close(this.#fd)
    this.#end(reason)
  }

  #end(reason: string): void {
    if (this.#over) return
    this.#over = true
    this.#onEnd(this)
    this.handlers.onClose(reason)
  }

  #describe(): string {
    return `The connection to ${this.remote.address} port ${this.remote.port}`
  }
}
