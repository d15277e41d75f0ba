import type { Family, IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'

/**
 * One table of the kernel's packet filter (nftables, family inet), whole: what is not in the
 * description is not in the table. Other tables are nobody's business here.
 */
export interface FilterTable {
  /** "tortie". */
  readonly name: string
  readonly sets: readonly FilterSet[]
  readonly chains: readonly FilterChain[]
}

/** Networks and single addresses of one family; a prefix inside another adds nothing. */
export interface FilterSet {
  readonly name: string
  readonly family: Family
  readonly prefixes: readonly Prefix[]
}

/** Where packets are when a chain sees them (netfilter's hooks, linux/netfilter.h). */
export type FilterHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'

/** Priorities by the names that nft gives them: lower is earlier (linux/netfilter_ipv4.h NF_IP_PRI_*). */
export const FILTER_PRIORITY = { raw: -300, filter: 0, sourceNat: 100 } as const

export interface FilterChain {
  readonly name: string
  /** A chain of type nat sees the first packet of each connection, and belongs to postrouting. */
  readonly type: 'filter' | 'nat'
  readonly hook: FilterHook
  readonly priority: number
  /** What happens to packets that no rule decides about. */
  readonly policy: 'accept' | 'drop'
  /** The first that matches decides. */
  readonly rules: readonly FilterRule[]
}

export interface FilterRule {
  /** All of it must hold; without any condition every packet matches. */
  readonly match: FilterMatch
  /** Name of the counter that counts what matched; rules may share one. */
  readonly counter?: string
  readonly verdict: FilterVerdict
  /** What a rule that masquerades makes of the source, where that is not left to the kernel. */
  readonly newSource?: NewSource
}

export interface NewSource {
  /** Instead of an address of the link that the packet leaves by; a set of the rule has its family. */
  readonly address?: IpAddress
  /** First and last of those to choose from; they go with the protocol of TCP or UDP. */
  readonly ports?: readonly [first: number, last: number]
}

/**
 * Accept ends this chain and no other. Masquerade rewrites the source to an address of the link that
 * the packet leaves by, and the answers back; it belongs to chains of type nat. The source port (echo
 * identifier) stays where nobody has it yet and it is one of those to choose from; or, randomly, is
 * another that is not to be foreseen, so that two connections that begin at once do not take the same
 * (nf_nat_used_tuple sees only those whose first packet has left).
 */
export type FilterVerdict = 'accept' | 'drop' | 'masquerade' | 'masqueradeRandomly'

export interface FilterMatch {
  /** Name of the link; "cali*" is any name that begins with "cali". */
  readonly inputLink?: string
  /** Any link but those of this name. */
  readonly notInputLink?: string
  readonly outputLink?: string
  /** IP protocol number, behind extension headers in IPv6. */
  readonly protocol?: number
  /** TCP's or UDP's; goes with their protocol number. */
  readonly destinationPort?: number
  readonly source?: FilterSetMatch
  readonly destination?: FilterSetMatch
  /** The way back to the source does not lead out of the link that the packet came in by; belongs to prerouting. */
  readonly sourceIsElsewhere?: true
}

/** Whether an address is in a set of the table; packets of another family than the set's never match. */
export interface FilterSetMatch {
  readonly set: string
  /** True: it is not in it. */
  readonly not?: boolean
}

export interface FilterCounter {
  readonly packets: number
  /** Of whole packets, from the network header on. */
  readonly octets: number
}

/**
 * What {@link Kernel.keepPacketFilter} had to do: nothing, change members of sets (counters and rules
 * stay), or put the whole table in place of what was there.
 */
export type FilterChange = 'none' | 'sets' | 'table'
