import { ByteWriter } from '../../lib/bytes.ts'
import { type Family } from '../../net/ip-address.ts'
import { NlriList } from './nlri-list.ts'
import { type UpdateFault, TREATMENT, type Treatment } from './treatment.ts'

/** A region of octets that holds path attributes; valid until the scan is used again. */
export interface AttributeBlock {
  octets: Uint8Array
  start: number
  end: number
}

/** Faults kept of one message; the strongest treatment counts them all. */
export const FAULTS_MAX = 16

/**
 * Octets of a block. Only AS numbers widened from two octets to four, or policies, could make more of
 * what came in one message.
 */
export const BLOCK_OCTETS_MAX = 65535

const NOTHING = new Uint8Array(0)

/**
 * What `scanUpdate` finds in an UPDATE; one object for many messages. Nothing in it is text and, unless
 * there are faults, nothing is allocated.
 *
 * Process `withdrawn` and `mpWithdrawn` first, then `announced` with the attributes `block`, then
 * `mpAnnounced` with `mpBlock`. Where RFC 7606 says treat-as-withdraw this is already done: the routes
 * are in the withdrawn lists and the announced ones are empty.
 *
 * A block is self-contained and fit for interning by its octets: AS numbers have four octets and
 * AS4_PATH is merged in, whatever the session; discarded and non-transitive unknown attributes are gone,
 * transitive unknown ones have the partial bit; MP_UNREACH_NLRI is gone. `block` has NEXT_HOP and no
 * MP_REACH_NLRI; `mpBlock` has no NEXT_HOP but MP_REACH_NLRI with its next hop alone, no NLRI (or
 * NEXT_HOP, where IPv4 routes came with an IPv4 next hop in MP_REACH_NLRI).
 */
export class UpdateScan {
  /** IPv4 unicast of the fields of RFC 4271. */
  readonly withdrawn = new NlriList()
  readonly announced = new NlriList()
  /** The families of MP_UNREACH_NLRI and MP_REACH_NLRI. */
  readonly mpWithdrawn = new NlriList()
  readonly mpAnnounced = new NlriList()
  readonly block: AttributeBlock = { octets: NOTHING, start: 0, end: 0 }
  readonly mpBlock: AttributeBlock = { octets: NOTHING, start: 0, end: 0 }
  /** The family whose End-of-RIB this is (RFC 4724 section 2). */
  endOfRib: Family | undefined
  /** The strongest treatment that a fault asked for; sessionReset is thrown instead. */
  treatment: Treatment = TREATMENT.none
  readonly faults: UpdateFault[] = []

  /** For `scanUpdate` alone from here on: where the attributes that are kept begin and end, in order. */
  readonly keptStarts = new Uint32Array(256)
  readonly keptEnds = new Uint32Array(256)
  keptCount = 0
  /** Whether the blocks cannot be the octets of the message. */
  mustRewrite = false
  /** Which attribute types were seen: those marked with the current generation. */
  readonly seen = new Uint32Array(256)
  generation = 0
  /** Values by type, of the known attributes that are kept. */
  readonly valueStarts = new Uint32Array(256)
  readonly valueEnds = new Uint32Array(256)
  readonly valueGenerations = new Uint32Array(256)
  /** Octets of the withdrawn routes field. */
  withdrawnOctets = 0
  /** NLRI of MP_REACH_NLRI, their octets, also of families that are not routed. */
  mpReachOctets = 0
  /** Octets of the next hop in MP_REACH_NLRI. */
  mpNextHopLength = 0
  readonly scratch = new ByteWriter(4096)

  /** Prepares for the next message. */
  clear(): void {
    this.withdrawn.clear(4)
    this.announced.clear(4)
    this.mpWithdrawn.clear(4)
    this.mpAnnounced.clear(4)
    this.endOfRib = undefined
    this.treatment = TREATMENT.none
    if (this.faults.length > 0) this.faults.length = 0
    this.keptCount = 0
    this.mustRewrite = false
    this.mpReachOctets = 0
    this.mpNextHopLength = 0
    this.generation = (this.generation + 1) >>> 0
    if (this.generation === 0) {
      this.seen.fill(0)
      this.valueGenerations.fill(0)
      this.generation = 1
    }
    this.block.start = this.block.end = 0
    this.mpBlock.start = this.mpBlock.end = 0
  }

  /** Whether an attribute of this type was in the message, kept or not. */
  has(code: number): boolean {
    return this.seen[code] === this.generation
  }

  /** Whether a well-formed attribute of this known type was in the message and is kept. */
  hasValue(code: number): boolean {
    return this.valueGenerations[code] === this.generation
  }
}
