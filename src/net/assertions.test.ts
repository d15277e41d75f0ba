import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as addresses from './ip-address.ts'
import * as macs from './mac-address.ts'
import * as prefixes from './prefix.ts'
import { PrefixTrie } from './prefix-trie.ts'

/** Text that the compiler takes for an address or a prefix; what a cast lets in may be anything. */
const cast = (text: string): never => text as never

const NOT_A_PREFIX = ['', '/', '10.0.0.0', '10.0.0.0/', '/8', 'fd00::', '1/2/', 'garbage']
const NOT_A_PREFIX_BUT_NEAR = ['10.0.0.0/33', '10.0.0.0/999', 'fd00::/129', '10.0.0.0/1e1']
const NOT_AN_ADDRESS = [
  '',
  '.',
  ':',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.x',
  'x:y',
]

const OF_PREFIXES = {
  prefixAddress: prefixes.prefixAddress,
  prefixLength: prefixes.prefixLength,
  isHostPrefix: prefixes.isHostPrefix,
  contains: (text: never) => prefixes.contains(text, addresses.ip('10.0.0.1')),
  covers: (text: never) => prefixes.covers(text, prefixes.prefix('10.0.0.0/32')),
  overlaps: (text: never) => prefixes.overlaps(prefixes.prefix('10.0.0.0/8'), text),
  comparePrefixes: (text: never) => prefixes.comparePrefixes(text, text),
  sortedPrefixes: (text: never) => prefixes.sortedPrefixes([text]),
  prefix: prefixes.prefix,
  interfaceAddress: prefixes.interfaceAddress,
  'PrefixTrie.set': (text: never) => new PrefixTrie<number>().set(text, 1),
  'PrefixTrie.get': (text: never) => new PrefixTrie<number>().get(text),
  'PrefixTrie.delete': (text: never) => new PrefixTrie<number>().delete(text),
}

const OF_ADDRESSES = {
  ip: addresses.ip,
  addressOctets: addresses.addressOctets,
  requireAddress: addresses.requireAddress,
  addressPlus: (text: never) => addresses.addressPlus(text, 1),
  compareAddresses: (text: never) => addresses.compareAddresses(text, text),
  ipv4ToNumber: addresses.ipv4ToNumber,
  hostPrefix: prefixes.hostPrefix,
  prefixOf: (text: never) => prefixes.prefixOf(text, 8),
  interfaceAddressText: (text: never) =>
    prefixes.interfaceAddressText({ address: text, prefixLength: 8 }),
  'PrefixTrie.match': (text: never) => new PrefixTrie<number>().match(text),
}

describe('what is no prefix although its type says so', () => {
  it.each(Object.entries(OF_PREFIXES))('%s throws a RangeError at once', (_name, of) => {
    for (const text of [...NOT_A_PREFIX, ...NOT_A_PREFIX_BUT_NEAR]) {
      expect(() => of(cast(text)), text).toThrow(RangeError)
    }
  })

  it('although it has a length is none either', () => {
    for (const text of ['x/1', '1.2.3/8', '1.2.3.400/8', 'fd00:/8', '\0/1']) {
      expect(() => prefixes.prefixAddress(cast(text)), text).toThrow(RangeError)
    }
  })

  it('is shown', () => {
    expect(() => prefixes.prefixLength(cast('10.211.0.0'))).toThrow(
      'Expected a prefix such as 10.0.0.0/8, host bits zero, found "10.211.0.0"',
    )
    expect(() => prefixes.prefixLength(cast('x'.repeat(10_000)))).toThrow(/found "x{76}\.\.\.$/)
  })

  it('ends, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const of of Object.values(OF_PREFIXES)) {
          try {
            of(cast(text))
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(RangeError)
          }
        }
      }),
    )
  })
})

describe('what is no address although its type says so', () => {
  it.each(Object.entries(OF_ADDRESSES))('%s throws a RangeError', (_name, of) => {
    for (const text of NOT_AN_ADDRESS) expect(() => of(cast(text)), text).toThrow(RangeError)
  })
})

describe('numbers out of range', () => {
  const address = addresses.ip('10.0.0.0')
  const six = addresses.ip('fd00::')
  it.each<readonly [string, () => unknown]>([
    ['a length beyond 32', () => prefixes.prefixOf(address, 33)],
    ['a negative length', () => prefixes.prefixOf(address, -1)],
    ['half a bit', () => prefixes.prefixOf(six, 0.5)],
    ['a length beyond 128', () => prefixes.prefixOf(six, 129)],
    ['no length', () => prefixes.ipv4Prefix(0, Number.NaN)],
    ['a length beyond that of a network', () => prefixes.networkPrefix(address, 64)],
    ['a number of 33 bits', () => addresses.ipv4FromNumber(2 ** 32)],
    ['no number', () => addresses.ipv4FromNumber(Number.NaN)],
    ['an offset without end', () => addresses.addressPlus(address, Infinity)],
    ['half an offset', () => addresses.addressPlus(address, 0.5)],
    ['three octets', () => addresses.addressFromOctets(new Uint8Array(3))],
    ['four octets of a MAC address', () => macs.macFromOctets(new Uint8Array(4))],
    ['what is no MAC address', () => macs.macOctets(cast('ee:ee'))],
  ])('%s throw a RangeError', (_what, of) => {
    expect(of).toThrow(RangeError)
  })
})
