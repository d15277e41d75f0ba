import { ROW_BY_CODE } from './attribute-table.ts'
import { updateError } from './bgp-error.ts'
import { buildBlocks } from './build-blocks.ts'
import { type Family } from '../../net/ip-address.ts'
import { type CodecContext } from './codec-context.ts'
import { familyOfAfiSafi } from './families.ts'
import { MESSAGE_HEADER_OCTETS } from './header.ts'
import { ATTRIBUTE, ATTRIBUTE_FLAG, UPDATE_SUBCODE } from './iana.ts'
import { type NlriList, readNlri } from './nlri-list.ts'
import { type UpdateFault, TREATMENT, type Treatment } from './treatment.ts'
import {
  type AttributeBlock,
  BLOCK_OCTETS_MAX,
  FAULTS_MAX,
  type UpdateScan,
} from './update-scan.ts'

/**
 * Checks an UPDATE whole, by RFC 4271, 4760 and 7606, and finds its parts: the one way into the program
 * for routes. `octets[start, end)` is the message with its header, from the framer.
 *
 * Throws BgpError where RFC 7606 asks for a session reset ("AFI/SAFI disable" is answered by a reset as
 * well, which RFC 7606 section 2 allows); all else is a fault in `into`.
 */
export function scanUpdate(
  octets: Uint8Array,
  start: number,
  end: number,
  context: CodecContext,
  into: UpdateScan,
): void {
  into.clear()
  const withdrawnStart = start + MESSAGE_HEADER_OCTETS + 2
  const withdrawnEnd = withdrawnStart + u16(octets, withdrawnStart - 2)
  if (withdrawnEnd + 2 > end) throw listError('withdrawn routes', end - withdrawnStart)
  const attributesStart = withdrawnEnd + 2
  const attributesEnd = attributesStart + u16(octets, withdrawnEnd)
  if (attributesEnd > end) throw listError('path attributes', end - attributesStart)

  const { addPathReceive, negotiated } = context.ipv4
  into.withdrawnOctets = withdrawnEnd - withdrawnStart
  readField(octets, withdrawnStart, withdrawnEnd, addPathReceive, into.withdrawn)
  readField(octets, attributesEnd, end, addPathReceive, into.announced)
  scanAttributes(octets, attributesStart, attributesEnd, context, into)
  const hasReachable = into.announced.count > 0 || into.mpReachOctets > 0
  if (hasReachable) checkMandatory(into)
  if (!negotiated) {
    into.withdrawn.count = 0
    into.announced.count = 0
  }
  into.endOfRib = endOfRib(octets, attributesStart, attributesEnd, end, context, into)
  if (into.treatment === TREATMENT.treatAsWithdraw) {
    if (!hasReachable) throw resetFor(into)
    withdrawInstead(into)
    return
  }
  buildBlocks(octets, attributesStart, attributesEnd, context, into)
  if (isTooLong(into.block) || isTooLong(into.mpBlock)) {
    addFault(into, {
      treatment: TREATMENT.treatAsWithdraw,
      subcode: UPDATE_SUBCODE.malformedAsPath,
      attribute: ATTRIBUTE.asPath,
      message: `Expected attributes of ${BLOCK_OCTETS_MAX} octets at most with AS numbers of four octets`,
      data: Uint8Array.of(),
    })
    withdrawInstead(into)
  }
}

function isTooLong({ start, end }: AttributeBlock): boolean {
  return end - start > BLOCK_OCTETS_MAX
}

/** RFC 4724 section 2: an UPDATE without anything, or with MP_UNREACH_NLRI alone and that without NLRI. */
function endOfRib(
  octets: Uint8Array,
  attributesStart: number,
  attributesEnd: number,
  end: number,
  context: CodecContext,
  into: UpdateScan,
): Family | undefined {
  if (attributesEnd !== end || into.withdrawnOctets > 0) return undefined
  if (attributesStart === attributesEnd) return context.ipv4.negotiated ? 4 : undefined
  const isAlone = into.keptCount === 1 && into.keptEnds[0] === attributesEnd
  if (!isAlone || into.keptStarts[0] !== attributesStart || into.mpWithdrawn.count > 0) {
    return undefined
  }
  const valueStart = into.valueStarts[ATTRIBUTE.mpUnreachNlri]!
  if (octets[attributesStart + 1] !== ATTRIBUTE.mpUnreachNlri) return undefined
  if (valueStart + 3 !== attributesEnd) return undefined
  const family = familyOfAfiSafi(u16(octets, valueStart), octets[valueStart + 2]!)
  return family !== undefined && isNegotiated(family, context) ? family : undefined
}

