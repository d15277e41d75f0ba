import { type Family } from '../../net/ip-address.ts'
import { AFI, SAFI } from './iana.ts'

/** An address family as the wire has it (RFC 4760). */
export interface AfiSafi {
  readonly afi: number
  readonly safi: number
}

export function afiSafiOf(family: Family): AfiSafi {
  return { afi: family === 4 ? AFI.ipv4 : AFI.ipv6, safi: SAFI.unicast }
}

/** The family of a pair, or undefined for one that Tortie does not route. */
export function familyOfAfiSafi(afi: number, safi: number): Family | undefined {
  if (safi !== SAFI.unicast) return undefined
  if (afi === AFI.ipv4) return 4
  return afi === AFI.ipv6 ? 6 : undefined
}
