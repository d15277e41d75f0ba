import type { Secret } from '../../../lib/secret.ts'
import type { Closable } from '../../../lib/closable.ts'
import { familyOf, type Family, type IpAddress } from '../../../net/ip-address.ts'
import type {
  TcpConnection,
  TcpConnectOptions,
  TcpEndpoint,
  TcpHandlers,
  TcpListener,
  TcpListenOptions,
  TcpStack,
} from '../../../net/transport.ts'
import { addressFamily, type Context } from '../netlink/context.ts'
import { ERRNO, errnoName } from '../process/errno.ts'
import { FdWatcher } from '../process/fd-watcher.ts'
import { setHopLimits } from './hop-limits.ts'
import { checked, type Libc } from '../process/libc.ts'
import { findLink } from '../netlink/links.ts'
import type { OpenHandles } from '../process/open-handles.ts'
import {
  anyAddress,
  endpointFrom,
  isLinkLocal,
  socketAddress,
  SOCKET_ADDRESS_OCTETS,
} from './socket-address.ts'
import { setOption, SOCK } from './socket-options.ts'
import { LinuxTcpConnection } from './tcp-connection.ts'
import { md5Signature } from './tcp-md5.ts'
import { isKernelError } from '../../../kernel/kernel.ts'

const BACKLOG = 512
/** After a connection could not be taken for want of descriptors. */
const REST_MILLISECONDS = 100

/** What a connection has until whoever accepted it says otherwise. */
const NO_HANDLERS: TcpHandlers = { onData() {}, onClose() {} }

/**
 * TCP in one namespace. Descriptors are made and dressed here, because Node can neither make one in
 * another namespace nor set options before the SYN; connected ones become Node's own sockets.
 */
export class LinuxTcpStack implements TcpStack {
  readonly #context: Context
  readonly #resources: OpenHandles

  constructor(context: Context, resources: OpenHandles) {
    this.#context = context
    this.#resources = resources
  }

  listen(options: TcpListenOptions, onAccept: (connection: TcpConnection) => void): TcpListener {
    const address = options.address ?? anyAddress(options.family)
    const what = `Listen on ${address} port ${options.port} of ${this.#context.name}`
    const fd = this.#socket(what, options.family)
    try {
      this.#prepareListener(what, fd, address, options)
    } catch (thrown) {
      this.#context.libc.close(fd)
      throw thrown
    }
    const listener = new LinuxTcpListener({
      libc: this.#context.libc,
      what,
      fd,
      onReady: () => this.#accept(fd, listener, onAccept),
      onClose: () => this.#resources.forget(listener),
    })
    return this.#resources.keep(listener)
  }

  connect(options: TcpConnectOptions, handlers: TcpHandlers): TcpConnection {
    const { libc, name } = this.#context
    const { remote } = options
    const what = `Connect to ${remote.address} port ${remote.port} from ${name}`
    const fd = this.#socket(what, familyOf(remote.address))
    let result: number
    try {
      result = this.#startConnecting(what, fd, options)
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      return this.#failed(fd, thrown.message, remote, handlers)
    }
    if (result < 0 && result !== -ERRNO.EINPROGRESS) {
      return this.#failed(fd, errnoName(-result), remote, handlers)
    }
    const connection = this.#connection(localEndpoint(libc, fd), remote, handlers)
    connection.awaitConnected(fd)
    return connection
  }