function u16(octets: Uint8Array, at: number): number {
  return (octets[at]! << 8) | octets[at + 1]!
}

function listError(what: string, left: number): Error {
  return updateError(
    UPDATE_SUBCODE.malformedAttributeList,
    `Expected the length of the ${what} to fit the message, found fewer octets: ${left}`,
  )
}

/** NLRI of RFC 4271; no error in them can be survived (RFC 7606 sections 3 (i), 3 (j), 5.3). */
function readField(
  octets: Uint8Array,
  start: number,
  end: number,
  withPathId: boolean,
  into: NlriList,
): void {
  if (!readNlri(octets, start, end, withPathId, into)) {
    throw updateError(
      UPDATE_SUBCODE.invalidNetworkField,
      'Expected whole IPv4 prefixes of up to 32 bits, found others',
    )
  }
}

function scanAttributes(
  octets: Uint8Array,
  start: number,
  end: number,
  context: CodecContext,
  into: UpdateScan,
): void {
  let at = start
  while (at < end) {
    const flags = octets[at]!
    const headerOctets = (flags & ATTRIBUTE_FLAG.extendedLength) === 0 ? 3 : 4
    const isWhole = at + headerOctets <= end
    const valueStart = at + headerOctets
    const length = !isWhole ? 0 : headerOctets === 3 ? octets[at + 2]! : u16(octets, at + 2)
    const valueEnd = valueStart + length
    if (!isWhole || valueEnd > end) {
      truncatedAttribute(octets, at, end, into)
      return
    }
    scanAttribute(octets, at, valueStart, valueEnd, context, into)
    at = valueEnd
  }
}

/** RFC 7606 section 4; where it is MP_REACH_NLRI or MP_UNREACH_NLRI that is cut, its NLRI are lost (5.3). */
function truncatedAttribute(octets: Uint8Array, at: number, end: number, into: UpdateScan): void {
  const code = at + 1 < end ? octets[at + 1] : undefined
  if (code === ATTRIBUTE.mpReachNlri || code === ATTRIBUTE.mpUnreachNlri) {
    throw updateError(
      UPDATE_SUBCODE.optionalAttributeError,
      `Expected attribute ${code} whole, found its first ${end - at} octets`,
      octets.slice(at, end),
    )
  }
  addFault(into, {
    treatment: TREATMENT.treatAsWithdraw,
    subcode: UPDATE_SUBCODE.malformedAttributeList,
    attribute: code,
    message: `Expected the last attribute whole, found its first ${end - at} octets`,
    data: octets.slice(at, end),
  })
}

function scanAttribute(
  octets: Uint8Array,
  at: number,
  valueStart: number,
  valueEnd: number,
  context: CodecContext,
  into: UpdateScan,
): void {
  const flags = octets[at]!
  const code = octets[at + 1]!
  if (into.seen[code] === into.generation) return duplicate(octets, at, valueEnd, into)
  into.seen[code] = into.generation
  const isForOldSpeakers = code === ATTRIBUTE.as4Path || code === ATTRIBUTE.as4Aggregator
  if (isForOldSpeakers && context.fourOctetAs) {
    into.mustRewrite = true // RFC 6793 section 4.1: to be discarded
    return
  }
  const row = ROW_BY_CODE[code]
  if (row === undefined) {
    if (isUnknownKept(octets, at, valueEnd, into)) keep(at, valueEnd, into)
    return
  }
  if (row.internalOnly === true && !context.internal) {
    const message = `Expected no ${row.key} from a neighbor of another AS`
    return fault(row, TREATMENT.attributeDiscard, 0, message, octets, at, valueEnd, into)
  }
  if (((flags ^ row.flags) & (ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.transitive)) !== 0) {
    const found = `0x${flags.toString(16)}`
    const message = `Expected flags 0x${row.flags.toString(16)} on ${row.key}, found ${found}`
    const { attributeFlagsError } = UPDATE_SUBCODE
    return fault(row, row.onFlagsError, attributeFlagsError, message, octets, at, valueEnd, into)
  }
  const subcode = row.check(octets, valueStart, valueEnd, context)
  if (subcode !== 0) {
    const message = `Expected ${row.key} to be ${row.expected}`
    return fault(row, row.onError, subcode, message, octets, at, valueEnd, into)
  }
  into.valueStarts[code] = valueStart
  into.valueEnds[code] = valueEnd
  into.valueGenerations[code] = into.generation
  if (code === ATTRIBUTE.mpReachNlri) scanMpReach(octets, at, valueStart, valueEnd, context, into)
  else if (code === ATTRIBUTE.mpUnreachNlri) {
    scanMpUnreach(octets, at, valueStart, valueEnd, context, into)
  }
  keep(at, valueEnd, into)
}

