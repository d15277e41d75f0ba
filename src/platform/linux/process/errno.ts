import { constants } from 'node:os'

/** Names that node:os leaves out (asm-generic/errno.h). */
const MORE: Readonly<Record<number, string>> = {
  64: 'ENONET',
  93: 'EPROTONOSUPPORT',
  94: 'ESOCKTNOSUPPORT',
  96: 'EPFNOSUPPORT',
  108: 'ESHUTDOWN',
  112: 'EHOSTDOWN',
}

/** Two numbers have two names each; these are the ones that manual pages use. */
const PREFERRED = ['EOPNOTSUPP', 'EAGAIN'] as const

const names: ReadonlyMap<number, string> = new Map([
  ...Object.entries(MORE).map(([number, name]) => [Number(number), name] as const),
  ...Object.entries(constants.errno).map(([name, number]) => [number, name] as const),
  ...PREFERRED.map((name) => [constants.errno[name], name] as const),
])

export const ERRNO = constants.errno

/** "ENOENT" of 2. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}
