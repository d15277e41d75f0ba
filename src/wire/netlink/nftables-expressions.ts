import type { ByteReader, ByteWriter } from '../../lib/bytes.ts'
import {
  attributes,
  type NetlinkAttributeTable,
  eachAttribute,
  nested,
  putAttribute,
} from './attributes.ts'
import { type Codec, cstring, i32be, octets, u16be, u32be, u64be, u8 } from './codec.ts'

/** Registers: 0 takes the verdict, the others are sixteen octets wide (NFT_REG_VERDICT, NFT_REG_1). */
export const NFT_REG = { verdict: 0, first: 1, second: 2, third: 3 } as const
/** NFT_REG32_00: registers of four octets, which begin where the first of sixteen does. */
const FIRST_SHORT_REGISTER = 8

/**
 * The register that begins so many times four octets behind the first, by the number that the kernel
 * itself gives it: that of one of sixteen octets where one begins there (nft_dump_register).
 */
export function registerAt(words: number): number {
  return words % 4 === 0 ? NFT_REG.first + words / 4 : FIRST_SHORT_REGISTER + words
}

/** NFT_META_*. */
export const NFT_META = { mark: 3, inputName: 6, outputName: 7, family: 15, protocol: 16 } as const
/** NFT_CT_*. */
export const NFT_CT = { state: 0, mark: 3 } as const
/** NFT_CT_STATE_INVALID_BIT, NFT_CT_STATE_BIT() and NFT_CT_STATE_UNTRACKED_BIT, as nft_ct has them in a register. */
export const NFT_CT_STATE = {
  invalid: 1,
  established: 2,
  related: 4,
  new: 8,
  untracked: 64,
} as const
/** NFT_CMP_*. */
export const NFT_CMP = { equal: 0, notEqual: 1 } as const
/** NFT_RANGE_*. */
export const NFT_RANGE = { equal: 0, notEqual: 1 } as const
/** NFT_REJECT_*. */
export const NFT_REJECT = { tcpReset: 1, icmp: 2 } as const
/** NFT_REJECT_ICMPX_*: codes of either family. */
export const NFT_REJECT_ICMP = {
  noRoute: 0,
  portUnreachable: 1,
  hostUnreachable: 2,
  administrativelyProhibited: 3,
} as const
/** NFT_RETURN and its like: negative where NF_ACCEPT and NF_DROP are not. */
export const NFT_VERDICT = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const
/** NFT_BITWISE_MASK_XOR: what was the only operation before Linux 5.6. */
export const NFT_BITWISE_MASK_XOR = 0
/** NFT_PAYLOAD_*: what an offset counts from. */
export const NFT_PAYLOAD = { network: 1, transport: 2 } as const
/** NFT_LOOKUP_F_INV: matches what is not in the set. */
export const NFT_LOOKUP_INVERTED = 1
/** NFTA_FIB_F_*, and NFT_FIB_RESULT_*. */
export const NFT_FIB = {
  resultOutputLink: 1,
  resultAddressType: 3,
  source: 1,
  destination: 2,
  inputLink: 8,
  present: 32,
} as const
/** NF_NAT_RANGE_*. */
export const NF_NAT = { mapAddresses: 0x01, portsSpecified: 0x02, randomFully: 0x10 } as const
/** NFT_NAT_SNAT. */
export const NFT_NAT_SOURCE = 0

/** A value, or a verdict and the chain that it leads to. */
export const nftData = attributes({
  value: ['NFTA_DATA_VALUE', 1, octets],
  verdict: [
    'NFTA_DATA_VERDICT',
    nested(2),
    attributes({
      code: ['NFTA_VERDICT_CODE', 1, i32be],
      chain: ['NFTA_VERDICT_CHAIN', 2, cstring],
    }),
  ],
})

