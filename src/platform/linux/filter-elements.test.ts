import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { distinctPrefixes } from '../../kernel/check-filter-table.ts'
import { addressFromOctets } from '../../net/ip-address.ts'
import { prefix, prefixOf } from '../../net/prefix.ts'
import { elementsOf, prefixesOf } from './filter-elements.ts'

const prefixes = (octets: number) =>
  fc.array(
    fc
      .tuple(
        fc.uint8Array({ minLength: octets, maxLength: octets }),
        fc.integer({ min: 0, max: octets * 8 }),
      )
      .map(([address, length]) => prefixOf(addressFromOctets(address), length)),
  )

describe('the elements of an interval set', () => {
  it.each([4, 16])('are read back as the prefixes they stand for (%i octets)', (octets) => {
    fc.assert(
      fc.property(prefixes(octets), (list) => {
        const distinct = distinctPrefixes(list)
        const elements = distinct.flatMap(elementsOf)
        expect(prefixesOf(elements)).toEqual(distinct)
        expect(prefixesOf(elements.toReversed())).toEqual(distinct)
      }),
    )
  })

  it('have no end where the range goes to the last address', () => {
    expect(elementsOf(prefix('255.255.255.255/32'))).toHaveLength(1)
    expect(elementsOf(prefix('::/0'))).toHaveLength(1)
    expect(elementsOf(prefix('255.255.255.254/32'))).toHaveLength(2)
  })

  it('that somebody else put there as a range are no prefixes', () => {
    const [start] = elementsOf(prefix('10.0.0.0/32'))
    const [, end] = elementsOf(prefix('10.0.0.2/32'))
    expect(prefixesOf([start!, end!])).toBeUndefined()
    expect(prefixesOf([start!, start!])).toBeUndefined()
  })

  it('may begin with an end that ends nothing, as the program nft writes them', () => {
    const zero = { key: { value: new Uint8Array(4) }, flags: 1 }
    const own = elementsOf(prefix('10.0.0.0/8'))
    expect(prefixesOf([zero, ...own])).toEqual(['10.0.0.0/8'])
  })
})
