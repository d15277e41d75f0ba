import { describe, expect, it } from 'vitest'
import { hex } from '../../lib/bytes.ts'
import { ATTRIBUTES } from './attribute-table.ts'
import { BgpError } from './bgp-error.ts'
import { type CodecContext } from './codec-context.ts'
import { scanUpdate } from './scan-update.ts'
import { decodeAttributeBlock, decodeUpdate } from './update.ts'
import {
  ADD_PATH,
  annotated,
  framed,
  MANDATORY,
  OLD_SPEAKER,
  SESSION,
  updateOf,
} from './testing/goldens.ts'
import { TREATMENT } from './treatment.ts'
import { UpdateScan } from './update-scan.ts'

type Outcome = 'accepted' | 'discard' | 'withdraw' | `reset ${number}/${number}`

interface Case {
  /** What is wrong, and the section that says what to do. */
  readonly name: string
  /** Attributes of the message, mandatory ones included. */
  readonly attributes: string
  readonly outcome: Outcome
  readonly context?: CodecContext
  readonly nlri?: string
  readonly withdrawn?: string
  /** Hexadecimal data of the NOTIFICATION, where it matters. */
  readonly data?: string
}

const EXTERNAL: CodecContext = { ...SESSION, internal: false }
const ORIGIN = '40 01 01 00'
const AS_PATH = '40 02 06 02 01 0000fde9'
const NEXT_HOP = '40 03 04 0a000001'
const REACH = '80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8'

const more = (
  name: string,
  attribute: string,
  outcome: Outcome,
  rest: Partial<Case> = {},
): Case => ({
  name,
  attributes: MANDATORY + attribute,
  outcome,
  ...rest,
})
const only = (
  name: string,
  attributes: string,
  outcome: Outcome,
  rest: Partial<Case> = {},
): Case => ({
  name,
  attributes,
  outcome,
  ...rest,
})

