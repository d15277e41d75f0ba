import { ByteWriter } from '../../lib/bytes.ts'
import { exportAttributes } from '../../wire/bgp/export-attributes.ts'
import { UpdateWriter } from '../../wire/bgp/update-writer.ts'
import { TRAIT } from './attribute-table.ts'
import { grown } from './columns.ts'
import { ExportEdits } from './export-edits.ts'
import type { ExportRules } from './export-rules.ts'
import type { Rib } from './rib.ts'
import { RowQueue } from './row-queue.ts'
import { OWN_SOURCE, SOURCE_KIND } from './sources.ts'

/** A neighbor as its Adj-RIB-Out sees it. */
export interface Recipient {
  /** Its number as a source: what came from it does not go back to it. */
  readonly source: number
  /** Takes whole messages; the octets are valid only during the call. */
  send(octets: Uint8Array): void
}

/** The answer of an export policy: attributes to send with (one more user), or {@link REJECTED}. */
export type ExportPolicy = (row: number, path: number) => number
export const REJECTED = -1

/** Rows looked at in one go; prefixes of equal attributes are packed within it. */
const BATCH_ROWS = 4096

/** Octets of messages gathered before they are handed over. */
const CHUNK_OCTETS = 1 << 16

/** No bucket, no row. */
const NONE = -1

/**
 * What has been advertised, and what is still to be, to neighbors that are told the same: an update
 * group of one family. Each UPDATE is built once and goes to all of them but the one it came from.
 *
 * For each prefix row it knows from which source the advertised path came (plus one; 0 is none), which
 * says exactly which neighbor has the route: all but that source.
 */
export class AdjRibOut {
  readonly queue = new RowQueue()
  readonly rules: ExportRules
  #recipients: readonly Recipient[] = []
  #recipientSources: ReadonlySet<number> = new Set()
  readonly #rib: Rib
  readonly #edits: ExportEdits
  readonly #messages: UpdateWriter
  /** Attributes of the bucket in hand as the neighbors see them. */
  readonly #attributes: ByteWriter
  readonly #policy: ExportPolicy | undefined
  #advertised = new Uint16Array(0)
  /** Source that the messages being built came from: it does not get them. */
  #except = NONE
  readonly #batch: Batch

  constructor(rib: Rib, rules: ExportRules, policy: ExportPolicy | undefined, scratch: OutScratch) {
    this.#rib = rib
    this.rules = rules
    this.#policy = policy
    this.#edits = new ExportEdits(rules, rib.attributes, rib.sources)
    this.#batch = scratch.batch
    this.#attributes = scratch.attributes
    this.#messages = scratch.messagesFor(rules)
  }

  setRecipients(recipients: readonly Recipient[]): void {
    this.#recipients = recipients
    this.#recipientSources = new Set(recipients.map(({ source }) => source))
  }

  /** Whether the row is known to some neighbor or still to be told of. */
  holds(row: number): boolean {
    return this.#advertised[row]! > 0 || this.queue.has(row)
  }

