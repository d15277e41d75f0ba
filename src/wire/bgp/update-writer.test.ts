import { describe, expect, it } from 'vitest'
import { fromHex } from '../../lib/bytes.ts'
import { ip } from '../../net/ip-address.ts'
import { type CodecContext } from './codec-context.ts'
import { Framer } from './framer.ts'
import { type Nlri, type Update } from './path-attributes.ts'
import { decodeUpdate, encodeAttributeBlock } from './update.ts'
import { UpdateWriter } from './update-writer.ts'
import { ADD_PATH, SESSION } from './testing/goldens.ts'

const BLOCK = encodeAttributeBlock({
  origin: 0,
  asPath: [{ kind: 'sequence', asns: [65001] }],
  nextHop: ip('10.0.0.1'),
})
const MP_BLOCK = encodeAttributeBlock({ origin: 0, asPath: [] })
const NEXT_HOP = fromHex('20010db8000000000000000000000001')

/** The messages of a writer, decoded; none may be longer than it may be. */
function messages(writer: UpdateWriter, context: CodecContext, octetsMax = 4096): Update[] {
  const found: Update[] = []
  const framer = new Framer((octets, start, end) => {
    expect(end - start).toBeLessThanOrEqual(octetsMax)
    const { update, faults } = decodeUpdate(octets.slice(start, end), context)
    expect(faults).toEqual([])
    found.push(update)
    return true
  })
  framer.messageOctetsMax = octetsMax
  framer.push(writer.take())
  expect(framer.heldOctets).toBe(0)
  return found
}

const prefixes = (list: readonly Nlri[]): string[] => list.map(({ prefix }) => prefix)