/** One table a kind of attribute, named by its key in ATTRIBUTES. */
const CASES: Readonly<Record<string, readonly Case[]>> = {
  origin: [
    only('no octets (7.1)', `40 01 00 ${AS_PATH} ${NEXT_HOP}`, 'withdraw'),
    only('two octets (7.1)', `40 01 02 0000 ${AS_PATH} ${NEXT_HOP}`, 'withdraw'),
    only('value 3 (7.1)', `40 01 01 03 ${AS_PATH} ${NEXT_HOP}`, 'withdraw'),
    only('value 255 (7.1)', `40 01 01 ff ${AS_PATH} ${NEXT_HOP}`, 'withdraw'),
    only('optional (3 c)', `c0 01 01 00 ${AS_PATH} ${NEXT_HOP}`, 'withdraw'),
    only('not transitive (3 c)', `00 01 01 00 ${AS_PATH} ${NEXT_HOP}`, 'withdraw'),
    only('missing (3 d)', `${AS_PATH} ${NEXT_HOP}`, 'withdraw'),
    only('missing with MP_REACH_NLRI (3 d)', `${REACH} ${AS_PATH}`, 'withdraw', { nlri: '' }),
    more('twice (3 g)', ORIGIN, 'discard'),
    more('twice, the second malformed (3 g)', '40 01 01 07', 'discard'),
    only(
      'partial bit and unused bits are not looked at (3 c)',
      `6f 01 01 00 ${AS_PATH} ${NEXT_HOP}`,
      'accepted',
    ),
    only('two-octet length where one would do', `50 01 0001 00 ${AS_PATH} ${NEXT_HOP}`, 'accepted'),
  ],
  asPath: [
    only('segment of type 0 (7.2)', `${ORIGIN} 40 02 06 00 01 0000fde9 ${NEXT_HOP}`, 'withdraw'),
    only('segment of type 5 (7.2)', `${ORIGIN} 40 02 06 05 01 0000fde9 ${NEXT_HOP}`, 'withdraw'),
    only(
      'AS_CONFED_SEQUENCE (RFC 5065 5.3)',
      `${ORIGIN} 40 02 06 03 01 0000fde9 ${NEXT_HOP}`,
      'withdraw',
    ),
    only(
      'AS_CONFED_SET (RFC 5065 5.3)',
      `${ORIGIN} 40 02 06 04 01 0000fde9 ${NEXT_HOP}`,
      'withdraw',
    ),
    only('overrun (7.2)', `${ORIGIN} 40 02 06 02 02 0000fde9 ${NEXT_HOP}`, 'withdraw'),
    only(
      'underrun: one octet left (7.2)',
      `${ORIGIN} 40 02 07 02 01 0000fde9 02 ${NEXT_HOP}`,
      'withdraw',
    ),
    only('empty segment (7.2)', `${ORIGIN} 40 02 02 02 00 ${NEXT_HOP}`, 'withdraw'),
    only(
      'empty second segment (7.2)',
      `${ORIGIN} 40 02 08 02 01 0000fde9 01 00 ${NEXT_HOP}`,
      'withdraw',
    ),
    only('AS 0 (RFC 7607)', `${ORIGIN} 40 02 0a 02 02 0000fde9 00000000 ${NEXT_HOP}`, 'withdraw'),
    only(
      'two-octet numbers on a four-octet session',
      `${ORIGIN} 40 02 04 02 01 fde9 ${NEXT_HOP}`,
      'withdraw',
    ),
    only(
      'four-octet numbers on a two-octet session',
      `${ORIGIN} ${AS_PATH} ${NEXT_HOP}`,
      'withdraw',
      { context: OLD_SPEAKER },
    ),
    only('optional (3 c)', `${ORIGIN} c0 02 06 02 01 0000fde9 ${NEXT_HOP}`, 'withdraw'),
    only('not transitive (3 c)', `${ORIGIN} 00 02 06 02 01 0000fde9 ${NEXT_HOP}`, 'withdraw'),
    only('missing (3 d)', `${ORIGIN} ${NEXT_HOP}`, 'withdraw'),
    only('empty, which is valid (4)', `${ORIGIN} 40 02 00 ${NEXT_HOP}`, 'accepted'),
    more('twice (3 g)', AS_PATH, 'discard'),
  ],
  nextHop: [
    only('no octets (7.3)', `${ORIGIN} ${AS_PATH} 40 03 00`, 'withdraw'),
    only('three octets (7.3)', `${ORIGIN} ${AS_PATH} 40 03 03 0a0000`, 'withdraw'),
    only('sixteen octets (7.3)', `${ORIGIN} ${AS_PATH} 40 03 10 ${'20'.repeat(16)}`, 'withdraw'),
    only('0.0.0.0 (RFC 4271 6.3, 3 e)', `${ORIGIN} ${AS_PATH} 40 03 04 00000000`, 'withdraw'),
    only('multicast (RFC 4271 6.3, 3 e)', `${ORIGIN} ${AS_PATH} 40 03 04 e0000001`, 'withdraw'),
    only('broadcast (RFC 4271 6.3, 3 e)', `${ORIGIN} ${AS_PATH} 40 03 04 ffffffff`, 'withdraw'),
    only('optional (3 c)', `${ORIGIN} ${AS_PATH} c0 03 04 0a000001`, 'withdraw'),
    only('missing with IPv4 NLRI (3 d)', `${ORIGIN} ${AS_PATH}`, 'withdraw'),
    only('missing with MP_REACH_NLRI alone', `${REACH} ${ORIGIN} ${AS_PATH}`, 'accepted', {
      nlri: '',
    }),
    only(
      'beside MP_REACH_NLRI (RFC 4760 3)',
      `${REACH} ${ORIGIN} ${AS_PATH} ${NEXT_HOP}`,
      'accepted',
      { nlri: '' },
    ),
    more('twice (3 g)', '40 03 04 0a000002', 'discard'),
  ],
  multiExitDisc: [
    more('no octets (7.4)', '80 04 00', 'withdraw'),
    more('three octets (7.4)', '80 04 03 000001', 'withdraw'),
    more('five octets (7.4)', '80 04 05 0000000001', 'withdraw'),
    more('well-known (3 c)', '40 04 04 00000001', 'withdraw'),
    more('transitive (3 c)', 'c0 04 04 00000001', 'withdraw'),
    more('twice (3 g)', '80 04 04 00000001 80 04 04 00000002', 'discard'),
  ],
  localPref: [
    more('no octets, own AS (7.5)', '40 05 00', 'withdraw'),
    more('three octets, own AS (7.5)', '40 05 03 000064', 'withdraw'),
    more('optional, own AS (3 c)', 'c0 05 04 00000064', 'withdraw'),
    more('whole, from another AS (7.5)', '40 05 04 00000064', 'discard', { context: EXTERNAL }),
    more('three octets, from another AS (7.5)', '40 05 03 000064', 'discard', {
      context: EXTERNAL,
    }),
    more('missing from our own AS is tolerated', '', 'accepted'),
    more('twice (3 g)', '40 05 04 00000064 40 05 04 00000065', 'discard'),
  ],
  atomicAggregate: [
    more('one octet (7.6)', '40 06 01 00', 'discard'),
    more('optional (3 c)', 'c0 06 00', 'withdraw'),
    more('twice (3 g)', '40 06 00 40 06 00', 'discard'),
  ],
  aggregator: [
    more('no octets (7.7)', 'c0 07 00', 'discard'),
    more('six octets on a four-octet session (7.7)', 'c0 07 06 fde9 0a000001', 'discard'),
    more('eight octets on a two-octet session (7.7)', 'c0 07 08 0000fde9 0a000001', 'discard', {
      attributes: `${ORIGIN} 40 02 04 02 01 fde9 ${NEXT_HOP} c0 07 08 0000fde9 0a000001`,
      context: OLD_SPEAKER,
    }),
    more('AS 0 (RFC 7607)', 'c0 07 08 00000000 0a000001', 'discard'),
    more('well-known (3 c)', '40 07 08 0000fde9 0a000001', 'withdraw'),
    more('not transitive (3 c)', '80 07 08 0000fde9 0a000001', 'withdraw'),
    more('twice (3 g)', 'c0 07 08 0000fde9 0a000001 c0 07 08 0000fde9 0a000001', 'discard'),
  ],
  communities: [
    more('no octets (7.8)', 'c0 08 00', 'withdraw'),
    more('five octets (7.8)', 'c0 08 05 fde8000100', 'withdraw'),
    more('well-known (3 c)', '40 08 04 fde80001', 'withdraw'),
    more('not transitive (3 c)', '80 08 04 fde80001', 'withdraw'),
    more('twice (3 g)', 'c0 08 04 fde80001 c0 08 04 fde80002', 'discard'),
  ],
  originatorId: [
    more('three octets, own AS (7.9)', '80 09 03 0a0000', 'withdraw'),
    more('transitive, own AS (3 c)', 'c0 09 04 0a000001', 'withdraw'),
    more('whole, from another AS (7.9)', '80 09 04 0a000001', 'discard', { context: EXTERNAL }),
    more('three octets, from another AS (7.9)', '80 09 03 0a0000', 'discard', {
      context: EXTERNAL,
    }),
    more('twice (3 g)', '80 09 04 0a000001 80 09 04 0a000002', 'discard'),
  ],
  clusterList: [
    more('no octets, own AS (7.10)', '80 0a 00', 'withdraw'),
    more('six octets, own AS (7.10)', '80 0a 06 f40000010000', 'withdraw'),
    more('transitive, own AS (3 c)', 'c0 0a 04 f4000001', 'withdraw'),
    more('whole, from another AS (7.10)', '80 0a 04 f4000001', 'discard', { context: EXTERNAL }),
    more('twice (3 g)', '80 0a 04 f4000001 80 0a 04 f4000002', 'discard'),
  ],
  mpReachNlri: [
    more('four octets (5.3)', '80 0e 04 00020100', 'reset 3/9', { data: '800e0400020100' }),
    more('no octets (5.3)', '80 0e 00', 'reset 3/9', { data: '800e00' }),
    more(
      'well-known (5.3)',
      '40 0e 15 0002 01 10 20010db8000000000000000000000001 00',
      'reset 3/4',
    ),
    more(
      'transitive (5.3)',
      'c0 0e 15 0002 01 10 20010db8000000000000000000000001 00',
      'reset 3/4',
    ),
    more('next hop of 15 octets (7.11)', `80 0e 14 0002 01 0f ${'20'.repeat(15)} 00`, 'reset 3/9'),
    more(
      'IPv4 next hop for IPv6 (7.11)',
      '80 0e 0e 0002 01 04 0a000001 00 20 20010db8',
      'reset 3/9',
    ),
    more('next hop beyond the attribute (7.11)', '80 0e 0a 0002 01 10 200120012001', 'reset 3/9'),
    more(
      'IPv6 next hop for IPv4, not negotiated (RFC 8950 4)',
      '80 0e 16 0001 01 10 20010db8000000000000000000000001 00 00',
      'reset 3/9',
      {
        context: { ...SESSION, ipv4: { ...SESSION.ipv4, extendedNextHop: false } },
      },
    ),
    more(
      'prefix of 129 bits (5.3)',
      `80 0e 27 0002 01 10 20010db8000000000000000000000001 00 81 ${'20'.repeat(17)}`,
      'reset 3/9',
    ),
    more(
      'last prefix cut (5.3)',
      '80 0e 19 0002 01 10 20010db8000000000000000000000001 00 20 20010d',
      'reset 3/9',
    ),
    more('twice (3 g)', `${REACH} ${REACH}`, 'reset 3/1', { data: '' }),
    more('cut by the end of the attributes (4, 3 j)', '80 0e 40 0002 01 10 20010db8', 'reset 3/9'),
    only(
      'unspecified next hop (RFC 4271 6.3)',
      `80 0e 1a 0002 01 10 ${'00'.repeat(16)} 00 20 20010db8 ${ORIGIN} ${AS_PATH}`,
      'withdraw',
      { nlri: '' },
    ),
    only(
      'multicast next hop (RFC 4271 6.3)',
      `80 0e 1a 0002 01 10 ff02${'00'.repeat(14)} 00 20 20010db8 ${ORIGIN} ${AS_PATH}`,
      'withdraw',
      { nlri: '' },
    ),
    more(
      'of a family that is not known is ignored (RFC 4760 8)',
      '80 0e 0a 4004 47 04 01020304 00 ff',
      'accepted',
    ),
    more(
      'of a family that was not negotiated is ignored',
      `80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 ff 20010db8`,
      'accepted',
      {
        context: { ...SESSION, ipv6: { ...SESSION.ipv6, negotiated: false } },
      },
    ),
    only(
      'path identifier cut (RFC 7911 3)',
      `80 0e 18 0002 01 10 20010db8000000000000000000000001 00 000001`,
      'reset 3/9',
      {
        context: ADD_PATH,
        nlri: '',
      },
    ),
  ],
  mpUnreachNlri: [
    more('two octets (5.3)', '80 0f 02 0002', 'reset 3/9', { data: '800f020002' }),
    more('transitive (5.3)', 'c0 0f 03 0002 01', 'reset 3/4'),
    more('prefix of 129 bits (5.3)', `80 0f 15 0002 01 81 ${'20'.repeat(17)}`, 'reset 3/9'),
    more('last prefix cut (5.3)', '80 0f 07 0002 01 20 20010d', 'reset 3/9'),
    more('IPv4 prefix of 33 bits (5.3)', '80 0f 09 0001 01 21 0a00000000', 'reset 3/9'),
    more('twice (3 g)', '80 0f 03 0002 01 80 0f 03 0002 01', 'reset 3/1'),
    more('cut by the end of the attributes (4, 3 j)', '80 0f 20 0002 01', 'reset 3/9'),
    more(
      'of a family that is not known is ignored (RFC 4760 8)',
      '80 0f 05 4004 47 ffff',
      'accepted',
    ),
  ],
  extendedCommunities: [
    more('no octets (7.14)', 'c0 10 00', 'withdraw'),
    more('nine octets (7.14)', 'c0 10 09 0002fde80000006400', 'withdraw'),
    more('well-known (3 c)', '40 10 08 0002fde800000064', 'withdraw'),
    more('of a type that is not known (7.14)', 'c0 10 08 ffffffffffffffff', 'accepted'),
    more('twice (3 g)', 'c0 10 08 0002fde800000064 c0 10 08 0002fde800000065', 'discard'),
  ],
  as4Path: [
    ...(
      [
        ['no octets (RFC 6793 6)', 'c0 11 00', 'discard'],
        ['segment of type 5 (RFC 6793 6)', 'c0 11 06 05 01 0000fde9', 'discard'],
        ['empty segment (RFC 6793 6)', 'c0 11 08 02 01 0000fde9 02 00', 'discard'],
        ['overrun (RFC 6793 6)', 'c0 11 06 02 02 0000fde9', 'discard'],
        ['AS 0 (RFC 7607)', 'c0 11 06 02 01 00000000', 'discard'],
        [
          'confederation segment, skipped (RFC 6793 6)',
          'c0 11 0c 03 01 0000fdff 02 01 0000fde9',
          'accepted',
        ],
        ['well-known (3 c)', '40 11 06 02 01 0000fde9', 'withdraw'],
        ['twice (3 g)', 'c0 11 06 02 01 0000fde9 c0 11 06 02 01 0000fde9', 'discard'],
      ] as const
    ).map(([name, octets, outcome]) =>
      only(name, `${ORIGIN} 40 02 04 02 01 fde9 ${NEXT_HOP} ${octets}`, outcome, {
        context: OLD_SPEAKER,
      }),
    ),
    more(
      'malformed on a four-octet session, dropped unread (RFC 6793 4.1)',
      'c0 11 01 00',
      'accepted',
    ),
  ],
  as4Aggregator: [
    ...(
      [
        ['six octets (RFC 6793 6)', 'c0 12 06 fde9 0a000001', 'discard'],
        ['AS 0 (RFC 7607)', 'c0 12 08 00000000 0a000001', 'discard'],
        ['well-known (3 c)', '40 12 08 0000fde9 0a000001', 'withdraw'],
      ] as const
    ).map(([name, octets, outcome]) =>
      only(name, `${ORIGIN} 40 02 04 02 01 fde9 ${NEXT_HOP} ${octets}`, outcome, {
        context: OLD_SPEAKER,
      }),
    ),
    more(
      'malformed on a four-octet session, dropped unread (RFC 6793 4.1)',
      'c0 12 01 00',
      'accepted',
    ),
  ],
  largeCommunities: [
    more('no octets (RFC 8092 6)', 'c0 20 00', 'withdraw'),
    more('eleven octets (RFC 8092 6)', `c0 20 0b ${'01'.repeat(11)}`, 'withdraw'),
    more('well-known (3 c)', `40 20 0c ${'01'.repeat(12)}`, 'withdraw'),
    more('twice (3 g)', `c0 20 0c ${'01'.repeat(12)} c0 20 0c ${'02'.repeat(12)}`, 'discard'),
  ],
  unknown: [
    more('well-known (RFC 4271 6.3)', '40 63 02 0102', 'reset 3/2', { data: '4063020102' }),
    more('type 0, well-known (RFC 4271 6.3)', '40 00 00', 'reset 3/2', { data: '400000' }),
    more('optional, not transitive: dropped (RFC 4271 5)', '80 63 02 0102', 'accepted'),
    more('twice (3 g)', 'c0 63 02 0102 c0 63 02 0304', 'discard'),
  ],
  message: [
    more('one octet beyond the attributes (4)', '40', 'withdraw'),
    more('two octets beyond the attributes (4)', 'c0 08', 'withdraw'),
    more('two-octet length cut (4)', 'd0 08 00', 'withdraw'),
    more('last attribute beyond the end (4)', 'c0 08 08 fde80001', 'withdraw'),
    more('the stronger of two (3 h)', '40 06 01 00 c0 08 00', 'withdraw'),
    more('the stronger of two, other order (3 h)', 'c0 08 00 40 06 01 00', 'withdraw'),
    more('reset is the strongest (3 h)', 'c0 08 00 80 0e 00', 'reset 3/9'),
    only('malformed attribute and no routes (5.2)', `40 01 01 07`, 'reset 3/6', {
      nlri: '',
      data: '40010107',
    }),
    only(
      'malformed attribute with withdrawn routes alone (5.2)',
      'c0 08 05 fde8000100',
      'reset 3/5',
      { nlri: '', withdrawn: '08 0a', data: 'c00805fde8000100' },
    ),
    only('wrong flags and no routes (5.2)', 'c0 01 01 00', 'reset 3/4', {
      nlri: '',
      data: 'c0010100',
    }),
    only('malformed path and no routes (5.2)', '40 02 02 02 00', 'reset 3/11', { nlri: '' }),
    only('bad next hop and no routes (5.2)', '40 03 04 00000000', 'reset 3/8', { nlri: '' }),
    only('cut attributes and no routes (5.2)', '40', 'reset 3/1', { nlri: '', data: '' }),
    only('discarded attribute and no routes (5.2)', '40 06 01 00', 'discard', { nlri: '' }),
    only('attributes without routes and without error', ORIGIN, 'accepted', { nlri: '' }),
    more('IPv4 prefix of 33 bits (5.3)', '', 'reset 3/10', { nlri: '21 0a00000000', data: '' }),
    more('IPv4 prefix cut (5.3)', '', 'reset 3/10', { nlri: '18 0a00' }),
    more('withdrawn prefix of 33 bits (3 i)', '', 'reset 3/10', { withdrawn: '21 0a00000000' }),
    more('withdrawn prefix cut (3 i)', '', 'reset 3/10', { withdrawn: '10 0a' }),
    more('path identifier cut (RFC 7911 3)', '', 'reset 3/10', {
      nlri: '000001',
      context: ADD_PATH,
    }),
    more('bits beyond the prefix do not matter (RFC 4271 4.3)', '', 'accepted', {
      nlri: '09 0aff',
    }),
  ],
}

