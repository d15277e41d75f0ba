import { ByteWriter } from '../../lib/bytes.ts'
import { type Family } from '../../net/ip-address.ts'
import { MESSAGE_HEADER_OCTETS, MESSAGE_OCTETS_MAX } from './header.ts'
import { ATTRIBUTE, ATTRIBUTE_FLAG, MESSAGE_TYPE, SAFI } from './iana.ts'

/** Octets of the longest NLRI: path identifier, length, IPv6 address. */
const NLRI_OCTETS_MAX = 4 + 1 + 16

/** Octets of the longest IPv4 NLRI: path identifier, length, address. */
const IPV4_NLRI_OCTETS_MAX = 4 + 1 + 4

/** Octets in front of the NLRI in an UPDATE of RFC 4760 without attributes or next hop. */
const MP_OVERHEAD = MESSAGE_HEADER_OCTETS + 2 + 2 + 4 + 3 + 1 + 1

/**
 * Packs routes into UPDATEs, as many to a message as fit, one after another in one buffer.
 *
 *     writer.beginAnnounce(4, block, 0, block.length)     // or beginWithdraw(4)
 *     writer.add4(0x0ad30000, 24, 0)                      // as often as there are prefixes
 *     writer.end()
 *     send(writer.take())                                 // any number of whole messages
 *
 * Attributes come ready as octets (`exportAttributes`). IPv4 routes go into the fields of RFC 4271 unless
 * a next hop is given; routes with one go into MP_REACH_NLRI, first in the message as RFC 7606 section
 * 5.1 wants.
 */
export class UpdateWriter {
  readonly #writer = new ByteWriter(4096)
  readonly #octetsMax: number
  readonly #addPath: { readonly ipv4: boolean; readonly ipv6: boolean }
  #family: Family = 4
  #withPathId = false
  #kind: 'announce' | 'withdraw' | 'mpReach' | 'mpUnreach' = 'withdraw'
  #attributes = new Uint8Array(0)
  #attributesStart = 0
  #attributesEnd = 0
  #nextHop = new Uint8Array(0)
  /** Where the message in hand begins, or -1 if there is none. */
  #start = -1
  /** Where its MP attribute begins. */
  #mpStart = 0

  /** @param options.addPath whether NLRI of the family carry path identifiers */
  constructor(options: {
    messageOctetsMax?: number
    addPath?: { readonly ipv4: boolean; readonly ipv6: boolean }
  }) {
    this.#octetsMax = options.messageOctetsMax ?? MESSAGE_OCTETS_MAX
    this.#addPath = options.addPath ?? { ipv4: false, ipv6: false }
  }

  /** Octets of whole messages and of the one in hand. */
  get length(): number {
    return this.#writer.length
  }

  /**
   * The routes added from now on are announced with the attributes `octets[start, end)`, which must not
   * contain MP_REACH_NLRI, nor NEXT_HOP if `nextHop` is given: 4, 16 or 32 octets, needed for IPv6 and for
   * IPv4 over IPv6. The octets must stay as they are until {@link end}.
   *
   * False, and nothing is begun, if not even one route would fit a message (RFC 8654 section 4: such a
   * route is not announced; withdraw it if it was).
   */
  beginAnnounce(
    family: Family,
    octets: Uint8Array,
    start: number,
    end: number,
    nextHop?: Uint8Array,
  ): boolean {
    const overhead =
      nextHop === undefined
        ? MESSAGE_HEADER_OCTETS + 4 + IPV4_NLRI_OCTETS_MAX
        : MP_OVERHEAD + nextHop.length + NLRI_OCTETS_MAX
    if (overhead + end - start > this.#octetsMax) return false
    this.#begin(family, nextHop === undefined ? 'announce' : 'mpReach')
    this.#attributes = octets as Uint8Array<ArrayBuffer>
    this.#attributesStart = start
    this.#attributesEnd = end
    if (nextHop !== undefined) this.#nextHop = nextHop as Uint8Array<ArrayBuffer>
    return true
  }

  /** The routes added from now on are withdrawn. */
  beginWithdraw(family: Family): void {
    this.#begin(family, family === 4 ? 'withdraw' : 'mpUnreach')
  }

  #begin(family: Family, kind: 'announce' | 'withdraw' | 'mpReach' | 'mpUnreach'): void {
    this.#family = family
    this.#kind = kind
    this.#withPathId = family === 4 ? this.#addPath.ipv4 : this.#addPath.ipv6
    this.#start = -1
  }

