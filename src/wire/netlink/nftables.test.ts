import { describe, expect, it } from 'vitest'
import { ByteReader, fromHex, hex } from '../../lib/bytes.ts'
import { encoded } from './codec.ts'
import type { Expression } from './nftables-expressions.ts'
import { chainBody, objectBody, ruleBody, setElementsBody } from './nftables.ts'

const octets = (text: string): Uint8Array => fromHex(text.replaceAll(/\s/g, ''))

describe('nftables in netlink', () => {
  it('writes a base chain as the program nft does', () => {
    const chain = {
      family: 1,
      table: 'tortie',
      name: 'pre',
      hook: { number: 0, priority: -300 },
      policy: 1,
      type: 'filter',
    }
    const written = octets(`01 00 0000
      0b000100 746f7274696500 00  08000300 70726500
      14000480 0800010000000000 08000200fffffed4
      08000500 00000001  0b000700 66696c74657200 00`)
    expect(hex(encoded((to) => chainBody.encode(to, chain)))).toBe(hex(written))
    expect(chainBody.decode(new ByteReader(written))).toMatchObject(chain)
  })

  it('writes a counter with 64-bit values in network order', () => {
    const counter = { octets: 10n, packets: 2n ** 40n }
    const body = { family: 1, table: 't', name: 'c', type: 1, counter }
    const written = encoded((to) => objectBody.encode(to, body))
    expect(hex(written).endsWith('0c000100000000000000000a0c0002000000010000000000')).toBe(true)
    expect(objectBody.decode(new ByteReader(written))).toMatchObject(body)
  })

  it('reads rules as they were written, expressions that it does not know included', () => {
    const other = encoded((to) => to.bytes(octets('08000100 64757000')))
    const expressions: readonly Expression[] = [
      { name: 'meta', data: { register: 1, key: 6 } },
      { name: 'cmp', data: { register: 1, operation: 0, data: { value: octets('63616c69') } } },
      { name: 'payload', data: { register: 1, base: 1, offset: 12, length: 4 } },
      { name: 'lookup', data: { set: 'pools', register: 1, flags: 1 } },
      { name: 'fib', data: { register: 1, result: 1, flags: 41 } },
      { name: 'objref', data: { type: 1, name: 'spoofed' } },
      { name: 'masq', data: { flags: 16 } },
      { name: 'immediate', data: { register: 0, data: { verdict: { code: 0 } } } },
      { name: 'other', octets: other },
    ]
    const body = { family: 1, table: 't', chain: 'c', expressions }
    const written = encoded((to) => ruleBody.encode(to, body))
    expect(ruleBody.decode(new ByteReader(written)).expressions).toEqual(expressions)
  })

  it('does not hold on to the memory that an answer was read from', () => {
    const elements = [{ key: { value: octets('0a000001') }, flags: 1 }]
    const body = { family: 1, table: 't', set: 's', elements }
    const buffer = Buffer.from(encoded((to) => setElementsBody.encode(to, body)))
    const read = setElementsBody.decode(new ByteReader(buffer))
    buffer.fill(0xff)
    expect(read.elements).toEqual(elements)
  })
})