function outcomeOf({ attributes, nlri, withdrawn, context }: Case): {
  outcome: Outcome
  data: string | undefined
} {
  const message = updateOf(attributes, nlri, withdrawn)
  const names = ['accepted', 'discard', 'withdraw'] as const
  const scan = new UpdateScan()
  try {
    scanUpdate(message, 0, message.length, context ?? SESSION, scan)
  } catch (error) {
    if (!(error instanceof BgpError)) throw error
    return { outcome: `reset ${error.code}/${error.subcode}`, data: hex(error.data) }
  }
  return { outcome: names[scan.treatment as 0 | 1 | 2], data: undefined }
}

describe.each(Object.entries(CASES))('malformed %s', (_, cases) => {
  it.each(cases)('$name: $outcome', (row) => {
    const found = outcomeOf(row)
    expect(found.outcome).toBe(row.outcome)
    if (row.data !== undefined) expect(found.data).toBe(row.data)
  })
})

describe('RFC 7606', () => {
  it('has cases for every attribute, and each kind of fault that every attribute can have', () => {
    for (const { key } of Object.values(ATTRIBUTES)) {
      const outcomes = CASES[key]?.map(({ outcome }) => outcome) ?? []
      expect(outcomes.length, key).toBeGreaterThan(2)
    }
  })

  it('withdraws announced routes beside those that were withdrawn', () => {
    const scan = new UpdateScan()
    const octets = updateOf(`${REACH} ${MANDATORY} c0 08 00`, '18 0a0100', '08 0b')
    scanUpdate(octets, 0, octets.length, SESSION, scan)
    const { update, faults } = decodeUpdate(octets, SESSION)
    expect(update.withdrawn).toEqual([{ prefix: '11.0.0.0/8' }, { prefix: '10.1.0.0/24' }])
    expect(update.announced).toEqual([])
    expect(update.attributes.mpReachNlri).toBeUndefined()
    expect(scan.mpWithdrawn).toMatchObject({ family: 6, count: 1 })
    expect(scan.mpAnnounced.count).toBe(0)
    expect(faults.map(({ treatment }) => treatment)).toEqual([TREATMENT.treatAsWithdraw])
  })

  it('withdraws routes of both families though MP_UNREACH_NLRI has another one', () => {
    const scan = new UpdateScan()
    const octets = updateOf(`${REACH} ${MANDATORY} 80 0f 05 0001 01 08 0b c0 08 00`)
    scanUpdate(octets, 0, octets.length, SESSION, scan)
    expect(scan.withdrawn).toMatchObject({ family: 4, count: 2 })
    expect(scan.mpWithdrawn).toMatchObject({ family: 6, count: 1 })
  })

  it('keeps the first of duplicates and tells of the others', () => {
    const { update, faults } = decodeUpdate(
      updateOf(`${MANDATORY} 80 04 04 00000001 80 04 04 00000002`),
      SESSION,
    )
    expect(update.attributes.multiExitDisc).toBe(1)
    expect(faults).toMatchObject([{ attribute: 4, treatment: TREATMENT.attributeDiscard }])
  })

  it('bounds what it remembers of a message full of faults', () => {
    const { faults } = decodeUpdate(updateOf(MANDATORY + '40 06 00'.repeat(500)), SESSION)
    expect(faults).toHaveLength(16)
  })

  it('leaves no trace of one message in the next', () => {
    const scan = new UpdateScan()
    const bad = updateOf(`${MANDATORY} c0 08 00 c0 63 01 01`)
    const good = updateOf(MANDATORY)
    scanUpdate(bad, 0, bad.length, SESSION, scan)
    scanUpdate(good, 0, good.length, SESSION, scan)
    expect(scan).toMatchObject({ treatment: TREATMENT.none, faults: [], mustRewrite: false })
    expect(scan.withdrawn.count).toBe(0)
    expect(scan.announced.count).toBe(1)
    const { octets, start, end } = scan.block
    expect(hex(octets.subarray(start, end))).toBe(hex(annotated(MANDATORY)))
  })
})

describe('lengths of the fields of an UPDATE', () => {
  it.each([
    ['withdrawn routes beyond the message', '0005 0000'],
    ['withdrawn routes that leave no room for the attribute length', '0002 0000'],
    ['attributes beyond the message', '0000 0004 400101'],
  ])('%s: reset 3/1', (_, body) => {
    const octets = framed(2, body)
    expect(() => scanUpdate(octets, 0, octets.length, SESSION, new UpdateScan())).toThrow(
      expect.objectContaining({ code: 3, subcode: 1 }),
    )
  })
})

describe('attributes that are discarded', () => {
  it('are not in the block that is passed on', () => {
    const scan = new UpdateScan()
    const octets = updateOf(`${MANDATORY} 40 05 04 00000064 80 63 01 01 c0 62 01 02 40 06 01 00`)
    scanUpdate(octets, 0, octets.length, EXTERNAL, scan)
    const { block } = scan
    expect(decodeAttributeBlock(block.octets, block.start, block.end)).toEqual({
      origin: 0,
      asPath: [{ kind: 'sequence', asns: [65001] }],
      nextHop: '10.0.0.1',
      unknown: [{ flags: 0xe0, code: 0x62, octets: Uint8Array.of(2) }],
    })
  })
})