  /** Prefixes that the neighbor with this source number has been told of. */
  countFor(source: number): number {
    let count = 0
    for (const from of this.#advertised) if (from > 0 && from - 1 !== source) count++
    return count
  }

  /** Whether the neighbor with this source number has been told of the row. */
  isAdvertisedTo(row: number, source: number): boolean {
    const from = this.#advertised[row] ?? 0
    return from > 0 && from - 1 !== source
  }

  /** A new group that knows what this one knows, for a neighbor that leaves it. */
  copyStateTo(other: AdjRibOut): void {
    other.#advertised = this.#advertised.slice()
  }

  /** Tells of up to a batch of changed rows. True if there are more. */
  flush(): boolean {
    const rows = this.#batch.rows
    const count = this.queue.take(rows, this.#rib.prefixes.rowLimit)
    if (this.#advertised.length < this.#rib.prefixes.capacity) {
      this.#advertised = grown(this.#advertised, this.#rib.prefixes.capacity)
    }
    this.#batch.begin(this.#rib.attributes.idLimit)
    for (let index = 0; index < count; index++) this.#consider(rows[index]!)
    this.#sendWithdrawals()
    this.#sendAnnouncements()
    this.#batch.end(this.#policy === undefined ? undefined : this.#rib.attributes)
    this.#deliver(NONE)
    return !this.queue.isEmpty
  }

  /** Sorts one row into what is to be withdrawn and what is to be announced with which attributes. */
  #consider(row: number): void {
    const before = this.#advertised[row]!
    const path = this.#rib.best[row]!
    const set = path < 0 ? REJECTED : this.#exported(row, path)
    if (set === REJECTED) {
      if (before > 0) this.#batch.withdraw(row, before - 1, NONE)
      this.#advertised[row] = 0
      return
    }
    const source = this.#rib.pathSources[path]!
    // Whoever the route comes from now must forget what it was told when it came from another.
    if (before > 0 && before - 1 !== source) this.#withdrawFrom(row, source)
    this.#advertised[row] = source + 1
    this.#batch.announce(row, set, source, set !== this.#rib.pathAttributes[path])
  }

  #withdrawFrom(row: number, source: number): void {
    if (this.#isRecipient(source)) this.#batch.withdraw(row, NONE, source)
  }

  /** The attributes to send a path with, or REJECTED: what no policy may change, then the policy. */
  #exported(row: number, path: number): number {
    const rib = this.#rib
    const { external, toClient, longLived } = this.rules
    const source = rib.pathSources[path]!
    const kind = rib.sources.kinds[source]!
    if (this.#recipients.length === 1 && this.#isRecipient(source)) return REJECTED
    // RFC 4271 section 9.2.1, RFC 4456 section 6: iBGP to iBGP only by reflection.
    if (
      !external &&
      kind === SOURCE_KIND.internal &&
      !toClient &&
      rib.sources.isClient[source] === 0
    ) {
      return REJECTED
    }
    const set = rib.pathAttributes[path]!
    const traits = rib.attributes.traits[set]!
    if (traits !== 0) {
      if ((traits & TRAIT.noAdvertise) !== 0) return REJECTED
      if (external && (traits & (TRAIT.noExport | TRAIT.noExportSubconfed)) !== 0) return REJECTED
      if ((traits & TRAIT.llgrStale) !== 0 && !longLived) return REJECTED
    }
    return this.#policy === undefined ? set : this.#policy(row, path)
  }

  #sendWithdrawals(): void {
    const { withdrawnCount, withdrawnRows, withdrawnExcept, withdrawnOnly } = this.#batch
    let at = 0
    while (at < withdrawnCount) {
      const except = withdrawnExcept[at]!
      const only = withdrawnOnly[at]!
      this.#turnTo(except)
      // What is for one neighbor alone must not be in one chunk with what is for all.
      if (only !== NONE) this.#deliver(NONE)
      this.#messages.beginWithdraw(this.#rib.family)
      for (; at < withdrawnCount; at++) {
        if (withdrawnExcept[at] !== except || withdrawnOnly[at] !== only) break
        this.#add(withdrawnRows[at]!, 0)
      }
      this.#messages.end()
      if (only !== NONE) this.#deliverTo(only)
      else this.#deliverIfFull()
    }
  }

  #sendAnnouncements(): void {
    const batch = this.#batch
    for (const bucket of batch.bucketsBySource(this.#recipients.length)) {
      const source = batch.bucketSources[bucket]!
      this.#turnTo(source)
      if (
        this.#beginAnnounce(batch.bucketSets[bucket]!, source, batch.bucketIsChanged[bucket] === 1)
      ) {
        const { rows, nexts, bucketHeads } = batch
        for (let at = bucketHeads[bucket]!; at >= 0; at = nexts[at]!) this.#add(rows[at]!, 0)
      } else this.#giveUp(bucket)
      this.#messages.end()
      this.#deliverIfFull()
    }
  }

  /** Begins UPDATEs with a set of attributes; false if they cannot be said to these neighbors. */
  #beginAnnounce(set: number, source: number, isChanged: boolean): boolean {
    const { octets, offsets, sizes } = this.#rib.attributes
    const edits = this.#edits.of(set, source, source === OWN_SOURCE || isChanged)
    if (edits === undefined) return false
    const start = offsets[set]!
    this.#attributes.reset()
    exportAttributes(octets, start, start + sizes[set]!, edits, this.#attributes)
    const view = this.#attributes.view()
    const { nextHop } = this.#edits
    return this.#messages.beginAnnounce(this.#rib.family, view, 0, view.length, nextHop)
  }

  /** Withdraws what cannot be said (RFC 8654 section 4, of messages that would be too long). */
  #giveUp(bucket: number): void {
    const { rows, nexts, bucketHeads } = this.#batch
    this.#messages.beginWithdraw(this.#rib.family)
    for (let at = bucketHeads[bucket]!; at >= 0; at = nexts[at]!) {
      this.#add(rows[at]!, 0)
      this.#advertised[rows[at]!] = 0
    }
  }

  #add(row: number, pathId: number): void {
    const { words, lengths } = this.#rib.prefixes
    if (this.#rib.family === 4) this.#messages.add4(words[row]!, lengths[row]!, pathId)
    else this.#messages.add6(words, row * 4, lengths[row]!, pathId)
  }

  /** From here on messages go to all but `source`. */
  #turnTo(source: number): void {
    if (source === this.#except) return
    if (this.#isRecipient(source) || this.#isRecipient(this.#except)) this.#deliver(source)
    else this.#except = source
  }

  #isRecipient(source: number): boolean {
    return this.#recipientSources.has(source)
  }

  #deliverIfFull(): void {
    if (this.#messages.length >= CHUNK_OCTETS) this.#deliver(this.#except)
  }

  #deliver(nextExcept: number): void {
    const octets = this.#messages.view()
    if (octets.length > 0) {
      for (const recipient of this.#recipients) {
        if (recipient.source !== this.#except) recipient.send(octets)
      }
      this.#messages.reset()
    }
    this.#except = nextExcept
  }

  #deliverTo(only: number): void {
    const octets = this.#messages.view()
    this.#recipients.find((recipient) => recipient.source === only)?.send(octets)
    this.#messages.reset()
  }
}

