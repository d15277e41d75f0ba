import { type ByteReader, type ByteWriter, fromHex, hex } from '../../lib/bytes.ts'
import {
  addressFromOctets,
  addressOctets,
  type IpAddress,
  ipv4FromNumber,
  ipv4ToNumber,
} from '../../net/ip-address.ts'
import { checkAs4Path, checkAsPath, readAs4Path, readAsPath, writeAsPath } from './as-path.ts'
import { type CodecContext } from './codec-context.ts'
import { afiSafiOf, familyOfAfiSafi } from './families.ts'
import { ATTRIBUTE, ATTRIBUTE_FLAG, ORIGIN, UPDATE_SUBCODE } from './iana.ts'
import { NlriList, readNlri } from './nlri-list.ts'
import { nlriOf, writeNlri } from './nlri.ts'
import { type Aggregator, type Nlri, type PathAttributes } from './path-attributes.ts'
import { TREATMENT, type Treatment } from './treatment.ts'

type Key = Exclude<keyof PathAttributes, 'unknown'>

/** All that there is to know of one path attribute. */
export interface AttributeRow<K extends Key = Key> {
  readonly key: K
  readonly code: number
  /** The optional and transitive bits that its RFC gives it. */
  readonly flags: number
  /** What RFC 7606 (section 7, or the attribute's own RFC) does when the value is malformed. */
  readonly onError: Treatment
  /** What it does when the optional or transitive bit is wrong: RFC 7606 sections 3 (c) and 5.3. */
  readonly onFlagsError: Treatment
  /** From a neighbor of another AS it is discarded unread: RFC 7606 sections 7.5, 7.9, 7.10. */
  readonly internalOnly?: true
  /** What a value must be, for messages: "Expected ORIGIN to be …". */
  readonly expected: string
  /** UPDATE_SUBCODE of what is wrong with the value, 0 if nothing is. Must not allocate. */
  check(octets: Uint8Array, start: number, end: number, context: CodecContext): number
  /** Decodes a value that passed {@link check}. */
  decode(value: ByteReader, context: CodecContext): NonNullable<PathAttributes[K]>
  encode(writer: ByteWriter, value: NonNullable<PathAttributes[K]>, context: CodecContext): void
}

const WELL_KNOWN = ATTRIBUTE_FLAG.transitive
const OPTIONAL_TRANSITIVE = ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.transitive
const OPTIONAL_NON_TRANSITIVE = ATTRIBUTE_FLAG.optional

const { attributeDiscard, treatAsWithdraw, sessionReset } = TREATMENT

const exactly =
  (octets: number) =>
  (_: Uint8Array, start: number, end: number): number =>
    end - start === octets ? 0 : UPDATE_SUBCODE.attributeLengthError

const nonEmptyMultipleOf =
  (octets: number) =>
  (_: Uint8Array, start: number, end: number): number =>
    end > start && (end - start) % octets === 0 ? 0 : UPDATE_SUBCODE.attributeLengthError

const u32 = {
  check: exactly(4),
  decode: (value: ByteReader): number => value.u32(),
  encode: (writer: ByteWriter, value: number): void => writer.u32(value),
}

const ipv4 = {
  decode: (value: ByteReader): IpAddress => ipv4FromNumber(value.u32()),
  encode: (writer: ByteWriter, value: IpAddress): void => writer.u32(ipv4ToNumber(value)),
}

/** Reads values until the attribute is used up. */
function listOf<Value>(value: ByteReader, read: () => Value): Value[] {
  const found: Value[] = []
  while (value.remaining > 0) found.push(read())
  return found
}

const asnOctets = (context: CodecContext): 2 | 4 => (context.fourOctetAs ? 4 : 2)

/** RFC 4271 section 6.3: a valid host address. Loopback is one; 0.0.0.0/8, multicast and 240.0.0.0/4 are not. */
function checkNextHop(octets: Uint8Array, start: number, end: number): number {
  if (end - start !== 4) return UPDATE_SUBCODE.attributeLengthError
  const first = octets[start]!
  return first === 0 || first >= 224 ? UPDATE_SUBCODE.invalidNextHop : 0
}

