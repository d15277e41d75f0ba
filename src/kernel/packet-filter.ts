import type { Family, IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'

/**
 * One table of the kernel's packet filter (nftables, family inet), whole: what is not in the
 * description is not in the table. Other tables are nobody's business here.
 *
 *     base chain --rules--> regular chain --rules--> ...     counters: named by the rules that count
 *         |  lookup                 ^
 *         +--> verdict map: key --> jump
 */
export interface FilterTable {
  /** "tortie". */
  readonly name: string
  readonly sets: readonly FilterSet[]
  /** None when absent. */
  readonly maps?: readonly FilterMap[]
  /** None when absent. */
  readonly flowtables?: readonly FilterFlowtable[]
  readonly chains: readonly FilterChain[]
}

/** What one field of a key is. Addresses belong to one family: a packet of the other is never found. */
export type FilterFieldType = 'ipv4' | 'ipv6' | 'protocol' | 'port' | 'link' | 'mark'

/** Both ends included. */
export interface PortInterval {
  readonly first: number
  readonly last: number
}

/** A link by its whole name. */
export interface NamedLink {
  readonly link: string
}

/**
 * A value of a field: an address is a prefix ("10.0.0.1/32" where it is part of several fields), a link
 * its name, a port one number or a range (a range only where the key is the port alone).
 */
export type FilterValue = Prefix | NamedLink | number | PortInterval

/** The value of the one field, or one value for each field of the key. */
export type FilterKey = FilterValue | readonly FilterValue[]

/**
 * Values to look packets up in, at a cost that does not grow with their number. A set of addresses or
 * of ports alone holds intervals, of which one inside another adds nothing; all others hold exact values.
 */
export interface FilterSet {
  readonly name: string
  readonly key: readonly FilterFieldType[]
  readonly elements: readonly FilterKey[]
}

/** Keys as in a set, and what each is mapped to. Intervals of a map do not overlap. */
export type FilterMap = VerdictMap | MarkMap

export interface VerdictMap {
  readonly name: string
  readonly key: readonly FilterFieldType[]
  readonly value: 'verdict'
  readonly entries: readonly (readonly [key: FilterKey, verdict: MappedVerdict])[]
}

export interface MarkMap {
  readonly name: string
  readonly key: readonly FilterFieldType[]
  readonly value: 'mark'
  readonly entries: readonly (readonly [key: FilterKey, mark: number])[]
}

/**
 * Connections handed to it by {@link FilterRule.offload} pass from one of these links to another without
 * the chains (Documentation/networking/nf_flowtable.rst).
 */
export interface FilterFlowtable {
  readonly name: string
  readonly priority: number
  readonly links: readonly string[]
}

/** Where packets are when a chain sees them (netfilter's hooks, linux/netfilter.h). */
export type FilterHook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'

/** Priorities by the names that nft gives them: lower is earlier (linux/netfilter_ipv4.h NF_IP_PRI_*). */
export const FILTER_PRIORITY = { raw: -300, mangle: -150, filter: 0, sourceNat: 100 } as const

export type FilterChain = BaseChain | RegularChain

/** A chain that packets enter at a hook. */
export interface BaseChain {
  readonly name: string
  /** A chain of type nat sees the first packet of each connection, and belongs to postrouting. */
  readonly type: 'filter' | 'nat'
  readonly hook: FilterHook
  readonly priority: number
  /** What happens to packets that no rule decides about. */
  readonly policy: 'accept' | 'drop'
  /** The first that decides is the last that is asked. */
  readonly rules: readonly FilterRule[]
}

/** A chain that packets enter by a jump or goto. At its end a packet returns to where it jumped. */
export interface RegularChain {
  readonly name: string
  readonly hook?: undefined
  readonly rules: readonly FilterRule[]
}

/**
 * What is done to packets that match, in the order of the fields. A rule is known by what it says: one
 * that stays the same is not touched when others come, go or change.
 */
export interface FilterRule {
  /** All of it must hold, asked in this order; without any condition every packet matches. */
  readonly match: readonly FilterMatch[]
  /** Name of the counter that counts what matched; rules may share one. */
  readonly counter?: string
  readonly log?: FilterLog
  /** Bits of the packet's mark to change, or a map that has the new mark: nothing without an entry. */
  readonly mark?: MarkChange | FilterLookup
  /** Copies the packet's mark to its connection, or back. */
  readonly connectionMark?: 'save' | 'restore'
  /** The connection is not tracked: before tracking, with a priority below -200. */
  readonly untracked?: true
  /** Name of the flowtable that takes the connection over. */
  readonly offload?: string
  /** Without one the next rule is asked. */
  readonly verdict?: FilterVerdict
  /** What a rule that masquerades makes of the source, where that is not left to the kernel. */
  readonly newSource?: NewSource
  /** For a reader of the table: nft shows it behind the rule. At most 127 octets. */
  readonly comment?: string
}

export interface NewSource {
  /** Instead of an address of the link that the packet leaves by; a set of the rule has its family. */
  readonly address?: IpAddress
  /** First and last of those to choose from; they go with the protocol of TCP or UDP. */
  readonly ports?: readonly [first: number, last: number]
}

export interface FilterLog {
  /** At most 127 octets. */
  readonly prefix: string
  /** Of nfnetlink_log, for a program that listens; the kernel's own log when absent. */
  readonly group?: number
}

/** The bits of `mask` become those of `value`; both are 32 bits. */
export interface MarkChange {
  readonly mask: number
  readonly value: number
}

/**
 * Accept ends this table's chains of the hook; drop ends all. Return goes back to where the packet
 * jumped from, or to the policy. Jump comes back behind the rule, goto to where its chain would return.
 *
 * Masquerade rewrites the source to an address of the link that the packet leaves by, and the answers
 * back; it belongs to chains of type nat. The source port (echo identifier) stays where nobody has it
 * yet and it is one of those to choose from; or, randomly, is another that is not to be foreseen, so
 * that two connections that begin at once do not take the same (nf_nat_used_tuple sees only those whose
 * first packet has left).
 */
export type FilterVerdict =
  | MappedVerdict
  | 'masquerade'
  | 'masqueradeRandomly'
  | { readonly reject: Rejection }
  /** The verdict that a map has for the packet; without an entry the next rule is asked. */
  | FilterLookup

/** What a verdict map can hold. */
export type MappedVerdict =
  | 'accept'
  | 'drop'
  | 'return'
  | { readonly jump: string }
  | { readonly goto: string }

/** What the sender is told; a reset only goes with TCP. */
export type Rejection =
  | 'noRoute'
  | 'portUnreachable'
  | 'hostUnreachable'
  | 'administrativelyProhibited'
  | 'tcpReset'

/** What of a packet is looked up, a field for each of the map's key. */
export interface FilterLookup {
  readonly map: string
  readonly key: readonly PacketField[]
}

/** Ports belong to TCP, UDP, UDP-Lite, SCTP and DCCP: the key or the rule has the protocol, too. */
export type PacketField =
  | 'source'
  | 'destination'
  | 'protocol'
  | 'sourcePort'
  | 'destinationPort'
  | 'inputLink'
  | 'outputLink'
  | 'mark'

/** States of conntrack (linux/netfilter/nf_conntrack_common.h). */
export type ConnectionState = 'invalid' | 'established' | 'related' | 'new' | 'untracked'

/** One condition. With `not` it holds where it else would not, but for packets that it does not apply to. */
export type FilterMatch =
  /** Name of the link; "cali*" is any name that begins with "cali". */
  | { readonly kind: 'inputLink' | 'outputLink'; readonly link: string; readonly not?: true }
  | { readonly kind: 'family'; readonly family: Family }
  /** IP protocol number, behind extension headers in IPv6. */
  | { readonly kind: 'protocol'; readonly protocol: number; readonly not?: true }
  /** Goes with a protocol that has ports, matched before. */
  | {
      readonly kind: 'sourcePort' | 'destinationPort'
      readonly ports: PortInterval | number
      readonly not?: true
    }
  /** Goes with the protocol of ICMP (1) or ICMPv6 (58), matched before. */
  | { readonly kind: 'icmp'; readonly type: number; readonly code?: number }
  /** Packets of another family than the prefix's never match. */
  | {
      readonly kind: 'source' | 'destination'
      readonly prefix: Prefix
      readonly not?: true
    }
  /** Whether the fields are in a set of the table. */
  | {
      readonly kind: 'set'
      readonly set: string
      readonly key: readonly PacketField[]
      readonly not?: true
    }
  | { readonly kind: 'mark'; readonly mask: number; readonly value: number; readonly not?: true }
  /** One of the states. */
  | { readonly kind: 'connection'; readonly states: readonly ConnectionState[] }
  /** The destination is an address of the node itself. */
  | { readonly kind: 'destinationIsLocal'; readonly not?: true }
  /** The way back to the source does not lead out of the link that the packet came in by; belongs to prerouting. */
  | { readonly kind: 'sourceIsElsewhere' }
  /** At most so many packets of those that come so far in the rule; after a pause up to `burst` at once. */
  | {
      readonly kind: 'limit'
      readonly packets: number
      readonly per: 'second' | 'minute' | 'hour'
      readonly burst: number
    }

export interface FilterCounter {
  readonly packets: number
  /** Of whole packets, from the network header on. */
  readonly octets: number
}

/** What {@link Kernel.keepPacketFilter} did to one object of the table. */
export interface FilterChange {
  readonly object: 'table' | 'chain' | 'set' | 'map' | 'counter' | 'flowtable'
  readonly name: string
  /** "replaced": it could not become what it should be in place. "changed": it stayed where it was. */
  readonly change: 'added' | 'removed' | 'replaced' | 'changed'
  /** Rules of a chain, elements of a set or map. */
  readonly added: number
  readonly removed: number
}
