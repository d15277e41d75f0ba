import type { Family } from '../../../net/ip-address.ts'
import type { Libc } from '../process/libc.ts'
import { setOption } from './socket-options.ts'

/** Sets the TTL (hop limit) of what a socket sends, and the least that it accepts (GTSM, RFC 5082). */
export function setHopLimits(
  libc: Libc,
  what: string,
  fd: number,
  family: Family,
  { ttl, minimumTtl }: { readonly ttl?: number; readonly minimumTtl?: number },
): void {
  if (ttl !== undefined) {
    setOption(libc, what, fd, family === 4 ? 'ipTtl' : 'ipv6UnicastHops', ttl)
  }
  if (minimumTtl !== undefined) {
    setOption(libc, what, fd, family === 4 ? 'ipMinimumTtl' : 'ipv6MinimumHopCount', minimumTtl)
  }
}
