import { attributes, list, nested } from './attributes.ts'
import { body } from './body.ts'
import { cstring, i32be, octets, struct, u16be, u32be, u64be, u8 } from './codec.ts'
import { expression, nftData } from './nftables-expressions.ts'

/** NFNL_SUBSYS_NFTABLES: the upper octet of a message's type (linux/netfilter/nfnetlink.h). */
export const NFNL_SUBSYS_NFTABLES = 10

/** Between them a transaction: all of it happens or nothing (linux/netfilter/nfnetlink.h). */
export const NFNL_MSG_BATCH = { begin: 0x10, end: 0x11 } as const

const type = (message: number): number => (NFNL_SUBSYS_NFTABLES << 8) | message

/** NFT_MSG_* (linux/netfilter/nf_tables.h). */
export const NFT_MSG = {
  newTable: type(0),
  getTable: type(1),
  deleteTable: type(2),
  newChain: type(3),
  getChain: type(4),
  deleteChain: type(5),
  newRule: type(6),
  getRule: type(7),
  deleteRule: type(8),
  newSet: type(9),
  getSet: type(10),
  deleteSet: type(11),
  newSetElement: type(12),
  getSetElement: type(13),
  deleteSetElement: type(14),
  getGeneration: type(16),
  newObject: type(18),
  getObject: type(19),
  deleteObject: type(20),
  newFlowtable: type(22),
  getFlowtable: type(23),
  deleteFlowtable: type(24),
} as const

/** NFNLGRP_NFTABLES: the multicast group that tells of every change. */
export const NFNLGRP_NFTABLES = 7

/** NFPROTO_* (linux/netfilter.h): families of tables, and what the key nfproto yields. */
export const NFPROTO = { inet: 1, ipv4: 2, ipv6: 10 } as const

/** NF_INET_* (linux/netfilter.h). */
export const NF_INET = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const

/** NF_DROP, NF_ACCEPT. */
export const NF_VERDICT = { drop: 0, accept: 1 } as const

/** NFT_SET_*: members that are ranges are two elements each; a map has a value for each element. */
export const NFT_SET = { interval: 0x4, map: 0x8 } as const
/** NFT_DATA_VERDICT: the type of a verdict map's values. */
export const NFT_DATA_VERDICT = 0xffff_ff00
/** NFT_SET_ELEM_INTERVAL_END: the element is the first that a range does not have. */
export const NFT_SET_ELEM_INTERVAL_END = 0x1
/** NFT_OBJECT_COUNTER. */
export const NFT_OBJECT_COUNTER = 1
/** Types of keys, known to the program nft alone (libnftables, enum datatypes); six bits each. */
export const NFT_KEY_TYPE = {
  ipv4Address: 7,
  ipv6Address: 8,
  protocol: 12,
  port: 13,
  mark: 19,
  linkName: 41,
} as const

/** struct nfgenmsg; the resource id says to whom a batch goes. */
const header = struct({ family: u8, version: u8, resource: u16be })

export const batchBody = body(
  header,
  attributes({
    /** The transaction is refused with ERESTART if the rule set is of another generation. */
    generation: ['NFNL_BATCH_GENID', 1, u32be],
  }),
)

export const tableBody = body(
  header,
  attributes({
    name: ['NFTA_TABLE_NAME', 1, cstring],
    flags: ['NFTA_TABLE_FLAGS', 2, u32be],
  }),
)

export const chainBody = body(
  header,
  attributes({
    table: ['NFTA_CHAIN_TABLE', 1, cstring],
    name: ['NFTA_CHAIN_NAME', 3, cstring],
    hook: [
      'NFTA_CHAIN_HOOK',
      nested(4),
      attributes({
        number: ['NFTA_HOOK_HOOKNUM', 1, u32be],
        priority: ['NFTA_HOOK_PRIORITY', 2, i32be],
      }),
    ],
    policy: ['NFTA_CHAIN_POLICY', 5, u32be],
    type: ['NFTA_CHAIN_TYPE', 7, cstring],
  }),
)

