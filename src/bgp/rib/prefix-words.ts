import type { PrefixWords } from './prefix-text.ts'

/** Whether a prefix, in `words[at]`, is another or lies in it. */
export function liesWithin(
  words: Uint32Array,
  at: number,
  stride: 1 | 4,
  length: number,
  outer: PrefixWords,
): boolean {
  if (outer.words.length !== stride || length < outer.length) return false
  let bits = outer.length
  for (let word = 0; bits > 0; word++, bits -= 32) {
    const differs = words[at + word]! ^ outer.words[word]!
    if (bits >= 32 ? differs !== 0 : differs >>> (32 - bits) !== 0) return false
  }
  return true
}

/**
 * Whether a prefix, in `words[at]`, lies where no packet is routed to (RFC 7454 section 6.1.1, RFC 6890):
 * 0.0.0.0/8 but for the default route, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4 and 240.0.0.0/4; ::, ::1,
 * ::ffff:0:0/96, fe80::/10 and ff00::/8.
 */
export function isMartian(words: Uint32Array, at: number, stride: 1 | 4, length: number): boolean {
  const first = words[at]!
  if (stride === 1) {
    const octet = first >>> 24
    if (octet === 0) return length >= 8
    return octet === 127 || octet >= 224 || (first >>> 16 === 0xa9fe && length >= 16)
  }
  if (first !== 0) return first >>> 24 === 0xff || (first >>> 22 === 0x3fa && length >= 10)
  if (words[at + 1] !== 0 || length < 96) return false
  const third = words[at + 2]
  return third === 0xffff || (third === 0 && words[at + 3]! <= 1 && length === 128)
}
