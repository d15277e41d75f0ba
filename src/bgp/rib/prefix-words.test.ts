import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addressFromOctets } from '../../net/ip-address.ts'
import { covers, prefix, prefixOf } from '../../net/prefix.ts'
import { wordsOf } from './prefix-text.ts'
import { isMartian, liesWithin } from './prefix-words.ts'

function martian(text: string): boolean {
  const { words, length } = wordsOf(prefix(text))
  return isMartian(words, 0, words.length as 1 | 4, length)
}

const MARTIANS = `
  0.0.0.0/8 0.1.2.3/32 127.0.0.0/8 127.0.0.1/32 169.254.0.0/16 169.254.1.1/32 224.0.0.0/4
  224.0.0.0/3 239.1.1.1/32 240.0.0.0/4 255.255.255.255/32 ::/128 ::1/128 ::ffff:0:0/96
  ::ffff:10.0.0.0/104 fe80::/10 febf::1/128 ff00::/8 ff02::1/128
`

it.each(MARTIANS.trim().split(/\s+/))('%s is a martian', (text) => expect(martian(text)).toBe(true))

const ROUTED = `
  0.0.0.0/0 0.0.0.0/1 1.0.0.0/8 126.0.0.0/7 128.0.0.0/8 169.254.0.0/15 169.253.0.0/16
  169.255.0.0/16 192.0.0.0/2 223.255.255.0/24 10.0.0.0/8 ::/0 ::/127 ::2/128 ::/96
  ::1:0:0/128 0:0:1::/48 ::fffe:0:0/96 fec0::/10 fe00::/9 fd00::/8 fe00::/7 2001:db8::/32
`

it.each(ROUTED.trim().split(/\s+/))('%s is none', (text) => expect(martian(text)).toBe(false))

it('says of prefixes as words what is said of them as text', () => {
  const octets = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  )
  const pair = fc.tuple(octets, fc.nat({ max: 128 }), fc.nat({ max: 128 }), fc.nat({ max: 128 }))
  fc.assert(
    fc.property(pair, ([address, outerLength, innerLength, flipped]) => {
      const bits = address.length * 8
      const other = address.slice()
      other[(flipped % bits) >>> 3]! ^= 0x80 >>> (flipped & 7)
      const outer = prefixOf(addressFromOctets(address), outerLength % (bits + 1))
      for (const each of [address, other]) {
        const inner = prefixOf(addressFromOctets(each), innerLength % (bits + 1))
        const { words, length } = wordsOf(inner)
        const found = liesWithin(words, 0, words.length as 1 | 4, length, wordsOf(outer))
        expect(found).toBe(covers(outer, inner))
      }
    }),
  )
  const { words, length } = wordsOf(prefix('10.0.0.0/8'))
  expect(liesWithin(words, 0, 1, length, wordsOf(prefix('::/0')))).toBe(false)
})