function checkOrigin(octets: Uint8Array, start: number, end: number): number {
  if (end - start !== 1) return UPDATE_SUBCODE.attributeLengthError
  return octets[start]! > ORIGIN.incomplete ? UPDATE_SUBCODE.invalidOrigin : 0
}

/** AGGREGATOR with AS numbers of two or four octets; AS 0 is malformed (RFC 7607). */
function checkAggregator(octets: Uint8Array, start: number, end: number, size: 2 | 4): number {
  if (end - start !== size + 4) return UPDATE_SUBCODE.attributeLengthError
  for (let at = start; at < start + size; at++) if (octets[at] !== 0) return 0
  return UPDATE_SUBCODE.optionalAttributeError
}

function readAggregator(value: ByteReader, size: 2 | 4): Aggregator {
  const asn = size === 4 ? value.u32() : value.u16()
  return { asn, address: ipv4FromNumber(value.u32()) }
}

function writeAggregator(writer: ByteWriter, { asn, address }: Aggregator, size: 2 | 4): void {
  if (size === 4) writer.u32(asn)
  else writer.u16(asn > 0xffff ? 23456 : asn)
  writer.u32(ipv4ToNumber(address))
}

function readNlriOf(value: ByteReader, family: 4 | 6, withPathId: boolean): Nlri[] {
  const list = new NlriList()
  list.clear(family)
  readNlri(value.octets, value.at, value.end, withPathId, list)
  value.skip(value.remaining)
  return nlriOf(list, withPathId)
}

const familyContext = (context: CodecContext, family: 4 | 6) =>
  family === 4 ? context.ipv4 : context.ipv6