function keep(at: number, end: number, into: UpdateScan): void {
  into.keptStarts[into.keptCount] = at
  into.keptEnds[into.keptCount] = end
  into.keptCount++
}

/** RFC 7606 section 3 (g): the first counts, unless it is one of the two that carry routes. */
function duplicate(octets: Uint8Array, at: number, end: number, into: UpdateScan): void {
  const code = octets[at + 1]!
  if (code === ATTRIBUTE.mpReachNlri || code === ATTRIBUTE.mpUnreachNlri) {
    throw updateError(
      UPDATE_SUBCODE.malformedAttributeList,
      `Expected attribute ${code} once, found it twice`,
    )
  }
  into.mustRewrite = true
  addFault(into, {
    treatment: TREATMENT.attributeDiscard,
    subcode: UPDATE_SUBCODE.malformedAttributeList,
    attribute: code,
    message: `Expected attribute ${code} once, found it again`,
    data: octets.slice(at, end),
  })
}

/**
 * RFC 4271 section 5: an unknown transitive attribute is passed on with the partial bit, a non-transitive
 * one is dropped; section 6.3: a well-known attribute cannot be unknown.
 */
function isUnknownKept(octets: Uint8Array, at: number, end: number, into: UpdateScan): boolean {
  const flags = octets[at]!
  if ((flags & ATTRIBUTE_FLAG.optional) === 0) {
    throw updateError(
      UPDATE_SUBCODE.unrecognizedWellKnownAttribute,
      `Expected a known well-known attribute, found type ${octets[at + 1]!}`,
      octets.slice(at, end),
    )
  }
  into.mustRewrite ||=
    (flags & ATTRIBUTE_FLAG.transitive) === 0 || (flags & ATTRIBUTE_FLAG.partial) === 0
  return (flags & ATTRIBUTE_FLAG.transitive) !== 0
}

function fault(
  row: { readonly code: number },
  treatment: Treatment,
  subcode: number,
  message: string,
  octets: Uint8Array,
  at: number,
  end: number,
  into: UpdateScan,
): void {
  const data = octets.slice(at, end)
  if (treatment === TREATMENT.sessionReset) throw updateError(subcode, message, data)
  into.mustRewrite = true
  addFault(into, { treatment, subcode, attribute: row.code, message, data })
}

function addFault(into: UpdateScan, fault: UpdateFault): void {
  // RFC 7606 section 3 (h): the strongest wins; it comes first, since a reset takes its subcode.
  if (fault.treatment > into.treatment) {
    into.treatment = fault.treatment
    into.faults.unshift(fault)
    if (into.faults.length > FAULTS_MAX) into.faults.length = FAULTS_MAX
  } else if (into.faults.length < FAULTS_MAX) into.faults.push(fault)
}

function scanMpReach(
  octets: Uint8Array,
  at: number,
  start: number,
  end: number,
  context: CodecContext,
  into: UpdateScan,
): void {
  const family = familyOfAfiSafi(u16(octets, start), octets[start + 2]!)
  const nextHopLength = octets[start + 3]!
  const nextHop = start + 4
  const nlriStart = nextHop + nextHopLength + 1 // one reserved octet
  const isExpected =
    family === 6
      ? nextHopLength === 16 || nextHopLength === 32
      : family !== 4 || isIpv4NextHopLength(nextHopLength, context)
  if (nlriStart > end || !isExpected) {
    const message = `Expected a next hop of the family's length in MP_REACH_NLRI, found ${nextHopLength} octets`
    throw mpError(message, octets, at, end)
  }
  into.mpReachOctets = end - nlriStart
  into.mpNextHopLength = nextHopLength
  into.mustRewrite = true
  if (family === undefined || !isNegotiated(family, context)) return
  readMpNlri(octets, at, nlriStart, end, family, context, into.mpAnnounced)
  if (!isHostAddress(octets, nextHop, nextHopLength)) {
    const { treatAsWithdraw } = TREATMENT
    const message = 'Expected a host address as next hop in MP_REACH_NLRI'
    const { invalidNextHop } = UPDATE_SUBCODE
    const code = ATTRIBUTE.mpReachNlri
    fault({ code }, treatAsWithdraw, invalidNextHop, message, octets, at, end, into)
  }
}

