import {
  isIntervalKey,
  keyText,
  keyValues,
  portRange,
  prefixOfKey,
  valueAddress,
} from '../../../kernel/filter-keys.ts'
import type { FilterFieldType, FilterKey, FilterValue } from '../../../kernel/packet-filter.ts'
import { addressFromOctets, addressOctets } from '../../../net/ip-address.ts'
import { hostPrefix, prefixAddress, prefixLength } from '../../../net/prefix.ts'
import { NFT_KEY_TYPE } from '../../../wire/netlink/nftables.ts'

/** IFNAMSIZ: a whole name is compared with the zeros behind it. */
const LINK_NAME_OCTETS = 16
/** A register: in a key of several fields each is filled up to a multiple. */
const WORD_OCTETS = 4

/** How a value of each type lies in a key. */
const FIELDS: Readonly<
  Record<
    FilterFieldType,
    {
      readonly nftType: number
      readonly octets: number
      encode(value: FilterValue): Uint8Array
      decode(octets: Uint8Array): FilterValue
    }
  >
> = {
  ipv4: address(NFT_KEY_TYPE.ipv4Address, 4),
  ipv6: address(NFT_KEY_TYPE.ipv6Address, 16),
  protocol: {
    nftType: NFT_KEY_TYPE.protocol,
    octets: 1,
    encode: (value) => Uint8Array.of(value as number),
    decode: (octets) => octets[0]!,
  },
  port: {
    nftType: NFT_KEY_TYPE.port,
    octets: 2,
    encode: (value) => u16Octets(value as number),
    decode: (octets) => (octets[0]! << 8) | octets[1]!,
  },
  link: {
    nftType: NFT_KEY_TYPE.linkName,
    octets: LINK_NAME_OCTETS,
    encode: (value) => linkNameOctets(keyText(value)),
    decode: (octets) => ({ link: Buffer.from(octets).toString().replace(/\0.*$/s, '') }),
  },
  mark: {
    nftType: NFT_KEY_TYPE.mark,
    octets: 4,
    encode: (value) => u32Octets(value as number),
    decode: u32FromOctets,
  },
}

function address(nftType: number, octets: number): (typeof FIELDS)[FilterFieldType] {
  return {
    nftType,
    octets,
    encode: (value) => addressOctets(valueAddress(value)),
    decode: (each) => hostPrefix(addressFromOctets(each)),
  }
}

/** Network order. */
export function u16Octets(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff)
}

/** The order of the host: what registers hold of marks and states. */
export function u32Octets(value: number): Uint8Array {
  const octets = new Uint8Array(4)
  new DataView(octets.buffer).setUint32(0, value, true)
  return octets
}

/** Types of a key by what its set tells the program nft; undefined for a key that is not made here. */
export function keyTypes(nftType: number, octets: number): readonly FilterFieldType[] | undefined {
  const types: FilterFieldType[] = []
  for (let rest = nftType; rest > 0; rest = Math.floor(rest / 64)) {
    const type = TYPES.find((each) => FIELDS[each].nftType === rest % 64)
    if (type === undefined) return undefined
    types.unshift(type)
  }
  return types.length > 0 && keyShape(types).octets === octets ? types : undefined
}

const TYPES = Object.keys(FIELDS) as FilterFieldType[]

export function u32FromOctets(octets: Uint8Array): number {
  return new DataView(octets.buffer, octets.byteOffset, octets.length).getUint32(0, true)
}

export function linkNameOctets(name: string): Uint8Array {
  const octets = new Uint8Array(LINK_NAME_OCTETS)
  octets.set(Buffer.from(name))
  return octets
}

function fieldRoom(type: FilterFieldType, isAlone: boolean): number {
  const { octets } = FIELDS[type]
  return isAlone ? octets : Math.ceil(octets / WORD_OCTETS) * WORD_OCTETS
}

/** Length of a key, and its type for the program nft: six bits for each field. */
export function keyShape(key: readonly FilterFieldType[]): {
  readonly octets: number
  readonly nftType: number
} {
  return {
    octets: key.reduce((sum, type) => sum + fieldRoom(type, key.length === 1), 0),
    nftType: key.reduce((sum, type) => sum * 64 + FIELDS[type].nftType, 0),
  }
}

/** An element's key; of an interval, its first value and the first behind it if there is one. */
export interface KeyOctets {
  readonly first: Uint8Array
  readonly behind?: Uint8Array
}

export function keyOctets(types: readonly FilterFieldType[], key: FilterKey): KeyOctets {
  if (isIntervalKey(types)) return intervalOctets(types[0]!, key as FilterValue)
  const octets = new Uint8Array(keyShape(types).octets)
  let at = 0
  for (const [index, value] of keyValues(key).entries()) {
    octets.set(FIELDS[types[index]!].encode(value), at)
    at += fieldRoom(types[index]!, types.length === 1)
  }
  return { first: octets }
}

function intervalOctets(type: FilterFieldType, value: FilterValue): KeyOctets {
  if (type === 'port') {
    const { first, last } = portRange(value)
    const start = u16Octets(first)
    return last === 0xffff ? { first: start } : { first: start, behind: u16Octets(last + 1) }
  }
  const first = addressOctets(prefixAddress(prefixOfKey(value)))
  const behind = increased(first, prefixLength(prefixOfKey(value)))
  return behind === undefined ? { first } : { first, behind }
}

/** What an element is known by: as {@link keyText}, or of intervals that are no prefix, both ends. */
export function keyTextOf(types: readonly FilterFieldType[], { first, behind }: KeyOctets): string {
  if (isIntervalKey(types)) return intervalText(types[0]!, first, behind)
  let at = 0
  const values = types.map((type) => {
    const value = FIELDS[type].decode(first.subarray(at, at + FIELDS[type].octets))
    at += fieldRoom(type, types.length === 1)
    return value
  })
  return keyText(values)
}

function intervalText(
  type: FilterFieldType,
  start: Uint8Array,
  behind: Uint8Array | undefined,
): string {
  if (type === 'port') {
    const first = (start[0]! << 8) | start[1]!
    const last = behind === undefined ? 0xffff : ((behind[0]! << 8) | behind[1]!) - 1
    return keyText({ first, last })
  }
  const from = addressFromOctets(start)
  for (let length = start.length * 8; length >= 0; length--) {
    const end = increased(start, length)
    const isSame =
      end === undefined || behind === undefined ? end === behind : Buffer.compare(end, behind) === 0
    if (!isSame) continue
    if (hasHostBits(start, length)) break
    return `${from}/${length}`
  }
  return `${from} to ${behind === undefined ? 'the last' : `before ${addressFromOctets(behind)}`}`
}

function hasHostBits(octets: Uint8Array, length: number): boolean {
  return octets.some((octet, at) => {
    const bits = Math.min(8, Math.max(0, length - at * 8))
    return (octet & (0xff >>> bits)) !== 0
  })
}

/** One more in the last of the first `length` bits; undefined if that does not fit. */
function increased(octets: Uint8Array, length: number): Uint8Array | undefined {
  if (length === 0) return undefined
  const sum = octets.slice()
  let carry = 1 << ((8 - (length & 7)) & 7)
  for (let at = (length - 1) >>> 3; at >= 0 && carry > 0; at--) {
    const value = sum[at]! + carry
    sum[at] = value & 255
    carry = value >>> 8
  }
  return carry > 0 ? undefined : sum
}
