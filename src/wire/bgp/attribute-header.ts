import { ATTRIBUTE_FLAG } from './iana.ts'

/**
 * Walks over path attributes where they lie (RFC 4271 section 4.3), without an object for each:
 *
 *     for (let at = start; at < end; at = attributeEnd(octets, at)) …
 *
 * The octets are known to hold whole attributes; only `scanUpdate` reads what may be cut off.
 */
export function attributeEnd(octets: Uint8Array, at: number): number {
  return (octets[at]! & ATTRIBUTE_FLAG.extendedLength) === 0
    ? at + 3 + octets[at + 2]!
    : at + 4 + ((octets[at + 2]! << 8) | octets[at + 3]!)
}

/** Where the value of the attribute at `at` begins. */
export function attributeValueStart(octets: Uint8Array, at: number): number {
  return at + ((octets[at]! & ATTRIBUTE_FLAG.extendedLength) === 0 ? 3 : 4)
}
