import { AFI, ATTRIBUTE, FLAG, MESSAGE_TYPE, SAFI } from '../../wire/bgp/iana.ts'
import type { AttributeWriter } from './attribute-writer.ts'
import type { ExportRules } from './export-rules.ts'
import type { PrefixTable } from './prefix-table.ts'

/** Octets gathered before they are handed over. */
const CHUNK_OCTETS = 1 << 16
const EXTENDED_OCTETS_MAX = 65_535
/** A prefix of IPv6 with its path identifier. */
const NLRI_OCTETS_MAX = 4 + 1 + 16
const HEADER_OCTETS = 19

/**
 * Builds UPDATEs of one family into a chunk: as many prefixes of equal attributes to a message as fit,
 * as many messages to a chunk. `onChunk` gets views that are valid only during the call.
 */
export class UpdateBuilder {
  readonly #octets = new Uint8Array(CHUNK_OCTETS + EXTENDED_OCTETS_MAX + 64)
  readonly #prefixes: PrefixTable
  readonly #rules: ExportRules
  readonly #onChunk: (octets: Uint8Array, messages: number) => void
  readonly #isMultiprotocol: boolean
  #end = 0
  #messages = 0
  #messageStart = -1
  /** Where the two octets of length to be patched are: path attributes, withdrawn, MP attribute. */
  #attributesLengthAt = 0
  #mpLengthAt = 0
  #nlriStart = 0
  #attributesEnd = 0

  constructor(
    prefixes: PrefixTable,
    rules: ExportRules,
    onChunk: (octets: Uint8Array, messages: number) => void,
  ) {
    this.#prefixes = prefixes
    this.#rules = rules
    this.#onChunk = onChunk
    this.#isMultiprotocol = prefixes.family === 6
  }

