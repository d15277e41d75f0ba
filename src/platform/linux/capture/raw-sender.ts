import { KernelError } from '../../../kernel/kernel.ts'
import { addressFromOctets, type Family } from '../../../net/ip-address.ts'
import { AF, type Context } from '../netlink/context.ts'
import { checked } from '../process/libc.ts'
import { socketAddress } from '../sockets/socket-address.ts'
import { setOption, SOCK } from '../sockets/socket-options.ts'

/** A raw socket of this protocol takes packets with their IP header (raw(7)). */
const IPPROTO_RAW = 255

/** Sends whole IP packets as the namespace's own. The kernel fills in checksum and length of IPv4. */
export class RawSender {
  readonly #context: Context
  readonly #fds = new Map<Family, number>()

  constructor(context: Context) {
    this.#context = context
  }

  send(packet: Uint8Array): void {
    const { libc, name } = this.#context
    const family = familyOfPacket(packet, name)
    const destination = family === 4 ? packet.subarray(16, 20) : packet.subarray(24, 40)
    const to = { address: addressFromOctets(destination), port: 0 }
    checked(
      () => `Send a packet to ${to.address} from ${name}`,
      libc.sendTo(this.#socket(family), packet, 0, socketAddress(to)),
    )
  }

  close(): void {
    for (const fd of this.#fds.values()) this.#context.libc.close(fd)
    this.#fds.clear()
  }

  #socket(family: Family): number {
    const open = this.#fds.get(family)
    if (open !== undefined) return open
    const { libc, name } = this.#context
    const what = `Open a raw socket on ${name}`
    const domain = family === 4 ? AF.inet : AF.inet6
    const type = SOCK.raw | SOCK.cloexec | SOCK.nonblock
    const fd = this.#context.inside(() => checked(what, libc.socket(domain, type, IPPROTO_RAW)))
    this.#fds.set(family, fd)
    if (family === 4) setOption(libc, what, fd, 'broadcast', 1)
    else setOption(libc, what, fd, 'ipv6HeaderIncluded', 1)
    return fd
  }
}

function familyOfPacket(packet: Uint8Array, name: string): Family {
  const version = (packet[0] ?? 0) >> 4
  if (version === 4 && packet.length >= 20) return 4
  if (version === 6 && packet.length >= 40) return 6
  throw new KernelError(
    'EINVAL',
    `Send from ${name}: expected an IPv4 or IPv6 packet, found ${packet.length} octets of version ${version}`,
  )
}