/** The expressions that rules here are made of, by the kernel's names (net/netfilter/nft_*.c). */
const EXPRESSIONS = {
  /** Loads something about the packet that is not in it, or sets it. */
  meta: attributes({
    register: ['NFTA_META_DREG', 1, u32be],
    key: ['NFTA_META_KEY', 2, u32be],
    from: ['NFTA_META_SREG', 3, u32be],
  }),
  /** The same about its connection. */
  ct: attributes({
    register: ['NFTA_CT_DREG', 1, u32be],
    key: ['NFTA_CT_KEY', 2, u32be],
    from: ['NFTA_CT_SREG', 4, u32be],
  }),
  /** register = (from & mask) ^ xor */
  bitwise: attributes({
    from: ['NFTA_BITWISE_SREG', 1, u32be],
    register: ['NFTA_BITWISE_DREG', 2, u32be],
    octets: ['NFTA_BITWISE_LEN', 3, u32be],
    mask: ['NFTA_BITWISE_MASK', nested(4), nftData],
    xor: ['NFTA_BITWISE_XOR', nested(5), nftData],
    operation: ['NFTA_BITWISE_OP', 6, u32be],
  }),
  /** Goes on if a register begins with a value. */
  cmp: attributes({
    register: ['NFTA_CMP_SREG', 1, u32be],
    operation: ['NFTA_CMP_OP', 2, u32be],
    data: ['NFTA_CMP_DATA', nested(3), nftData],
  }),
  /** Goes on if a register is between two values, both included. */
  range: attributes({
    register: ['NFTA_RANGE_SREG', 1, u32be],
    operation: ['NFTA_RANGE_OP', 2, u32be],
    first: ['NFTA_RANGE_FROM_DATA', nested(3), nftData],
    last: ['NFTA_RANGE_TO_DATA', nested(4), nftData],
  }),
  /** Loads octets of the packet. */
  payload: attributes({
    register: ['NFTA_PAYLOAD_DREG', 1, u32be],
    base: ['NFTA_PAYLOAD_BASE', 2, u32be],
    offset: ['NFTA_PAYLOAD_OFFSET', 3, u32be],
    length: ['NFTA_PAYLOAD_LEN', 4, u32be],
  }),
  /** Goes on if a register is in a set, or loads what a map has for it. */
  lookup: attributes({
    set: ['NFTA_LOOKUP_SET', 1, cstring],
    register: ['NFTA_LOOKUP_SREG', 2, u32be],
    into: ['NFTA_LOOKUP_DREG', 3, u32be],
    flags: ['NFTA_LOOKUP_FLAGS', 5, u32be],
  }),
  /** Asks the routes (linux/netfilter/nf_tables.h NFTA_FIB_*). */
  fib: attributes({
    register: ['NFTA_FIB_DREG', 1, u32be],
    result: ['NFTA_FIB_RESULT', 2, u32be],
    flags: ['NFTA_FIB_FLAGS', 3, u32be],
  }),
  /** Counts with an object that has a name. */
  objref: attributes({
    type: ['NFTA_OBJREF_IMM_TYPE', 1, u32be],
    name: ['NFTA_OBJREF_IMM_NAME', 2, cstring],
  }),
  /** Sets a register; that of the verdict ends the rule. */
  immediate: attributes({
    register: ['NFTA_IMMEDIATE_DREG', 1, u32be],
    data: ['NFTA_IMMEDIATE_DATA', nested(2), nftData],
  }),
  /** Goes on if there is a token in a bucket. */
  limit: attributes({
    rate: ['NFTA_LIMIT_RATE', 1, u64be],
    unitSeconds: ['NFTA_LIMIT_UNIT', 2, u64be],
    burst: ['NFTA_LIMIT_BURST', 3, u32be],
    type: ['NFTA_LIMIT_TYPE', 4, u32be],
    flags: ['NFTA_LIMIT_FLAGS', 5, u32be],
  }),
  log: attributes({
    group: ['NFTA_LOG_GROUP', 1, u16be],
    prefix: ['NFTA_LOG_PREFIX', 2, cstring],
    level: ['NFTA_LOG_LEVEL', 5, u32be],
    flags: ['NFTA_LOG_FLAGS', 6, u32be],
  }),
  reject: attributes({
    type: ['NFTA_REJECT_TYPE', 1, u32be],
    code: ['NFTA_REJECT_ICMP_CODE', 2, u8],
  }),
  notrack: attributes({}),
  // eslint-disable-next-line camelcase -- the kernel's name
  flow_offload: attributes({ table: ['NFTA_FLOW_TABLE_NAME', 1, cstring] }),
  masq: attributes({
    flags: ['NFTA_MASQ_FLAGS', 1, u32be],
    firstPort: ['NFTA_MASQ_REG_PROTO_MIN', 2, u32be],
    lastPort: ['NFTA_MASQ_REG_PROTO_MAX', 3, u32be],
  }),
  /** Rewrites addresses to what is in registers. */
  nat: attributes({
    type: ['NFTA_NAT_TYPE', 1, u32be],
    family: ['NFTA_NAT_FAMILY', 2, u32be],
    firstAddress: ['NFTA_NAT_REG_ADDR_MIN', 3, u32be],
    lastAddress: ['NFTA_NAT_REG_ADDR_MAX', 4, u32be],
    firstPort: ['NFTA_NAT_REG_PROTO_MIN', 5, u32be],
    lastPort: ['NFTA_NAT_REG_PROTO_MAX', 6, u32be],
    flags: ['NFTA_NAT_FLAGS', 7, u32be],
  }),
} as const satisfies Readonly<Record<string, unknown>>

type Known = {
  readonly [Name in keyof typeof EXPRESSIONS]: {
    readonly name: Name
    readonly data: ReturnType<(typeof EXPRESSIONS)[Name]['decode']>
  }
}[keyof typeof EXPRESSIONS]

/** One step of a rule. Those that are not known here keep their octets, so that they compare. */
export type Expression = Known | { readonly name: 'other'; readonly octets: Uint8Array }

const NFTA_EXPR_NAME = 1
const NFTA_EXPR_DATA = nested(2)

function codecOf(name: string): NetlinkAttributeTable<Record<string, never>> | undefined {
  return Object.hasOwn(EXPRESSIONS, name)
    ? EXPRESSIONS[name as keyof typeof EXPRESSIONS]
    : undefined
}

function decodeExpression(from: ByteReader): Expression {
  const octetsOfAll = new Uint8Array(from.octets.subarray(from.at, from.end))
  let name = ''
  let values: ByteReader | undefined
  for (const { type, value } of eachAttribute(from)) {
    if (type === NFTA_EXPR_NAME) name = cstring.decode(value)
    else values = value
  }
  const codec = codecOf(name)
  if (codec === undefined) return { name: 'other', octets: octetsOfAll }
  return { name, data: values === undefined ? {} : codec.decode(values) } as Known
}

function encodeExpression(to: ByteWriter, expression: Expression): void {
  if (expression.name === 'other') return to.bytes(expression.octets)
  const { name, data } = expression
  putAttribute(to, NFTA_EXPR_NAME, () => cstring.encode(to, name))
  putAttribute(to, NFTA_EXPR_DATA, () => codecOf(name)!.encode(to, data))
}

export const expression: Codec<Expression> = { decode: decodeExpression, encode: encodeExpression }