export const ruleBody = body(
  header,
  attributes({
    table: ['NFTA_RULE_TABLE', 1, cstring],
    chain: ['NFTA_RULE_CHAIN', 2, cstring],
    handle: ['NFTA_RULE_HANDLE', 3, u64be],
    expressions: ['NFTA_RULE_EXPRESSIONS', nested(4), list(nested(1), expression)],
    /** Handle of the rule to come before, or with NLM_F_APPEND behind. */
    position: ['NFTA_RULE_POSITION', 6, u64be],
    /** Kept for programs: what nft reads of it are rows of type, length and value. */
    userData: ['NFTA_RULE_USERDATA', 7, octets],
  }),
)

export const setBody = body(
  header,
  attributes({
    table: ['NFTA_SET_TABLE', 1, cstring],
    name: ['NFTA_SET_NAME', 2, cstring],
    flags: ['NFTA_SET_FLAGS', 3, u32be],
    keyType: ['NFTA_SET_KEY_TYPE', 4, u32be],
    keyOctets: ['NFTA_SET_KEY_LEN', 5, u32be],
    /** Of maps. */
    valueType: ['NFTA_SET_DATA_TYPE', 6, u32be],
    valueOctets: ['NFTA_SET_DATA_LEN', 7, u32be],
    /** Any number that is the set's alone within its transaction. */
    id: ['NFTA_SET_ID', 10, u32be],
    userData: ['NFTA_SET_USERDATA', 13, octets],
  }),
)

const element = attributes({
  key: ['NFTA_SET_ELEM_KEY', nested(1), attributes({ value: ['NFTA_DATA_VALUE', 1, octets] })],
  /** Of maps. */
  data: ['NFTA_SET_ELEM_DATA', nested(2), nftData],
  flags: ['NFTA_SET_ELEM_FLAGS', 3, u32be],
})
export type SetElement = ReturnType<typeof element.decode>

export const setElementsBody = body(
  header,
  attributes({
    table: ['NFTA_SET_ELEM_LIST_TABLE', 1, cstring],
    set: ['NFTA_SET_ELEM_LIST_SET', 2, cstring],
    elements: ['NFTA_SET_ELEM_LIST_ELEMENTS', nested(3), list(nested(1), element)],
  }),
)

export const objectBody = body(
  header,
  attributes({
    table: ['NFTA_OBJ_TABLE', 1, cstring],
    name: ['NFTA_OBJ_NAME', 2, cstring],
    type: ['NFTA_OBJ_TYPE', 3, u32be],
    /** Of counters. */
    counter: [
      'NFTA_OBJ_DATA',
      nested(4),
      attributes({
        octets: ['NFTA_COUNTER_BYTES', 1, u64be],
        packets: ['NFTA_COUNTER_PACKETS', 2, u64be],
      }),
    ],
  }),
)

/** The ingress hook of links (linux/netfilter.h NF_NETDEV_INGRESS). */
export const NF_NETDEV_INGRESS = 0

export const flowtableBody = body(
  header,
  attributes({
    table: ['NFTA_FLOWTABLE_TABLE', 1, cstring],
    name: ['NFTA_FLOWTABLE_NAME', 2, cstring],
    hook: [
      'NFTA_FLOWTABLE_HOOK',
      nested(3),
      attributes({
        number: ['NFTA_FLOWTABLE_HOOK_NUM', 1, u32be],
        priority: ['NFTA_FLOWTABLE_HOOK_PRIORITY', 2, i32be],
        links: ['NFTA_FLOWTABLE_HOOK_DEVS', nested(3), list(1, cstring)],
      }),
    ],
  }),
)

export const generationBody = body(header, attributes({ id: ['NFTA_GEN_ID', 1, u32be] }))
