import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../lib/bytes.ts'
import { SeededRandom } from '../../lib/random.ts'
import { addressFromOctets, type IpAddress } from '../../net/ip-address.ts'
import { prefixOf } from '../../net/prefix.ts'
import { type Capability, decodeCapabilities, encodeCapability } from './capabilities.ts'
import { type CodecContext } from './codec-context.ts'
import { decodeMessage, encodeMessage } from './message.ts'
import { type PathAttributes, type Update } from './path-attributes.ts'
import { decodeUpdate } from './update.ts'
import { ByteReader } from '../../lib/bytes.ts'
import { soakCodec } from './testing/codec-soak.ts'
import { ADD_PATH, SESSION } from './testing/goldens.ts'

const u32 = fc.nat(0xffffffff)
const asn = fc.integer({ min: 1, max: 0xffffffff })
const octets = (count: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: count, maxLength: count })
const ipv4 = octets(4).map((bytes): IpAddress => addressFromOctets(bytes))
const host4 = octets(4).map((bytes) => {
  bytes[0] = 1 + (bytes[0]! % 223)
  return addressFromOctets(bytes)
})
const host6 = octets(16).map((bytes) => {
  bytes[0] = 0x20
  return addressFromOctets(bytes)
})
const nlri = (size: 4 | 16, withPathId: boolean) =>
  fc.tuple(octets(size), fc.nat(8 * size), u32).map(([bytes, length, pathId]) => {
    const prefix = prefixOf(addressFromOctets(bytes), length)
    return withPathId ? { prefix, pathId } : { prefix }
  })
const segment = fc.record({
  kind: fc.constantFrom('sequence' as const, 'set' as const),
  asns: fc.array(asn, { minLength: 1, maxLength: 5 }),
})
const list = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value[]> =>
  fc.array(value, { minLength: 1, maxLength: 4 })
const hexDigits = octets(8).map((bytes) => Buffer.from(bytes).toString('hex'))

function updates(withPathId: boolean): fc.Arbitrary<Update> {
  const optional: fc.Arbitrary<PathAttributes> = fc.record(
    {
      multiExitDisc: u32,
      localPref: u32,
      atomicAggregate: fc.constant(true as const),
      aggregator: fc.record({ asn, address: ipv4 }),
      communities: list(u32),
      originatorId: ipv4,
      clusterList: list(ipv4),
      mpReachNlri: fc.record({
        family: fc.constant(6 as const),
        nextHop: host6,
        nlri: list(nlri(16, withPathId)),
      }),
      mpUnreachNlri: fc.record({
        family: fc.constant(6 as const),
        nlri: list(nlri(16, withPathId)),
      }),
      extendedCommunities: list(hexDigits),
      largeCommunities: list(
        fc.record({ globalAdministrator: u32, localData1: u32, localData2: u32 }),
      ),
      unknown: fc
        .tuple(fc.integer({ min: 40, max: 255 }), fc.uint8Array({ maxLength: 300 }))
        .map(([code, value]) => [{ flags: 0xe0, code, octets: value }]),
    },
    { requiredKeys: [] },
  )
  return fc.record({
    kind: fc.constant('update' as const),
    withdrawn: fc.array(nlri(4, withPathId), { maxLength: 4 }),
    attributes: fc
      .tuple(optional, fc.nat(2), fc.array(segment, { maxLength: 3 }), host4)
      .map(([rest, origin, asPath, nextHop]) => ({ ...rest, origin, asPath, nextHop })),
    announced: fc.array(nlri(4, withPathId), { minLength: 1, maxLength: 6 }),
  })
}

describe('the codec, by properties', () => {
  it.each([
    ['without path identifiers', SESSION, false],
    ['with path identifiers', ADD_PATH, true],
  ] as const)('any UPDATE %s survives the wire', (_, context: CodecContext, withPathId) => {
    fc.assert(
      fc.property(updates(withPathId), (update) => {
        expect(decodeUpdate(encodeMessage(update, context), context)).toEqual({
          update,
          faults: [],
        })
      }),
      { numRuns: 3000 },
    )
  })

  it('any OPEN survives the wire, whatever number of capabilities', () => {
    const capability: fc.Arbitrary<Capability> = fc.oneof(
      fc.record({
        kind: fc.constant('multiprotocol' as const),
        afi: fc.nat(0xffff),
        safi: fc.nat(255),
      }),
      fc.record({
        kind: fc.constant('unknown' as const),
        code: fc.integer({ min: 128, max: 255 }),
        octets: fc.uint8Array({ maxLength: 255 }),
      }),
    )
    const open = fc.record({
      kind: fc.constant('open' as const),
      asn: fc.integer({ min: 1, max: 65535 }),
      holdTimeSeconds: fc.integer({ min: 3, max: 65535 }),
      bgpIdentifier: host4,
      capabilities: fc.array(capability, { maxLength: 12 }),
    })
    fc.assert(
      fc.property(open, (value) => {
        const message = encodeMessage(value, SESSION)
        expect(decodeMessage(message, 0, message.length, SESSION)).toEqual(value)
      }),
      { numRuns: 2000 },
    )
  })

  it('any octets as capabilities give a list that survives, or a BgpError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        let found: Capability[]
        try {
          found = decodeCapabilities(new ByteReader(bytes))
        } catch (error) {
          expect((error as Error).name).toMatch(/BgpError|ShortInput/)
          return
        }
        const writer = new ByteWriter()
        for (const each of found) encodeCapability(writer, each)
        expect(decodeCapabilities(new ByteReader(writer.take()))).toEqual(found)
      }),
      { numRuns: 20000 },
    )
  })

  it('300,000 random messages are treated as the RFCs say, and nothing but BgpError is thrown', () => {
    const total = { none: 0, discard: 0, withdraw: 0, reset: 0, mutations: 0, mutationErrors: 0 }
    fc.assert(
      fc.property(fc.nat(0x7fffffff), (seed) => {
        const counts = soakCodec(seed, 500)
        for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += counts[key]
      }),
      { numRuns: 600, endOnFailure: true },
    )
    for (const [outcome, count] of Object.entries(total)) {
      expect(count, outcome).toBeGreaterThan(10_000)
    }
  })

  it('the same seed gives the same messages', () => {
    expect(soakCodec(7, 400)).toEqual(soakCodec(7, 400))
    expect(new SeededRandom(1).below(1000)).toBe(new SeededRandom(1).below(1000))
  })
})
