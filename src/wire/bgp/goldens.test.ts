import { describe, expect, it } from 'vitest'
import { hex } from '../../lib/bytes.ts'
import { ATTRIBUTES } from './attribute-table.ts'
import { BgpError } from './bgp-error.ts'
import { Framer } from './framer.ts'
import { CAPABILITY, MESSAGE_TYPE } from './iana.ts'
import { decodeMessage, encodeMessage, type Message, messageType } from './message.ts'
import { GOLDENS } from './testing/goldens.ts'

/** What the decoder makes of octets: a value, or its own error as text. Anything else is thrown on. */
function outcome(octets: Uint8Array, context: (typeof GOLDENS)[number]['context']): unknown {
  try {
    return decodeMessage(octets, 0, octets.length, context)
  } catch (error) {
    if (error instanceof BgpError) return `${error.code}/${error.subcode}`
    throw error
  }
}

describe('golden messages', () => {
  it.each(GOLDENS)('$name: octets give the value', ({ octets, message, context }) => {
    expect(decodeMessage(octets, 0, octets.length, context)).toEqual(message)
  })

  it.each(GOLDENS)('$name: the value gives the octets', ({ octets, message, context }) => {
    expect(hex(encodeMessage(message, context))).toBe(hex(octets))
  })

  it.each(GOLDENS)('$name: is one message to the framer', ({ octets }) => {
    const seen: string[] = []
    const framer = new Framer((from, start, end) => seen.push(hex(from.subarray(start, end))) > 0)
    for (const octet of octets) framer.push(Uint8Array.of(octet))
    expect(seen).toEqual([hex(octets)])
  })

  it.each(GOLDENS)('$name: every truncation is a value or a BgpError', ({ octets, context }) => {
    for (let end = 19; end < octets.length; end++) {
      const cut = octets.slice(0, end)
      expect(outcome(cut, context)).toBeDefined()
      cut[16] = end >>> 8
      cut[17] = end
      expect(outcome(cut, context)).toBeDefined()
    }
  })

  it('cover every message type, attribute and capability', () => {
    const types = new Set(GOLDENS.map(({ octets }) => messageType(octets, 0)))
    expect(types).toEqual(new Set(Object.values(MESSAGE_TYPE)))
    const updates = GOLDENS.flatMap(({ message }) => (message.kind === 'update' ? [message] : []))
    const attributes = new Set(updates.flatMap((update) => Object.keys(update.attributes)))
    const keys = Object.values(ATTRIBUTES).map(({ key }) => key)
    expect(attributes).toEqual(new Set<string>([...keys, 'unknown']))
    const opens = GOLDENS.flatMap(({ message }: { message: Message }) =>
      message.kind === 'open' ? message.capabilities : [],
    )
    const kinds = new Set<string>(opens.map(({ kind }) => kind))
    expect(kinds).toEqual(new Set([...Object.keys(CAPABILITY), 'unknown']))
  })
})
