import { describe, expect, it } from 'vitest'
import { hex } from '../../lib/bytes.ts'
import { BgpError } from './bgp-error.ts'
import { Framer } from './framer.ts'
import { EXTENDED_MESSAGE_OCTETS_MAX } from './header.ts'
import { encodeKeepalive } from './keepalive.ts'
import { annotated, framed } from './testing/goldens.ts'

const KEEPALIVE = encodeKeepalive()
const MARKER = 'ffffffff ffffffff ffffffff ffffffff'

function collector(): { framer: Framer; messages: string[] } {
  const messages: string[] = []
  const framer = new Framer((octets, start, end) => {
    messages.push(hex(octets.subarray(start, end)))
    return true
  })
  return { framer, messages }
}

function errorOf(action: () => void): BgpError {
  try {
    action()
  } catch (error) {
    if (error instanceof BgpError) return error
    throw error
  }
  throw new Error('Expected a BgpError')
}

describe('framer', () => {
  it('hands over whole messages however the stream is cut', () => {
    const update = framed(2, '0000 0000')
    const stream = [...KEEPALIVE, ...update, ...KEEPALIVE]
    for (let size = 1; size <= stream.length; size++) {
      const { framer, messages } = collector()
      for (let at = 0; at < stream.length; at += size) {
        framer.push(Uint8Array.from(stream.slice(at, at + size)))
      }
      expect(messages).toEqual([hex(KEEPALIVE), hex(update), hex(KEEPALIVE)])
      expect(framer.heldOctets).toBe(0)
    }
  })

  it('does not copy messages that lie whole in a chunk', () => {
    const chunk = Uint8Array.from([...KEEPALIVE, ...KEEPALIVE])
    const seen: Uint8Array[] = []
    new Framer((octets) => seen.push(octets) > 0).push(chunk)
    expect(seen).toEqual([chunk, chunk])
    expect(seen[0]).toBe(chunk)
  })

  it('stops for good when told to', () => {
    let count = 0
    const framer = new Framer(() => ++count > 1)
    framer.push(Uint8Array.from([...KEEPALIVE, ...KEEPALIVE]))
    framer.push(KEEPALIVE)
    framer.push(Uint8Array.of(0))
    expect(count).toBe(1)
  })

  it('refuses a wrong marker at its first wrong octet', () => {
    const { framer } = collector()
    framer.push(Uint8Array.of(0xff, 0xff))
    expect(errorOf(() => framer.push(Uint8Array.of(0xfe)))).toMatchObject({ code: 1, subcode: 1 })
  })

  it.each([
    ['a length below that of a header', '0012 04', 2, '0012'],
    ['a KEEPALIVE of 20 octets', '0014 04', 2, '0014'],
    ['an OPEN of 28 octets', '001c 01', 2, '001c'],
    ['an UPDATE of 22 octets', '0016 02', 2, '0016'],
    ['a NOTIFICATION of 20 octets', '0014 03', 2, '0014'],
    ['a ROUTE-REFRESH of 22 octets', '0016 05', 2, '0016'],
    ['a message of 4097 octets', '1001 02', 2, '1001'],
    ['a message of type 0', '0013 00', 3, '00'],
    ['a message of type 6', '0013 06', 3, '06'],
  ])('refuses %s before anything follows', (_, rest, subcode, data) => {
    for (const header of [annotated(`${MARKER} ${rest}`)]) {
      const whole = errorOf(() => collector().framer.push(header))
      expect(whole).toMatchObject({ code: 1, subcode })
      expect(hex(whole.data)).toBe(data)
      const { framer } = collector()
      framer.push(header.subarray(0, 18))
      expect(errorOf(() => framer.push(header.subarray(18)))).toMatchObject({ code: 1, subcode })
    }
  })

  it('takes long messages only once they are negotiated, and never a long OPEN', () => {
    const long = framed(2, `0000 0000 ${'00'.repeat(5000)}`)
    expect(errorOf(() => collector().framer.push(long))).toMatchObject({ code: 1, subcode: 2 })
    const { framer, messages } = collector()
    framer.messageOctetsMax = EXTENDED_MESSAGE_OCTETS_MAX
    for (let at = 0; at < long.length; at += 1000) framer.push(long.subarray(at, at + 1000))
    framer.push(long)
    expect(messages).toEqual([hex(long), hex(long)])
    const open = framed(1, '00'.repeat(5000))
    expect(errorOf(() => framer.push(open))).toMatchObject({ code: 1, subcode: 2 })
  })

  it('holds less than one message at any time', () => {
    const { framer, messages } = collector()
    const long = framed(2, `0000 0000 ${'00'.repeat(4000)}`)
    const stream = new Uint8Array(20 * long.length)
    for (let at = 0; at < stream.length; at += long.length) stream.set(long, at)
    for (let at = 0; at < stream.length; at += 777) {
      framer.push(stream.subarray(at, at + 777))
      expect(framer.heldOctets).toBeLessThan(long.length)
    }
    expect(messages).toHaveLength(20)
  })
})
