const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const tolerant = new TextDecoder('utf-8', { ignoreBOM: true })

export function toOctets(text: string): Uint8Array {
  return encoder.encode(text)
}

/** Throws TypeError on octets that are not UTF-8. */
export function toText(octets: Uint8Array): string {
  return decoder.decode(octets)
}

/** With U+FFFD for what is not UTF-8: what another program wrote into one row is no trouble for the rest. */
export function toTextOfAnyOctets(octets: Uint8Array): string {
  return tolerant.decode(octets)
}

/** The first key beyond all keys that begin with `prefix`, as a range end; zero if there is none. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const last = prefix[at]!
    if (last === 0xff) continue
    const end = prefix.slice(0, at + 1)
    end[at] = last + 1
    return end
  }
  return Uint8Array.of(0)
}

export function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, at) => octet === b[at])
}