/** The rows, in order of type. A key of {@link PathAttributes} without a row does not compile. */
export const ATTRIBUTES: { readonly [K in Key]: AttributeRow<K> } = {
  origin: {
    key: 'origin',
    code: ATTRIBUTE.origin,
    flags: WELL_KNOWN,
    onError: treatAsWithdraw, // RFC 7606 section 7.1
    onFlagsError: treatAsWithdraw,
    expected: 'one octet from 0 to 2',
    check: checkOrigin,
    decode: (value) => value.u8(),
    encode: (writer, value) => writer.u8(value),
  },
  asPath: {
    key: 'asPath',
    code: ATTRIBUTE.asPath,
    flags: WELL_KNOWN,
    onError: treatAsWithdraw, // RFC 7606 section 7.2
    onFlagsError: treatAsWithdraw,
    expected: 'whole, non-empty segments of type 1 or 2 without AS 0',
    check: (octets, start, end, context) => checkAsPath(octets, start, end, asnOctets(context)),
    decode: (value, context) => readAsPath(value, asnOctets(context)),
    encode: (writer, value, context) => writeAsPath(writer, value, asnOctets(context)),
  },
  nextHop: {
    key: 'nextHop',
    code: ATTRIBUTE.nextHop,
    flags: WELL_KNOWN,
    onError: treatAsWithdraw, // RFC 7606 sections 7.3 and 3 (e)
    onFlagsError: treatAsWithdraw,
    expected: 'an IPv4 host address',
    check: checkNextHop,
    ...ipv4,
  },
  multiExitDisc: {
    key: 'multiExitDisc',
    code: ATTRIBUTE.multiExitDisc,
    flags: OPTIONAL_NON_TRANSITIVE,
    onError: treatAsWithdraw, // RFC 7606 section 7.4
    onFlagsError: treatAsWithdraw,
    expected: '4 octets',
    ...u32,
  },
  localPref: {
    key: 'localPref',
    code: ATTRIBUTE.localPref,
    flags: WELL_KNOWN,
    onError: treatAsWithdraw, // RFC 7606 section 7.5
    onFlagsError: treatAsWithdraw,
    internalOnly: true,
    expected: '4 octets',
    ...u32,
  },
  atomicAggregate: {
    key: 'atomicAggregate',
    code: ATTRIBUTE.atomicAggregate,
    flags: WELL_KNOWN,
    onError: attributeDiscard, // RFC 7606 section 7.6
    onFlagsError: treatAsWithdraw,
    expected: 'no octets',
    check: exactly(0),
    decode: () => true,
    encode() {},
  },
  aggregator: {
    key: 'aggregator',
    code: ATTRIBUTE.aggregator,
    flags: OPTIONAL_TRANSITIVE,
    onError: attributeDiscard, // RFC 7606 section 7.7
    onFlagsError: treatAsWithdraw,
    expected: 'an AS number other than 0 and an IPv4 address',
    check: (octets, start, end, context) => checkAggregator(octets, start, end, asnOctets(context)),
    decode: (value, context) => readAggregator(value, asnOctets(context)),
    encode: (writer, value, context) => writeAggregator(writer, value, asnOctets(context)),
  },
  communities: {
    key: 'communities',
    code: ATTRIBUTE.communities,
    flags: OPTIONAL_TRANSITIVE,
    onError: treatAsWithdraw, // RFC 7606 section 7.8
    onFlagsError: treatAsWithdraw,
    expected: 'one or more communities of 4 octets',
    check: nonEmptyMultipleOf(4),
    decode: (value) => listOf(value, () => value.u32()),
    encode: (writer, value) => value.forEach((community) => writer.u32(community)),
  },
  originatorId: {
    key: 'originatorId',
    code: ATTRIBUTE.originatorId,
    flags: OPTIONAL_NON_TRANSITIVE,
    onError: treatAsWithdraw, // RFC 7606 section 7.9
    onFlagsError: treatAsWithdraw,
    internalOnly: true,
    expected: '4 octets',
    check: exactly(4),
    ...ipv4,
  },
  clusterList: {
    key: 'clusterList',
    code: ATTRIBUTE.clusterList,
    flags: OPTIONAL_NON_TRANSITIVE,
    onError: treatAsWithdraw, // RFC 7606 section 7.10
    onFlagsError: treatAsWithdraw,
    internalOnly: true,
    expected: 'one or more cluster identifiers of 4 octets',
    check: nonEmptyMultipleOf(4),
    decode: (value) => listOf(value, () => ipv4FromNumber(value.u32())),
    encode: (writer, value) => value.forEach((id) => writer.u32(ipv4ToNumber(id))),
  },
  mpReachNlri: {
    key: 'mpReachNlri',
    code: ATTRIBUTE.mpReachNlri,
    flags: OPTIONAL_NON_TRANSITIVE,
    onError: sessionReset, // RFC 7606 section 7.11
    onFlagsError: sessionReset, // RFC 7606 section 5.3
    expected: 'a family, a next hop of its length, and NLRI',
    check: (_, start, end) => (end - start < 5 ? UPDATE_SUBCODE.optionalAttributeError : 0),
    decode(value, context) {
      const family = familyOfAfiSafi(value.u16(), value.u8()) ?? 4
      const nextHopOctets = value.bytes(value.u8())
      value.skip(1) // reserved
      const isPair = nextHopOctets.length === 32
      const nextHop = addressFromOctets(isPair ? nextHopOctets.subarray(0, 16) : nextHopOctets)
      const nlri = readNlriOf(value, family, familyContext(context, family).addPathReceive)
      if (!isPair) return { family, nextHop, nlri }
      const linkLocalNextHop = addressFromOctets(nextHopOctets.subarray(16))
      return { family, nextHop, linkLocalNextHop, nlri }
    },
    encode(writer, value, context) {
      const { afi, safi } = afiSafiOf(value.family)
      writer.u16(afi)
      writer.u8(safi)
      writer.counted8(() => {
        writer.bytes(addressOctets(value.nextHop))
        if (value.linkLocalNextHop !== undefined)
          writer.bytes(addressOctets(value.linkLocalNextHop))
      })
      writer.u8(0)
      const { addPathSend } = familyContext(context, value.family)
      for (const nlri of value.nlri) writeNlri(writer, nlri, addPathSend)
    },
  },
  mpUnreachNlri: {
    key: 'mpUnreachNlri',
    code: ATTRIBUTE.mpUnreachNlri,
    flags: OPTIONAL_NON_TRANSITIVE,
    onError: sessionReset, // RFC 7606 section 5.3
    onFlagsError: sessionReset,
    expected: 'a family and NLRI',
    check: (_, start, end) => (end - start < 3 ? UPDATE_SUBCODE.optionalAttributeError : 0),
    decode(value, context) {
      const family = familyOfAfiSafi(value.u16(), value.u8()) ?? 4
      const nlri = readNlriOf(value, family, familyContext(context, family).addPathReceive)
      return { family, nlri }
    },
    encode(writer, value, context) {
      const { afi, safi } = afiSafiOf(value.family)
      writer.u16(afi)
      writer.u8(safi)
      const { addPathSend } = familyContext(context, value.family)
      for (const nlri of value.nlri) writeNlri(writer, nlri, addPathSend)
    },
  },
  extendedCommunities: {
    key: 'extendedCommunities',
    code: ATTRIBUTE.extendedCommunities,
    flags: OPTIONAL_TRANSITIVE,
    onError: treatAsWithdraw, // RFC 7606 section 7.14
    onFlagsError: treatAsWithdraw,
    expected: 'one or more communities of 8 octets',
    check: nonEmptyMultipleOf(8),
    decode: (value) => listOf(value, () => hex(value.bytes(8))),
    encode: (writer, value) => value.forEach((community) => writer.bytes(fromHex(community))),
  },
  as4Path: {
    key: 'as4Path',
    code: ATTRIBUTE.as4Path,
    flags: OPTIONAL_TRANSITIVE,
    onError: attributeDiscard, // RFC 6793 section 6
    onFlagsError: treatAsWithdraw,
    expected: 'whole, non-empty segments without AS 0',
    check: checkAs4Path,
    decode: readAs4Path,
    encode: (writer, value) => writeAsPath(writer, value, 4),
  },
  as4Aggregator: {
    key: 'as4Aggregator',
    code: ATTRIBUTE.as4Aggregator,
    flags: OPTIONAL_TRANSITIVE,
    onError: attributeDiscard, // RFC 6793 section 6
    onFlagsError: treatAsWithdraw,
    expected: 'a four-octet AS number other than 0 and an IPv4 address',
    check: (octets, start, end) => checkAggregator(octets, start, end, 4),
    decode: (value) => readAggregator(value, 4),
    encode: (writer, value) => writeAggregator(writer, value, 4),
  },
  largeCommunities: {
    key: 'largeCommunities',
    code: ATTRIBUTE.largeCommunities,
    flags: OPTIONAL_TRANSITIVE,
    onError: treatAsWithdraw, // RFC 8092 section 6
    onFlagsError: treatAsWithdraw,
    expected: 'one or more communities of 12 octets',
    check: nonEmptyMultipleOf(12),
    decode: (value) =>
      listOf(value, () => ({
        globalAdministrator: value.u32(),
        localData1: value.u32(),
        localData2: value.u32(),
      })),
    encode(writer, value) {
      for (const { globalAdministrator, localData1, localData2 } of value) {
        writer.u32(globalAdministrator)
        writer.u32(localData1)
        writer.u32(localData2)
      }
    },
  },
}

/** Rows by attribute type, 0 to 255. */
export const ROW_BY_CODE: readonly (AttributeRow | undefined)[] = rowsByCode()

function rowsByCode(): (AttributeRow | undefined)[] {
  const rows: (AttributeRow | undefined)[] = Array.from({ length: 256 }, () => undefined)
  for (const row of Object.values(ATTRIBUTES)) rows[row.code] = row as unknown as AttributeRow
  return rows
}
