import type { Closable } from '../../../lib/closable.ts'
import { NFNLGRP_NFTABLES } from '../../../wire/netlink/nftables.ts'
import type { Context } from '../netlink/context.ts'
import { ERRNO } from '../process/errno.ts'
import { FdWatcher } from '../process/fd-watcher.ts'
import { checked } from '../process/libc.ts'
import { NETLINK } from '../netlink/netlink-socket.ts'
import { SOCK } from '../sockets/socket-options.ts'

const AF_NETLINK = 16
const SOCKADDR_NL_OCTETS = 12
/** What is told is not read, only that something is: the rest of a message may be lost. */
const BUFFER_OCTETS = 64

/**
 * Calls `listener` after changes of the packet filter, once for all that are told of by then; what the
 * kernel could not queue counts as one more. Undefined where the kernel has no packet filter to watch.
 */
export function watchPacketFilter(context: Context, listener: () => void): Closable | undefined {
  const { libc, name } = context
  const type = SOCK.raw | SOCK.cloexec | SOCK.nonblock
  const fd = context.inside(() => libc.socket(AF_NETLINK, type, NETLINK.netfilter))
  if (fd === -ERRNO.EPROTONOSUPPORT) return undefined
  const what = `Watch the packet filter of ${name}`
  checked(what, fd)
  const bound = libc.bind(fd, groupAddress())
  if (bound < 0) {
    libc.close(fd)
    if (bound === -ERRNO.ENOENT) return undefined
    checked(what, bound)
  }
  const buffer = Buffer.allocUnsafeSlow(BUFFER_OCTETS)
  let closed = false
  const watcher = new FdWatcher(fd, 'readable', () => {
    let result: number
    do result = libc.receive(fd, buffer, 0)
    while (result >= 0 || result === -ERRNO.ENOBUFS || result === -ERRNO.EINTR)
    if (!closed) listener()
  })
  return {
    close() {
      if (closed) return
      closed = true
      watcher.close()
      libc.close(fd)
    },
  }
}

/** struct sockaddr_nl with the one group as a bit. */
function groupAddress(): Uint8Array {
  const address = Buffer.alloc(SOCKADDR_NL_OCTETS)
  address.writeUInt16LE(AF_NETLINK)
  address.writeUInt32LE(1 << (NFNLGRP_NFTABLES - 1), 8)
  return address
}