describe('UPDATE writer', () => {
  it('packs IPv4 routes of one attribute block into as few messages as it takes', () => {
    const writer = new UpdateWriter({})
    expect(writer.beginAnnounce(4, BLOCK, 0, BLOCK.length)).toBe(true)
    for (let n = 0; n < 2500; n++) writer.add4(0x0a000000 + n * 256, 24, 0)
    writer.end()
    const found = messages(writer, SESSION)
    // 4 octets a route; 4096 less header, lengths and attributes leave room for 1013 of them
    expect(found.map(({ announced }) => announced.length)).toEqual([1013, 1013, 474])
    const all = found.flatMap(({ announced }) => prefixes(announced))
    expect(all[0]).toBe('10.0.0.0/24')
    expect(all.at(-1)).toBe('10.9.195.0/24')
    expect(new Set(all).size).toBe(2500)
    expect(found.every(({ attributes }) => attributes.nextHop === '10.0.0.1')).toBe(true)
  })

  it('packs withdrawals, and one route after another kind', () => {
    const writer = new UpdateWriter({})
    writer.beginWithdraw(4)
    for (let n = 0; n < 1500; n++) writer.add4(0x0a000000 + n * 256, 24, 0)
    writer.end()
    writer.beginAnnounce(4, BLOCK, 0, BLOCK.length)
    writer.add4(0, 0, 0)
    writer.end()
    const found = messages(writer, SESSION)
    expect(found.map(({ withdrawn }) => withdrawn.length)).toEqual([1018, 482, 0])
    expect(prefixes(found[2]!.announced)).toEqual(['0.0.0.0/0'])
  })

  it('packs IPv6 routes behind their next hop, MP_REACH_NLRI first', () => {
    const writer = new UpdateWriter({})
    const words = Uint32Array.of(0, 0x20010db8, 0, 0, 0)
    writer.beginAnnounce(6, MP_BLOCK, 0, MP_BLOCK.length, NEXT_HOP)
    for (let n = 0; n < 600; n++) {
      words[2] = n << 16
      writer.add6(words, 1, 48, 0)
    }
    writer.end()
    writer.beginWithdraw(6)
    writer.add6(words, 1, 128, 0)
    writer.end()
    const octets = writer.take()
    expect(octets[24]).toBe(14)
    const again = new UpdateWriter({})
    again.beginWithdraw(6)
    const framed: Update[] = []
    new Framer((from, start, end) => {
      expect(end - start).toBeLessThanOrEqual(4096)
      return framed.push(decodeUpdate(from.slice(start, end), SESSION).update) > 0
    }).push(octets)
    const routes = framed.flatMap(({ attributes }) => attributes.mpReachNlri?.nlri ?? [])
    expect(routes).toHaveLength(600)
    expect(routes[599]!.prefix).toBe('2001:db8:257::/48')
    expect(framed[0]!.attributes.mpReachNlri?.nextHop).toBe('2001:db8::1')
    expect(framed.at(-1)!.attributes.mpUnreachNlri?.nlri).toEqual([
      { prefix: '2001:db8:257::/128' },
    ])
  })

  it('carries IPv4 over an IPv6 next hop', () => {
    const writer = new UpdateWriter({})
    writer.beginAnnounce(4, MP_BLOCK, 0, MP_BLOCK.length, NEXT_HOP)
    writer.add4(0x0a010000, 24, 0)
    writer.end()
    expect(messages(writer, SESSION)[0]!.attributes.mpReachNlri).toEqual({
      family: 4,
      nextHop: '2001:db8::1',
      nlri: [{ prefix: '10.1.0.0/24' }],
    })
  })

  it('writes path identifiers only where they were negotiated', () => {
    const writer = new UpdateWriter({ addPath: { ipv4: true, ipv6: true } })
    writer.beginAnnounce(4, BLOCK, 0, BLOCK.length)
    writer.add4(0x0a010000, 24, 4000000000)
    writer.end()
    writer.beginAnnounce(6, MP_BLOCK, 0, MP_BLOCK.length, NEXT_HOP)
    writer.add6(Uint32Array.of(0x20010db8, 0, 0, 0), 0, 32, 7)
    writer.end()
    const [first, second] = messages(writer, ADD_PATH)
    expect(first!.announced).toEqual([{ prefix: '10.1.0.0/24', pathId: 4000000000 }])
    expect(second!.attributes.mpReachNlri!.nlri).toEqual([{ prefix: '2001:db8::/32', pathId: 7 }])
  })

  it.each([4, 6] as const)('ends the RIB of IPv%s as RFC 4724 has it', (family) => {
    const writer = new UpdateWriter({})
    writer.endOfRib(family)
    const [update] = messages(writer, SESSION)
    const attributes = family === 4 ? {} : { mpUnreachNlri: { family: 6, nlri: [] } }
    expect(update).toEqual({ kind: 'update', withdrawn: [], announced: [], attributes })
  })

  it('refuses attributes that leave no room for a route, and takes them in long messages', () => {
    const communities = Array.from({ length: 1020 }, (_, index) => index)
    const large = encodeAttributeBlock({ origin: 0, asPath: [], communities })
    const next = fromHex('0a000001')
    expect(new UpdateWriter({}).beginAnnounce(4, large, 0, large.length)).toBe(false)
    expect(new UpdateWriter({}).beginAnnounce(4, large, 0, large.length, next)).toBe(false)
    const writer = new UpdateWriter({ messageOctetsMax: 65535 })
    expect(writer.beginAnnounce(4, large, 0, large.length, next)).toBe(true)
    for (let n = 0; n < 20000; n++) writer.add4(0x0a000000 + n * 256, 24, 0)
    writer.end()
    const found = messages(writer, SESSION, 65535)
    expect(found.flatMap(({ attributes }) => attributes.mpReachNlri!.nlri)).toHaveLength(20000)
  })

  it('fills a message to its last octet and no further', () => {
    for (let room = 9; room < 14; room++) {
      const octetsMax = 19 + 4 + BLOCK.length + room
      const writer = new UpdateWriter({ messageOctetsMax: octetsMax })
      writer.beginAnnounce(4, BLOCK, 0, BLOCK.length)
      for (let n = 0; n < 9; n++) writer.add4(n << 8, 24, 0)
      writer.end()
      const counts = messages(writer, SESSION, octetsMax).map(({ announced }) => announced.length)
      expect(counts.slice(0, -1).every((count) => count === Math.floor(room / 4))).toBe(true)
    }
  })
})