function isIpv4NextHopLength(length: number, context: CodecContext): boolean {
  return length === 4 || ((length === 16 || length === 32) && context.ipv4.extendedNextHop)
}

function isNegotiated(family: 4 | 6, context: CodecContext): boolean {
  return family === 4 ? context.ipv4.negotiated : context.ipv6.negotiated
}

/** Neither unspecified nor multicast. */
function isHostAddress(octets: Uint8Array, at: number, length: number): boolean {
  const first = octets[at]!
  if (length === 4) return first !== 0 && first < 224
  if (first === 0xff) return false
  for (let index = at; index < at + 16; index++) if (octets[index] !== 0) return true
  return false
}

function scanMpUnreach(
  octets: Uint8Array,
  at: number,
  start: number,
  end: number,
  context: CodecContext,
  into: UpdateScan,
): void {
  const family = familyOfAfiSafi(u16(octets, start), octets[start + 2]!)
  into.mustRewrite = true
  if (family === undefined || !isNegotiated(family, context)) return
  readMpNlri(octets, at, start + 3, end, family, context, into.mpWithdrawn)
}

function readMpNlri(
  octets: Uint8Array,
  at: number,
  start: number,
  end: number,
  family: 4 | 6,
  context: CodecContext,
  list: NlriList,
): void {
  list.clear(family)
  const { addPathReceive } = family === 4 ? context.ipv4 : context.ipv6
  if (!readNlri(octets, start, end, addPathReceive, list)) {
    throw mpError(`Expected whole prefixes of IPv${family}, found others`, octets, at, end)
  }
}

/** RFC 4760 section 7: Optional Attribute Error. */
function mpError(message: string, octets: Uint8Array, at: number, end: number): Error {
  return updateError(UPDATE_SUBCODE.optionalAttributeError, message, octets.slice(at, end))
}

/** RFC 7606 section 3 (d): a missing mandatory attribute is treat-as-withdraw. */
function checkMandatory(into: UpdateScan): void {
  if (!into.has(ATTRIBUTE.origin)) missing(ATTRIBUTE.origin, into)
  if (!into.has(ATTRIBUTE.asPath)) missing(ATTRIBUTE.asPath, into)
  if (into.announced.count > 0 && !into.has(ATTRIBUTE.nextHop)) missing(ATTRIBUTE.nextHop, into)
}

function missing(code: number, into: UpdateScan): void {
  addFault(into, {
    treatment: TREATMENT.treatAsWithdraw,
    subcode: UPDATE_SUBCODE.missingWellKnownAttribute,
    attribute: code,
    message: `Expected attribute ${code} with the routes, found none`,
    data: Uint8Array.of(code),
  })
}

/** RFC 7606 section 5.2: without routes nothing can be treated as withdrawn. */
function resetFor(into: UpdateScan): Error {
  const { subcode, message, data } = into.faults[0]!
  const isList = subcode === UPDATE_SUBCODE.malformedAttributeList
  return updateError(subcode, message, isList ? undefined : data)
}

/** Moves announced routes to the withdrawn lists. */
function withdrawInstead(into: UpdateScan): void {
  append(into.announced, into.withdrawn)
  if (into.mpAnnounced.count === 0) return
  if (into.mpAnnounced.family === 4) append(into.mpAnnounced, into.withdrawn)
  else {
    if (into.mpWithdrawn.family === 4) append(into.mpWithdrawn, into.withdrawn)
    into.mpWithdrawn.family = 6
    append(into.mpAnnounced, into.mpWithdrawn)
  }
}

function append(from: NlriList, to: NlriList): void {
  const total = to.count + from.count
  to.reserve(total)
  const words = from.family === 4 ? 1 : 4
  to.words.set(from.words.subarray(0, words * from.count), words * to.count)
  to.lengths.set(from.lengths.subarray(0, from.count), to.count)
  to.pathIds.set(from.pathIds.subarray(0, from.count), to.count)
  to.count = total
  from.count = 0
}
