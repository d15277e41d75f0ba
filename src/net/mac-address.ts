import { found } from './ip-address.ts'

declare const brand: unique symbol

/** A MAC-48 address as six lower-case pairs with colons. */
export type MacAddress = string & { readonly [brand]: 'MacAddress' }

/** The address that `text` spells, or undefined. */
export function parseMacAddress(text: string): MacAddress | undefined {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)
    ? (text.toLowerCase() as MacAddress)
    : undefined
}

/** The address that `text` spells; throws RangeError where {@link parseMacAddress} gives undefined. */
export function mac(text: string): MacAddress {
  const address = parseMacAddress(text)
  if (address === undefined) {
    throw notAMacAddress(text)
  }
  return address
}

function notAMacAddress(text: string): RangeError {
  return new RangeError(`Expected a MAC address such as ee:ee:ee:ee:ee:ee, found ${found(text)}`)
}

/** What is written for each octet. */
const PAIRS = Array.from({ length: 256 }, (_, octet) => octet.toString(16).padStart(2, '0'))

/** The address of its six octets, or of the first six of more. Throws RangeError on fewer. */
export function macFromOctets(octets: Uint8Array): MacAddress {
  if (octets.length < 6) {
    throw new RangeError(`Expected 6 octets of a MAC address, found ${octets.length}`)
  }
  let text = PAIRS[octets[0]!]!
  for (let at = 1; at < 6; at++) text += `:${PAIRS[octets[at]!]}`
  return text as MacAddress
}

/** Throws RangeError on text that is no MAC address. */
export function macOctets(address: MacAddress): Uint8Array {
  if (parseMacAddress(address) === undefined) throw notAMacAddress(address)
  return Uint8Array.from(address.split(':'), (pair) => Number.parseInt(pair, 16))
}
