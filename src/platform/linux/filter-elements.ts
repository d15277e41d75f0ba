import { addressFromOctets, addressOctets, type IpAddress } from '../../net/ip-address.ts'
import { type Prefix, prefixAddress, prefixLength, prefixOf } from '../../net/prefix.ts'
import { NFT_SET_ELEM_INTERVAL_END, type SetElement } from '../../wire/netlink/nftables.ts'

/** A prefix as the two elements of a range: its first address, and the first behind it if there is one. */
export function elementsOf(prefix: Prefix): readonly SetElement[] {
  const first = addressOctets(prefixAddress(prefix))
  const behind = increased(first, prefixLength(prefix))
  const start = { key: { value: first } }
  return behind === undefined
    ? [start]
    : [start, { key: { value: behind }, flags: NFT_SET_ELEM_INTERVAL_END }]
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

/** The prefixes of a set's elements, in order of address; undefined if a range is none. */
export function prefixesOf(elements: readonly SetElement[]): readonly Prefix[] | undefined {
  const marks = elements
    .flatMap(({ key, flags }) => (key?.value === undefined ? [] : [{ key: key.value, flags }]))
    .map(({ key, flags = 0 }) => ({ key, isEnd: (flags & NFT_SET_ELEM_INTERVAL_END) !== 0 }))
    .sort((a, b) => Buffer.compare(a.key, b.key) || Number(b.isEnd) - Number(a.isEnd))
  const prefixes: Prefix[] = []
  let start: Uint8Array | undefined
  for (const { key, isEnd } of marks) {
    if (isEnd) {
      // What lies before the first range is marked too by some programs.
      if (start === undefined) continue
      const found = prefixBetween(start, key)
      if (found === undefined) return undefined
      prefixes.push(found)
      start = undefined
    } else {
      if (start !== undefined) return undefined
      start = key
    }
  }
  if (start === undefined) return prefixes
  const last = prefixBetween(start, undefined)
  return last === undefined ? undefined : [...prefixes, last]
}

function prefixBetween(start: Uint8Array, behind: Uint8Array | undefined): Prefix | undefined {
  const address = addressFromOctets(start)
  for (let length = start.length * 8; length >= 0; length--) {
    const end = increased(start, length)
    const isSame =
      end === undefined
        ? behind === undefined
        : behind !== undefined && Buffer.compare(end, behind) === 0
    if (isSame) return wholePrefix(address, length)
  }
  return undefined
}

function wholePrefix(address: IpAddress, length: number): Prefix | undefined {
  const prefix = prefixOf(address, length)
  return prefixAddress(prefix) === address ? prefix : undefined
}
