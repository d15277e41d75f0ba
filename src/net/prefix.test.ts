import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addressFromOctets,
  addressOctets,
  addressPlus,
  ip,
  ipv4FromNumber,
  ipv4ToNumber,
  parseIpAddress,
} from './ip-address.ts'
import {
  comparePrefixes,
  contains,
  covers,
  hostPrefix,
  ipv4NetworkNumber,
  ipv4Prefix,
  parseInterfaceAddress,
  parsePrefix,
  prefix,
  prefixOf,
  sortedPrefixes,
} from './prefix.ts'
import { PrefixTrie } from './prefix-trie.ts'

const octets = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
)

describe('addresses', () => {
  it('reads back every address that it writes', () => {
    fc.assert(
      fc.property(octets, (value) => {
        const address = addressFromOctets(value)
        expect(parseIpAddress(address)).toBe(address)
        expect(addressOctets(address)).toEqual(value)
      }),
    )
  })

  it.each([
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // RFC 5952 section 4.2.3: the first of two equal runs
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // section 4.2.2: one group is not shortened
    ['::', '::'],
    ['1::', '1::'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('writes %s as %s', (text, canonical) => {
    expect(parseIpAddress(text)).toBe(canonical)
  })

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    ' 1.2.3.4',
    '1.2.3.4 ',
    ':::',
    '1::2::3',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::1.2.3',
  ])('refuses "%s"', (text) => {
    expect(parseIpAddress(text)).toBeUndefined()
  })

  it('writes IPv4 numbers and prefixes of them, also those whose text it wrote before', () => {
    // More than it remembers, and each again while some of them are still known.
    const numbers = Array.from({ length: 40_000 }, (_, at) => Math.imul(at % 30_000, 0x01000193))
    const wrong = numbers.filter((number) => {
      const text = [24, 16, 8, 0].map((bits) => (number >>> bits) & 255).join('.')
      return (
        ipv4FromNumber(number) !== text ||
        ipv4ToNumber(ip(text)) !== number >>> 0 ||
        ipv4Prefix(number, 26) !== `${text}/26` ||
        ipv4Prefix(number, 32) !== `${text}/32` ||
        ipv4NetworkNumber(prefix(`${text}/32`)) !== number >>> 0
      )
    })
    expect(wrong).toEqual([])
  })

  it('counts across octet borders', () => {
    expect(addressPlus(ip('10.0.0.255'), 1)).toBe('10.0.1.0')
    expect(addressPlus(ip('10.0.1.0'), -1)).toBe('10.0.0.255')
    expect(addressPlus(ip('fd00::ffff'), 1)).toBe('fd00::1:0')
  })
})

describe('prefixes', () => {
  it('keeps the host bits of an interface address and refuses them in a prefix', () => {
    expect(parseInterfaceAddress('172.16.170.128/24')).toEqual({
      address: '172.16.170.128',
      prefixLength: 24,
    })
    expect(parsePrefix('172.16.170.128/24')).toBeUndefined()
    expect(parsePrefix('172.16.170.0/24')).toBe('172.16.170.0/24')
    expect(parsePrefix('172.16.170.0/33')).toBeUndefined()
    expect(parsePrefix('172.16.170.0/024')).toBeUndefined()
  })

  it('contains exactly the addresses whose first bits are its own', () => {
    expect(contains(prefix('10.211.0.0/24'), ip('10.211.0.255'))).toBe(true)
    expect(contains(prefix('10.211.0.0/24'), ip('10.211.1.0'))).toBe(false)
    expect(contains(prefix('0.0.0.0/0'), ip('::1'))).toBe(false)
    expect(covers(prefix('10.0.0.0/8'), prefix('10.211.0.0/24'))).toBe(true)
    expect(covers(prefix('10.211.0.0/24'), prefix('10.0.0.0/8'))).toBe(false)
  })
})

describe('the prefix trie', () => {
  const prefixes = fc
    .tuple(octets, fc.nat())
    .map(([value, length]) => prefixOf(addressFromOctets(value), length % (value.length * 8 + 1)))
  const small = fc // few distinct bits, so that prefixes nest
    .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 8 }))
    .map(([high, length]) => prefixOf(addressFromOctets(Uint8Array.of(high << 4, 0, 0, 0)), length))

  it('finds what a search through all prefixes finds', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(small, prefixes), { maxLength: 40 }), octets, (list, value) => {
        const trie = new PrefixTrie<string>()
        for (const entry of list) trie.set(entry, entry)
        const address = addressFromOctets(value)
        const expected = [...new Set(list)]
          .filter((entry) => contains(entry, address))
          .sort((a, b) => Number(a.split('/')[1]) - Number(b.split('/')[1]))
        expect(trie.matches(address).map((match) => match.prefix)).toEqual(expected)
        expect(trie.match(address)?.prefix).toBe(expected.at(-1))
        expect(trie.size).toBe(new Set(list).size)
      }),
    )
  })

  it('is as if never there after a removal', () => {
    fc.assert(
      fc.property(fc.array(small, { maxLength: 20 }), small, (list, gone) => {
        const trie = new PrefixTrie<number>()
        for (const entry of [...list, gone]) trie.set(entry, 1)
        expect(trie.delete(gone)).toBe(true)
        expect(trie.delete(gone)).toBe(false)
        const rest = new Set(list.filter((entry) => entry !== gone))
        expect(new Set([...trie].map(([entry]) => entry))).toEqual(rest)
        expect(trie.get(gone)).toBeUndefined()
      }),
    )
  })

  it('tells a host prefix from its network', () => {
    const trie = new PrefixTrie<string>()
    trie.set(prefix('10.211.0.0/24'), 'blackhole')
    trie.set(hostPrefix(ip('10.211.0.6')), 'cali50914021272')
    expect(trie.match(ip('10.211.0.6'))?.value).toBe('cali50914021272')
    expect(trie.match(ip('10.211.0.7'))?.value).toBe('blackhole')
  })
})

it('long lists of prefixes are sorted as two of them compare', () => {
  const some = fc
    .tuple(octets, fc.nat(32))
    .map(([value, length]) => prefixOf(addressFromOctets(value), length))
  fc.assert(
    fc.property(fc.array(some), (list) => {
      expect(sortedPrefixes(list)).toEqual(list.toSorted(comparePrefixes))
    }),
  )
})
