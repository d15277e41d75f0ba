import type { Libc } from '../process/libc.ts'
import type { NetlinkSocket } from './netlink-socket.ts'

/** What the parts of one namespace's kernel share. */
export interface Context {
  /** For errors. */
  readonly name: string
  readonly libc: Libc
  readonly netlink: NetlinkSocket
  /** Runs something synchronous in the namespace. */
  inside<Result>(body: () => Result): Result
}

export const AF = { unspecified: 0, inet: 2, bridge: 7, inet6: 10 } as const

export function addressFamily(family: 4 | 6): number {
  return family === 4 ? AF.inet : AF.inet6
}
