import { describe, expect, it } from 'vitest'
import { ByteWriter, fromHex, hex } from '../../lib/bytes.ts'
import { ip } from '../../net/ip-address.ts'
import { type AttributeEdits, exportAttributes } from './export-attributes.ts'
import { type PathAttributes } from './path-attributes.ts'
import { COMMUNITY_BIT, PathFacts, readPathFacts } from './path-facts.ts'
import { decodeAttributeBlock, decodeUpdate, encodeAttributeBlock } from './update.ts'
import { framed, OLD_SPEAKER } from './testing/goldens.ts'

const sequence = (...asns: number[]) => [{ kind: 'sequence' as const, asns }]
const ROUTE: PathAttributes = {
  origin: 0,
  asPath: sequence(65001, 65002),
  nextHop: ip('10.0.0.1'),
  multiExitDisc: 7,
  localPref: 200,
  communities: [0xfde80001, 0xffffff01],
  originatorId: ip('10.9.9.9'),
  clusterList: [ip('244.0.0.1')],
  unknown: [{ flags: 0xe0, code: 99, octets: fromHex('0102') }],
}

function exported(route: PathAttributes, edits: Partial<AttributeEdits>): PathAttributes {
  const block = encodeAttributeBlock(route)
  const writer = new ByteWriter(64)
  exportAttributes(block, 0, block.length, { fourOctetAs: true, ...edits }, writer)
  return decodeAttributeBlock(writer.take())
}

describe('attributes on their way out', () => {
  it('to another AS lose what is ours and get our number and next hop', () => {
    const found = exported(ROUTE, {
      prependAs: 65000,
      nextHop: fromHex('0a000002'),
      localPref: null,
      multiExitDisc: null,
      originatorId: null,
      clusterId: null,
    })
    expect(found).toEqual({
      origin: 0,
      asPath: sequence(65000, 65001, 65002),
      nextHop: '10.0.0.2',
      communities: ROUTE.communities,
      unknown: ROUTE.unknown,
    })
  })

  it('reflected keep everything and get our cluster in front', () => {
    const edits = { keepNextHop: true, originatorId: 0x0a000001, clusterId: 0xf4000002 }
    expect(exported(ROUTE, edits)).toEqual({
      ...ROUTE,
      clusterList: ['244.0.0.2', '244.0.0.1'],
    })
  })

  it('have each attribute once, in whatever order the block has them', () => {
    // MP_REACH_NLRI first (RFC 7606 section 5.1), then ORIGIN, LOCAL_PREF, AS_PATH.
    const reach = '800e0e0002010420010db80000000000000000'.slice(0, 6 + 2 * 14)
    const block = fromHex(`${reach}40010100400504000000644002060201000000ff`)
    const writer = new ByteWriter(64)
    const edits = { fourOctetAs: true, prependAs: 65000, localPref: 200 }
    exportAttributes(block, 0, block.length, edits, writer)
    expect(hex(writer.take())).toBe('40010100400504000000c840020a02020000fde8000000ff')
  })

  it('get what they lack, in order of type', () => {
    const bare = { origin: 0, asPath: [], communities: [1] } satisfies PathAttributes
    const edits = {
      nextHop: fromHex('0a000002'),
      localPref: 100,
      multiExitDisc: 5,
      originatorId: 1,
      clusterId: 2,
    }
    const block = encodeAttributeBlock(bare)
    const writer = new ByteWriter(64)
    exportAttributes(block, 0, block.length, { fourOctetAs: true, ...edits }, writer)
    expect(hex(writer.take())).toBe(
      hex(
        encodeAttributeBlock({
          ...bare,
          nextHop: ip('10.0.0.2'),
          localPref: 100,
          multiExitDisc: 5,
          originatorId: ip('0.0.0.1'),
          clusterList: [ip('0.0.0.2')],
        }),
      ),
    )
    expect(exported({}, { prependAs: 65000, prependCount: 3 })).toEqual({
      asPath: sequence(65000, 65000, 65000),
    })
  })

  it('leave out NEXT_HOP and MP_REACH_NLRI when the UPDATE writer writes the next hop', () => {
    const route: PathAttributes = {
      origin: 0,
      asPath: [],
      mpReachNlri: { family: 6, nextHop: ip('2001:db8::1'), nlri: [] },
    }
    expect(exported(route, {})).toEqual({ origin: 0, asPath: [] })
    expect(exported(ROUTE, {})).not.toHaveProperty('nextHop')
  })

  it('prepend in a segment of its own before a set and before a full sequence', () => {
    const set = [{ kind: 'set' as const, asns: [1, 2] }]
    expect(exported({ asPath: set }, { prependAs: 9 }).asPath).toEqual([...sequence(9), ...set])
    const full = Array.from({ length: 255 }, (_, index) => index + 1)
    const found = exported({ asPath: sequence(...full) }, { prependAs: 9 }).asPath
    expect(found).toEqual([...sequence(9), ...sequence(...full)])
  })

  it.each([
    ['our own number', 4200000000, [65001]],
    ['a number of the path', 65000, [70000, 65001]],
    ['none', 65000, [65001]],
  ])('to an old speaker carry AS4_PATH where %s does not fit', (_, prependAs, path) => {
    const route: PathAttributes = {
      origin: 0,
      asPath: sequence(...path),
      nextHop: ip('10.0.0.1'),
      aggregator: { asn: 70001, address: ip('10.0.0.9') },
    }
    const block = encodeAttributeBlock(route)
    const writer = new ByteWriter(64)
    exportAttributes(
      block,
      0,
      block.length,
      { fourOctetAs: false, keepNextHop: true, prependAs },
      writer,
    )
    const octets = writer.take()
    const length = octets.length.toString(16).padStart(4, '0')
    const update = framed(2, `0000 ${length} ${hex(octets)} 08 0a`)
    const { attributes } = decodeUpdate(update, OLD_SPEAKER).update
    const narrow = [prependAs, ...path].map((asn) => (asn > 65535 ? 23456 : asn))
    expect(attributes.asPath).toEqual(sequence(...narrow))
    const fits = narrow.every((asn) => asn !== 23456)
    expect(attributes.as4Path).toEqual(fits ? undefined : sequence(prependAs, ...path))
    expect(attributes.aggregator?.asn).toBe(23456)
    expect(attributes.as4Aggregator).toEqual(route.aggregator)
  })
})