  #failed(
    fd: number,
    reason: string,
    remote: TcpEndpoint,
    handlers: TcpHandlers,
  ): LinuxTcpConnection {
    this.#context.libc.close(fd)
    const local = { address: anyAddress(familyOf(remote.address)), port: 0 }
    const connection = this.#connection(local, remote, handlers)
    connection.failSoon(reason)
    return connection
  }

  #connection(local: TcpEndpoint, remote: TcpEndpoint, handlers: TcpHandlers): LinuxTcpConnection {
    const { libc } = this.#context
    const resource: Closable = { close: () => connection.destroy() }
    const onEnd = (): void => this.#resources.forget(resource)
    const connection = new LinuxTcpConnection({ libc, local, remote, handlers, onEnd })
    this.#resources.keep(resource)
    return connection
  }

  #accept(
    fd: number,
    listener: LinuxTcpListener,
    onAccept: (connection: TcpConnection) => void,
  ): void {
    const { libc } = this.#context
    while (!listener.closed) {
      const accepted = libc.accept(fd)
      if (accepted === -ERRNO.ECONNABORTED) continue
      if (accepted < 0) {
        // Out of descriptors or memory: the connection stays ready, and asking for it at once again
        // would do nothing else.
        if (accepted !== -ERRNO.EAGAIN) listener.rest()
        return
      }
      const remote = remoteEndpoint(libc, accepted)
      const connection = this.#connection(localEndpoint(libc, accepted), remote, NO_HANDLERS)
      connection.adopt(accepted)
      onAccept(connection)
    }
  }

  #socket(what: string, family: Family): number {
    const type = SOCK.stream | SOCK.cloexec | SOCK.nonblock
    const { libc } = this.#context
    return this.#context.inside(() => checked(what, libc.socket(addressFamily(family), type, 0)))
  }

  #prepareListener(what: string, fd: number, address: IpAddress, options: TcpListenOptions): void {
    const { libc } = this.#context
    setOption(libc, what, fd, 'reuseAddress', 1)
    if (options.family === 6) setOption(libc, what, fd, 'ipv6Only', 1)
    setHopLimits(libc, what, fd, options.family, options)
    checked(what, libc.bind(fd, socketAddress({ address, port: options.port })))
    checked(what, libc.listen(fd, BACKLOG))
  }

  /** Everything that must be so before the SYN leaves, and the SYN. */
  #startConnecting(what: string, fd: number, options: TcpConnectOptions): number {
    const { libc } = this.#context
    const { remote, source, md5Key } = options
    setHopLimits(libc, what, fd, familyOf(remote.address), options)
    if (md5Key !== undefined) {
      const { option, value } = md5Signature(remote.address, md5Key)
      setOption(libc, what, fd, option, value)
    }
    if (options.interface !== undefined) {
      setOption(libc, what, fd, 'bindToDevice', Buffer.from(`${options.interface}\0`))
    }
    const scope =
      options.interface !== undefined && isLinkLocal(remote.address)
        ? findLink(this.#context, options.interface)?.index
        : undefined
    if (source !== undefined) {
      setOption(libc, what, fd, 'bindAddressNoPort', 1)
      checked(what, libc.bind(fd, socketAddress({ address: source, port: 0 }, scope)))
    }
    return libc.connect(fd, socketAddress(remote, scope))
  }
}

interface ListenerParts {
  readonly libc: Libc
  readonly what: string
  readonly fd: number
  readonly onReady: () => void
  readonly onClose: () => void
}

class LinuxTcpListener implements TcpListener, Closable {
  readonly port: number
  closed = false
  readonly #libc: Libc
  readonly #what: string
  readonly #fd: number
  readonly #onReady: () => void
  readonly #onClose: () => void
  #watcher: FdWatcher | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(parts: ListenerParts) {
    this.#libc = parts.libc
    this.#what = parts.what
    this.#fd = parts.fd
    this.#onReady = parts.onReady
    this.#onClose = parts.onClose
    this.port = localEndpoint(parts.libc, parts.fd).port
    this.#watch()
  }

  #watch(): void {
    this.#watcher = new FdWatcher(this.#fd, 'readable', this.#onReady)
  }

  /** Looks away for a moment. */
  rest(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#timer = setTimeout(() => this.#watch(), REST_MILLISECONDS)
  }

  setMd5Key(remote: IpAddress, key: Secret | undefined, prefixLength?: number): void {
    const { option, value } = md5Signature(remote, key, prefixLength)
    try {
      setOption(this.#libc, this.#what, this.#fd, option, value)
    } catch (thrown) {
      // To remove what is not there is no mistake.
      if (key !== undefined || !isKernelError(thrown, 'ENOENT')) throw thrown
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    clearTimeout(this.#timer)
    this.#watcher?.close()
    this.#libc.close(this.#fd)
    this.#onClose()
  }
}

function localEndpoint(libc: Libc, fd: number): TcpEndpoint {
  const address = new Uint8Array(SOCKET_ADDRESS_OCTETS)
  checked('Read a local address', libc.socketName(fd, address))
  return endpointFrom(address)
}

/** Zero where the other end is gone already. */
function remoteEndpoint(libc: Libc, fd: number): TcpEndpoint {
  const address = new Uint8Array(SOCKET_ADDRESS_OCTETS)
  libc.peerName(fd, address)
  return endpointFrom(address)
}
