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
    throw new RangeError(`Expected a MAC address such as ee:ee:ee:ee:ee:ee, found "${text}"`)
  }
  return address
}

export function macFromOctets(octets: Uint8Array): MacAddress {
  return Array.from(octets.subarray(0, 6), (octet) => octet.toString(16).padStart(2, '0')).join(
    ':',
  ) as MacAddress
}

export function macOctets(address: MacAddress): Uint8Array {
  return Uint8Array.from(address.split(':'), (pair) => Number.parseInt(pair, 16))
}