describe('facts of a block', () => {
  const facts = new PathFacts()
  const read = (route: PathAttributes): Uint8Array => {
    const block = encodeAttributeBlock(route)
    readPathFacts(block, 0, block.length, facts)
    return block
  }

  it('are what the decision process compares', () => {
    const block = read({
      ...ROUTE,
      asPath: [...sequence(65001, 65002), { kind: 'set', asns: [1, 2] }],
    })
    expect(facts).toMatchObject({
      origin: 0,
      asPathLength: 3,
      firstAs: 65001,
      originAs: 0,
      multiExitDisc: 7,
      localPref: 200,
      originatorId: 0x0a090909,
      clusterListLength: 1,
      communityBits: COMMUNITY_BIT.noExport,
      nextHopLength: 4,
    })
    const nextHop = block.subarray(facts.nextHopStart, facts.nextHopStart + facts.nextHopLength)
    expect(hex(nextHop)).toBe('0a000001')
  })

  it('are absent where the attributes are, whatever was read before', () => {
    read(ROUTE)
    read({
      origin: 2,
      asPath: [],
      mpReachNlri: { family: 6, nextHop: ip('2001:db8::1'), nlri: [] },
    })
    expect(facts).toMatchObject({
      origin: 2,
      asPathLength: 0,
      firstAs: 0,
      multiExitDisc: -1,
      localPref: -1,
      originatorId: 0,
      clusterListLength: 0,
      communityBits: 0,
      nextHopLength: 16,
    })
  })

  it('know every community that the speaker acts on', () => {
    read({ communities: [0xffff0000, 0xffff0006, 0xffff0007, 0xffffff02, 0xffffff03] })
    const { noExport, ...others } = COMMUNITY_BIT
    expect(facts.communityBits).toBe(Object.values(others).reduce((all, bit) => all | bit, 0))
    expect(facts.communityBits & noExport).toBe(0)
  })
})