  /** Adds an IPv4 prefix: its 32 bits, its length, its path identifier (written only if negotiated). */
  add4(word: number, length: number, pathId: number): void {
    const octets = (length + 7) >>> 3
    const writer = this.#room(octets + (this.#withPathId ? 5 : 1))
    if (this.#withPathId) writer.u32(pathId)
    writer.u8(length)
    if (octets > 0) writer.u8(word >>> 24)
    if (octets > 1) writer.u8(word >>> 16)
    if (octets > 2) writer.u8(word >>> 8)
    if (octets > 3) writer.u8(word)
  }

  /** Adds an IPv6 prefix: the four words at `words[at]`, its length, its path identifier. */
  add6(words: Uint32Array, at: number, length: number, pathId: number): void {
    const octets = (length + 7) >>> 3
    const writer = this.#room(octets + (this.#withPathId ? 5 : 1))
    if (this.#withPathId) writer.u32(pathId)
    writer.u8(length)
    for (let index = 0; index < octets; index++) {
      writer.u8(words[at + (index >>> 2)]! >>> (24 - 8 * (index & 3)))
    }
  }

  /** Ends the messages of the last begin; needed before the next one. */
  end(): void {
    if (this.#start >= 0) this.#close()
  }

  /** Adds the End-of-RIB of a family (RFC 4724 section 2). */
  endOfRib(family: Family): void {
    this.#begin(family, family === 4 ? 'withdraw' : 'mpUnreach')
    this.#open()
    if (this.#kind === 'mpUnreach') this.#shortUnreach()
    this.#close()
  }

  /** The usual octets of an End-of-RIB: some speakers compare with them, and a length of three needs one octet. */
  #shortUnreach(): void {
    const writer = this.#writer
    writer.truncate(this.#mpStart)
    writer.u8(ATTRIBUTE_FLAG.optional)
    writer.u8(ATTRIBUTE.mpUnreachNlri)
    writer.u8(3)
    writer.u16(2)
    writer.u8(SAFI.unicast)
    this.#kind = 'announce'
    writer.patch16(this.#mpStart - 2, writer.length - this.#mpStart)
  }

  /** A view on the messages so far, valid until the next begin. */
  view(): Uint8Array {
    return this.#writer.view()
  }

  /** Forgets the messages so far. */
  reset(): void {
    this.#writer.reset()
  }

  /** A copy of the messages so far; the writer is empty then. */
  take(): Uint8Array {
    const octets = this.#writer.take()
    this.#writer.reset()
    return octets
  }

  /** The writer with room for `octets` more in the message in hand, which may be a new one. */
  #room(octets: number): ByteWriter {
    const writer = this.#writer
    if (this.#start < 0) this.#open()
    else if (writer.length - this.#start + octets + this.#tail() > this.#octetsMax) {
      this.#close()
      this.#open()
    }
    return writer
  }

  /** Octets that follow the NLRI: attributes behind MP_REACH_NLRI, the attribute length behind withdrawn routes. */
  #tail(): number {
    if (this.#kind === 'mpReach') return this.#attributesEnd - this.#attributesStart
    return this.#kind === 'withdraw' ? 2 : 0
  }

  #open(): void {
    const writer = this.#writer
    this.#start = writer.length
    for (let word = 0; word < 4; word++) writer.u32(0xffffffff)
    writer.u16(0)
    writer.u8(MESSAGE_TYPE.update)
    writer.u16(0)
    if (this.#kind === 'withdraw') return
    writer.u16(0)
    if (this.#kind === 'announce') {
      const length = this.#attributesEnd - this.#attributesStart
      writer.patch16(writer.length - 2, length)
      this.#writeAttributes()
      return
    }
    this.#mpStart = writer.length
    const isReach = this.#kind === 'mpReach'
    writer.u8(ATTRIBUTE_FLAG.optional | ATTRIBUTE_FLAG.extendedLength)
    writer.u8(isReach ? ATTRIBUTE.mpReachNlri : ATTRIBUTE.mpUnreachNlri)
    writer.u16(0)
    writer.u16(this.#family === 4 ? 1 : 2)
    writer.u8(SAFI.unicast)
    if (!isReach) return
    writer.u8(this.#nextHop.length)
    writer.bytes(this.#nextHop)
    writer.u8(0)
  }

  #writeAttributes(): void {
    const { length } = this.#attributes
    const isAll = this.#attributesStart === 0 && this.#attributesEnd === length
    this.#writer.bytes(
      isAll
        ? this.#attributes
        : this.#attributes.subarray(this.#attributesStart, this.#attributesEnd),
    )
  }

  #close(): void {
    const writer = this.#writer
    const start = this.#start
    const body = start + MESSAGE_HEADER_OCTETS
    if (this.#kind === 'withdraw') {
      writer.patch16(body, writer.length - body - 2)
      writer.u16(0)
    } else if (this.#kind !== 'announce') {
      writer.patch16(this.#mpStart + 2, writer.length - this.#mpStart - 4)
      if (this.#kind === 'mpReach') this.#writeAttributes()
      writer.patch16(body + 2, writer.length - body - 4)
    }
    writer.patch16(start + 16, writer.length - start)
    this.#start = -1
  }
}