  /** Hands over what has been built. */
  flush(): void {
    if (this.#end === 0) return
    const { length } = { length: this.#end }
    const messages = this.#messages
    this.#end = 0
    this.#messages = 0
    this.#onChunk(this.#octets.subarray(0, length), messages)
  }

  /** Begins UPDATEs that announce with the attributes that `writer` has just written. */
  beginAnnounce(writer: AttributeWriter): void {
    const octets = this.#octets
    this.#header()
    octets[this.#end++] = 0
    octets[this.#end++] = 0
    this.#attributesLengthAt = this.#end
    this.#end += 2
    const isClassic = !this.#isMultiprotocol && writer.nextHopSize === 4
    if (isClassic) this.#classicAttributes(writer)
    else this.#multiprotocolAttributes(writer)
    this.#nlriStart = this.#end
  }

  /** Adds a prefix to the announcement that was begun. */
  announce(row: number, pathId: number, writer: AttributeWriter): void {
    if (this.#isFull()) {
      this.endAnnounce()
      this.beginAnnounce(writer)
    }
    this.#nlri(row, pathId)
  }

  endAnnounce(): void {
    if (this.#mpLengthAt > 0) patch(this.#octets, this.#mpLengthAt, this.#end - this.#mpLengthAt - 2)
    else this.#attributesEnd = this.#nlriStart
    const attributesEnd = this.#mpLengthAt > 0 ? this.#end : this.#attributesEnd
    patch(this.#octets, this.#attributesLengthAt, attributesEnd - this.#attributesLengthAt - 2)
    this.#finish()
  }

  beginWithdraw(): void {
    const octets = this.#octets
    this.#header()
    this.#attributesLengthAt = this.#end
    this.#end += 2
    if (this.#isMultiprotocol || this.#rules.extendedNextHop) {
      // No withdrawn routes of RFC 4271; MP_UNREACH_NLRI has them.
      patch(octets, this.#attributesLengthAt, 0)
      this.#attributesLengthAt = this.#end
      this.#end += 2
      octets[this.#end] = FLAG.optional | FLAG.extendedLength
      octets[this.#end + 1] = ATTRIBUTE.mpUnreachNlri
      this.#mpLengthAt = this.#end + 2
      this.#end += 4
      this.#family()
    } else this.#mpLengthAt = 0
    this.#nlriStart = this.#end
  }

  withdraw(row: number, pathId: number): void {
    if (this.#isFull()) {
      this.endWithdraw()
      this.beginWithdraw()
    }
    this.#nlri(row, pathId)
  }

  endWithdraw(): void {
    patch(this.#octets, this.#attributesLengthAt, this.#end - this.#attributesLengthAt - 2)
    if (this.#mpLengthAt > 0) {
      patch(this.#octets, this.#mpLengthAt, this.#end - this.#mpLengthAt - 2)
    } else {
      this.#octets[this.#end++] = 0
      this.#octets[this.#end++] = 0
    }
    this.#finish()
  }

  /** End-of-RIB, RFC 4724 section 2. */
  endOfRib(): void {
    this.#header()
    const octets = this.#octets
    for (let octet = 0; octet < 4; octet++) octets[this.#end++] = 0
    if (this.#isMultiprotocol) {
      patch(octets, this.#end - 2, 6)
      octets[this.#end++] = FLAG.optional
      octets[this.#end++] = ATTRIBUTE.mpUnreachNlri
      octets[this.#end++] = 3
      this.#family()
    }
    this.#finish()
  }

  #header(): void {
    const start = this.#end
    this.#octets.fill(0xff, start, start + 16)
    this.#octets[start + 18] = MESSAGE_TYPE.update
    this.#messageStart = start
    this.#end = start + HEADER_OCTETS
  }

  #finish(): void {
    patch(this.#octets, this.#messageStart + 16, this.#end - this.#messageStart)
    this.#messages++
    if (this.#end >= CHUNK_OCTETS) this.flush()
  }

  #isFull(): boolean {
    return this.#end - this.#messageStart + NLRI_OCTETS_MAX + 2 > this.#rules.messageOctetsMax
  }

  /** Attributes with NEXT_HOP in its place behind ORIGIN and AS_PATH. */
  #classicAttributes(writer: AttributeWriter): void {
    const octets = this.#octets
    const source = writer.octets
    const limit = writer.end
    let at = 0
    let to = this.#end
    while (at < limit && source[at + 1]! < ATTRIBUTE.nextHop) {
      const isLong = (source[at]! & FLAG.extendedLength) !== 0
      const size = isLong ? 4 + ((source[at + 2]! << 8) | source[at + 3]!) : 3 + source[at + 2]!
      for (const next = at + size; at < next; at++) octets[to++] = source[at]!
    }
    octets[to] = FLAG.transitive
    octets[to + 1] = ATTRIBUTE.nextHop
    octets[to + 2] = 4
    for (let octet = 0; octet < 4; octet++) octets[to + 3 + octet] = writer.nextHop[octet]!
    to += 7
    for (; at < limit; at++) octets[to++] = source[at]!
    this.#end = to
    this.#mpLengthAt = 0
  }

  /** All attributes, then MP_REACH_NLRI, whose NLRI follow. */
  #multiprotocolAttributes(writer: AttributeWriter): void {
    const octets = this.#octets
    octets.set(writer.octets.subarray(0, writer.end), this.#end)
    this.#end += writer.end
    octets[this.#end] = FLAG.optional | FLAG.extendedLength
    octets[this.#end + 1] = ATTRIBUTE.mpReachNlri
    this.#mpLengthAt = this.#end + 2
    this.#end += 4
    this.#family()
    octets[this.#end++] = writer.nextHopSize
    octets.set(writer.nextHop.subarray(0, writer.nextHopSize), this.#end)
    this.#end += writer.nextHopSize
    octets[this.#end++] = 0 // reserved
  }

  #family(): void {
    this.#octets[this.#end++] = 0
    this.#octets[this.#end++] = this.#prefixes.family === 4 ? AFI.ipv4 : AFI.ipv6
    this.#octets[this.#end++] = SAFI.unicast
  }

  #nlri(row: number, pathId: number): void {
    const octets = this.#octets
    const { words, lengths, stride } = this.#prefixes
    let to = this.#end
    if (this.#rules.addPath) {
      octets[to++] = pathId >>> 24
      octets[to++] = pathId >>> 16
      octets[to++] = pathId >>> 8
      octets[to++] = pathId
    }
    const length = lengths[row]!
    octets[to++] = length
    for (let bits = 0; bits < length; bits += 8) {
      octets[to++] = words[row * stride + (bits >>> 5)]! >>> (24 - (bits & 31))
    }
    this.#end = to
  }
}

function patch(octets: Uint8Array, at: number, value: number): void {
  octets[at] = value >>> 8
  octets[at + 1] = value
}
