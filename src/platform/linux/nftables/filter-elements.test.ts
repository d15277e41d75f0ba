import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { distinctPorts, distinctPrefixes, keyText } from '../../../kernel/filter-keys.ts'
import { addressFromOctets } from '../../../net/ip-address.ts'
import { prefix, prefixOf } from '../../../net/prefix.ts'
import { liveElements, setElementsOf } from './filter-elements.ts'

const prefixes = (octets: number) =>
  fc.array(
    fc
      .tuple(
        fc.uint8Array({ minLength: octets, maxLength: octets }),
        fc.integer({ min: 0, max: octets * 8 }),
      )
      .map(([address, length]) => prefixOf(addressFromOctets(address), length)),
  )

const elements = (type: 'ipv4' | 'ipv6' | 'port', key: Parameters<typeof keyText>[0]) =>
  setElementsOf([type], { key, value: undefined })

describe('the elements of an interval set', () => {
  it.each([4, 16])('are read back as the prefixes they stand for (%i octets)', (octets) => {
    const type = octets === 4 ? 'ipv4' : 'ipv6'
    fc.assert(
      fc.property(prefixes(octets), (list) => {
        const distinct = distinctPrefixes(list)
        const written = distinct.flatMap((each) => elements(type, each))
        const read = (rows: typeof written) => liveElements([type], rows).map(({ text }) => text)
        expect(read(written)).toEqual(distinct)
        expect(read(written.toReversed())).toEqual(distinct)
      }),
    )
  })

  it('are read back as the ranges of ports they stand for', () => {
    const port = fc.integer({ min: 0, max: 0xffff })
    const range = fc.tuple(port, port).map(([a, b]) => ({
      first: Math.min(a, b),
      last: Math.max(a, b),
    }))
    fc.assert(
      fc.property(fc.array(range), (list) => {
        const apart = distinctPorts(list).filter(
          ({ first }, index, all) => first > (all[index - 1]?.last ?? -1),
        )
        const written = apart.flatMap((each) => elements('port', each))
        expect(liveElements(['port'], written).map(({ text }) => text)).toEqual(apart.map(keyText))
      }),
    )
  })

  it('have no end where the range goes to the last value', () => {
    expect(elements('ipv4', prefix('255.255.255.255/32'))).toHaveLength(1)
    expect(elements('ipv6', prefix('::/0'))).toHaveLength(1)
    expect(elements('port', 65_535)).toHaveLength(1)
    expect(elements('ipv4', prefix('255.255.255.254/32'))).toHaveLength(2)
  })

  it('that somebody else put there as a range are known by both ends', () => {
    const [start] = elements('ipv4', prefix('10.0.0.0/32'))
    const [, end] = elements('ipv4', prefix('10.0.0.2/32'))
    expect(liveElements(['ipv4'], [start!, end!]).map(({ text }) => text)).toEqual([
      '10.0.0.0 to before 10.0.0.3',
    ])
    const [odd] = elements('ipv4', prefix('10.0.0.1/32'))
    expect(liveElements(['ipv4'], [odd!, end!]).map(({ text }) => text)).toEqual([
      '10.0.0.1 to before 10.0.0.3',
    ])
  })

  it('may begin with an end that ends nothing, as the program nft writes them', () => {
    const zero = { key: { value: new Uint8Array(4) }, flags: 1 }
    const own = elements('ipv4', prefix('10.0.0.0/8'))
    expect(liveElements(['ipv4'], [zero, ...own]).map(({ text }) => text)).toEqual(['10.0.0.0/8'])
  })
})
