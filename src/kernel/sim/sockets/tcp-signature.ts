import { createHash } from 'node:crypto'
import * as tcp from '../../../wire/packet/tcp.ts'

/** Octets of the MD5 signature option with the padding that Linux puts before it. */
export const SIGNATURE_OPTION_OCTETS = 20

/** An MD5 signature option whose digest is still zero: two no-operations, kind 19, length 18. */
export function emptySignatureOption(): Uint8Array {
  const option = new Uint8Array(SIGNATURE_OPTION_OCTETS)
  option[0] = tcp.OPTION.noOperation
  option[1] = tcp.OPTION.noOperation
  option[2] = tcp.OPTION.md5Signature
  option[3] = 18
  return option
}

/**
 * The digest of a segment (RFC 2385 section 2): pseudo-header, header without options and with a zero
 * checksum, data, key.
 */
export function signature(octets: Uint8Array, at: number, end: number, key: string): Uint8Array {
  const isVersion4 = octets[0]! >>> 4 === 4
  const hash = createHash('md5')
  const length = end - at
  if (isVersion4) {
    hash.update(octets.subarray(12, 20))
    hash.update(Uint8Array.of(0, 6, length >>> 8, length))
  } else {
    hash.update(octets.subarray(8, 40))
    hash.update(Uint8Array.of(0, 0, length >>> 8, length, 0, 0, 0, 6))
  }
  const header = octets.slice(at, at + tcp.HEADER_OCTETS)
  header[16] = 0
  header[17] = 0
  hash.update(header)
  hash.update(octets.subarray(at + tcp.headerOctets(octets, at), end))
  hash.update(key)
  return hash.digest()
}

/** Whether two digests are the same. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, at) => octet === b[at])
}