/** What every flush needs and none keeps: shared by all. */
export class OutScratch {
  readonly batch = new Batch()
  readonly attributes = new ByteWriter(4096)
  readonly #messages = new Map<string, UpdateWriter>()

  messagesFor({ messageOctetsMax, addPath }: ExportRules): UpdateWriter {
    const key = `${messageOctetsMax} ${addPath}`
    let messages = this.#messages.get(key)
    if (messages === undefined) {
      messages = new UpdateWriter({ messageOctetsMax, addPath: { ipv4: addPath, ipv6: addPath } })
      this.#messages.set(key, messages)
    }
    return messages
  }
}

/** The rows of one flush, sorted by what is to be said of them. */
class Batch {
  readonly rows = new Int32Array(BATCH_ROWS)
  /** Next place in `rows` of the same bucket. */
  readonly nexts = new Int32Array(BATCH_ROWS)
  readonly bucketSets = new Int32Array(BATCH_ROWS)
  readonly bucketSources = new Uint16Array(BATCH_ROWS)
  readonly bucketIsChanged = new Uint8Array(BATCH_ROWS)
  readonly bucketHeads = new Int32Array(BATCH_ROWS)
  readonly #bucketTails = new Int32Array(BATCH_ROWS)
  /** Another bucket of the same attributes from another source. */
  readonly #bucketTwins = new Int32Array(BATCH_ROWS)
  #buckets = 0
  /** First bucket of a set of attributes, plus one. */
  #bucketOf = new Int32Array(64)
  #count = 0
  // One row may be withdrawn from one neighbor and announced to the others.
  readonly withdrawnRows = new Int32Array(BATCH_ROWS)
  readonly withdrawnExcept = new Int32Array(BATCH_ROWS)
  readonly withdrawnOnly = new Int32Array(BATCH_ROWS)
  withdrawnCount = 0

  begin(idLimit: number): void {
    if (this.#bucketOf.length < idLimit) this.#bucketOf = new Int32Array(idLimit * 2)
    this.#buckets = 0
    this.#count = 0
    this.withdrawnCount = 0
  }

  /** `rows` is overwritten from the front by what is announced: never ahead of where it is read. */
  announce(row: number, set: number, source: number, isChanged: boolean): void {
    const place = this.#count++
    this.rows[place] = row
    this.nexts[place] = NONE
    if (set >= this.#bucketOf.length) this.#bucketOf = grown(this.#bucketOf, set * 2)
    let bucket = this.#bucketOf[set]! - 1
    while (bucket >= 0 && this.bucketSources[bucket] !== source) {
      bucket = this.#bucketTwins[bucket]!
    }
    if (bucket >= 0) {
      this.nexts[this.#bucketTails[bucket]!] = place
      this.#bucketTails[bucket] = place
      return
    }
    bucket = this.#buckets++
    this.bucketSets[bucket] = set
    this.bucketSources[bucket] = source
    this.bucketIsChanged[bucket] = isChanged ? 1 : 0
    this.bucketHeads[bucket] = place
    this.#bucketTails[bucket] = place
    this.#bucketTwins[bucket] = this.#bucketOf[set]! - 1
    this.#bucketOf[set] = bucket + 1
  }

  withdraw(row: number, except: number, only: number): void {
    const at = this.withdrawnCount++
    this.withdrawnRows[at] = row
    this.withdrawnExcept[at] = except
    this.withdrawnOnly[at] = only
  }

  /** Buckets in the order in which they began; with several neighbors those of a source together. */
  bucketsBySource(recipients: number): Iterable<number> {
    const all = Array.from({ length: this.#buckets }, (_, bucket) => bucket)
    if (recipients < 2) return all
    return all.sort((a, b) => this.bucketSources[a]! - this.bucketSources[b]!)
  }

  /** Forgets the batch; attributes that a policy made lose this user. */
  end(made: { release(id: number): void } | undefined): void {
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      this.#bucketOf[this.bucketSets[bucket]!] = 0
    }
    if (made === undefined) return
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      for (let at = this.bucketHeads[bucket]!; at >= 0; at = this.nexts[at]!) {
        made.release(this.bucketSets[bucket]!)
      }
    }
  }
}
