import type { ByteWriter } from '../../lib/bytes.ts'
import { exportAttributes } from '../../wire/bgp/export-attributes.ts'
import type { UpdateWriter } from '../../wire/bgp/update-writer.ts'
import { type Batch, NONE } from './batch.ts'
import { grown, withRoom } from './columns.ts'
import { exportedSet, type ExportPolicy, REJECTED } from './export-check.ts'
import { ExportEdits } from './export-edits.ts'
import type { ExportRules } from './export-rules.ts'
import type { Rib } from './rib.ts'
import type { OutScratch } from './out-scratch.ts'
import type { Recipient, RibOut } from './rib-out.ts'
import { RowQueue } from './row-queue.ts'
import { OWN_SOURCE } from './sources.ts'

/** Octets of messages gathered before they are handed over. */
const CHUNK_OCTETS = 1 << 16

/**
 * What has been advertised, and what is still to be, to neighbors that are told the same: an update
 * group of one family. Each UPDATE is built once and goes to all of them but the one it came from.
 *
 * For each prefix row it knows from which source the advertised path came (plus one; 0 is none), which
 * says exactly which neighbor has the route: all but that source.
 */
export class AdjRibOut implements RibOut {
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
  /** Prefixes that have been advertised, and those of them that came from each source. */
  #advertisedCount = 0
  #advertisedCounts = new Uint32Array(16)
  /** Source that the messages being built came from, if it is one of the neighbors: it does not get them. */
  #except = NONE
  /** Where its messages begin. */
  #exceptStart = 0
  /** Beginnings and ends, in turn, of what came from a neighbor among the messages, by its source. */
  readonly #ownMessages = new Map<number, number[]>()
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
    return this.#advertisedCount - (this.#advertisedCounts[source] ?? 0)
  }

  /** Whether the neighbor with this source number has been told of the row. */
  isAdvertisedTo(row: number, source: number): boolean {
    const from = this.#advertised[row] ?? 0
    return from > 0 && from - 1 !== source
  }

  /** A new group that knows what this one knows, for a neighbor that leaves it. */
  copyStateTo(other: this): void {
    other.#advertised = this.#advertised.slice()
    other.#advertisedCount = this.#advertisedCount
    other.#advertisedCounts = this.#advertisedCounts.slice()
  }

  /** Tells of up to a batch of changed rows. True if there are more. */
  flush(): boolean {
    const { rowLimit } = this.#rib.prefixes
    const rows = this.#batch.rowsFor(rowLimit)
    const count = this.queue.take(rows, rowLimit)
    this.#advertised = withRoom(this.#advertised, rowLimit)
    this.#batch.begin(this.#rib.attributes.idLimit)
    for (let index = 0; index < count; index++) this.#consider(rows[index]!)
    this.#sendWithdrawals()
    this.#sendAnnouncements()
    this.#batch.end(this.#policy === undefined ? undefined : this.#rib.attributes)
    this.#deliver()
    this.#turnTo(NONE)
    return !this.queue.isEmpty
  }

  /** Sorts one row into what is to be withdrawn and what is to be announced with which attributes. */
  #consider(row: number): void {
    const before = this.#advertised[row]!
    const path = this.#rib.best[row]!
    const set = path < 0 ? REJECTED : exportedSet(this.#rib, this.rules, this.#policy, row, path)
    if (set === REJECTED) {
      if (before > 0) this.#batch.withdraw(row, before - 1, NONE)
      this.#note(row, before, 0)
      return
    }
    const source = this.#rib.pathSources[path]!
    // Whoever the route comes from now must forget what it was told when it came from another.
    if (before > 0 && before - 1 !== source) this.#withdrawFrom(row, source)
    this.#note(row, before, source + 1)
    this.#batch.announce(row, set, source, set !== this.#rib.pathAttributes[path])
  }

  /** Notes that a row is advertised from another source, plus one, or from none. */
  #note(row: number, before: number, after: number): void {
    this.#advertised[row] = after
    if (before === after) return
    if (after > this.#advertisedCounts.length) {
      this.#advertisedCounts = grown(this.#advertisedCounts, after * 2)
    }
    if (before > 0) {
      this.#advertisedCount--
      this.#advertisedCounts[before - 1]!--
    }
    if (after > 0) {
      this.#advertisedCount++
      this.#advertisedCounts[after - 1]!++
    }
  }

  #withdrawFrom(row: number, source: number): void {
    if (this.#isRecipient(source)) this.#batch.withdraw(row, NONE, source)
  }

  #sendWithdrawals(): void {
    const { withdrawnCount, withdrawnRows, withdrawnExcept, withdrawnOnly } = this.#batch
    let at = 0
    while (at < withdrawnCount) {
      const except = withdrawnExcept[at]!
      const only = withdrawnOnly[at]!
      if (this.#isForNobody(except)) {
        at++
        continue
      }
      this.#turnTo(except)
      // What is for one neighbor alone must not be in one chunk with what is for all.
      if (only !== NONE) this.#deliver()
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
      if (this.#isForNobody(source)) continue
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
      this.#note(rows[at]!, this.#advertised[rows[at]!]!, 0)
    }
  }

  #add(row: number, pathId: number): void {
    const { words, lengths } = this.#rib.prefixes
    if (this.#rib.family === 4) this.#messages.add4(words[row]!, lengths[row]!, pathId)
    else this.#messages.add6(words, row * 4, lengths[row]!, pathId)
  }

  /** From here on messages go to all but `source`. */
  #turnTo(source: number): void {
    this.#endPart()
    this.#except = this.#isRecipient(source) ? source : NONE
  }

  /** Notes which messages so far came from the source in hand. */
  #endPart(): void {
    const { length } = this.#messages
    if (this.#except !== NONE && length > this.#exceptStart) {
      const own = this.#ownMessages.get(this.#except)
      if (own === undefined) this.#ownMessages.set(this.#except, [this.#exceptStart, length])
      else own.push(this.#exceptStart, length)
    }
    this.#exceptStart = length
  }

  /** Whether the only neighbor here is the one that a message must not go to. */
  #isForNobody(except: number): boolean {
    return this.#recipients.length === 1 && this.#recipients[0]!.source === except
  }

  #isRecipient(source: number): boolean {
    return this.#recipientSources.has(source)
  }

  #deliverIfFull(): void {
    if (this.#messages.length >= CHUNK_OCTETS) this.#deliver()
  }

  /** Hands each neighbor all messages but its own, which are few: the rest goes in a piece or two. */
  #deliver(): void {
    this.#endPart()
    const octets = this.#messages.view()
    for (const recipient of this.#recipients) {
      const own = this.#ownMessages.get(recipient.source)
      if (own === undefined) sendPart(recipient, octets, 0, octets.length)
      else {
        let from = 0
        for (let at = 0; at < own.length; at += 2) {
          sendPart(recipient, octets, from, own[at]!)
          from = own[at + 1]!
        }
        sendPart(recipient, octets, from, octets.length)
      }
    }
    this.#forgetMessages()
  }

  #deliverTo(only: number): void {
    const octets = this.#messages.view()
    this.#recipients.find((recipient) => recipient.source === only)?.send(octets)
    this.#forgetMessages()
  }

  #forgetMessages(): void {
    this.#messages.reset()
    this.#ownMessages.clear()
    this.#exceptStart = 0
  }
}

function sendPart(recipient: Recipient, octets: Uint8Array, start: number, end: number): void {
  if (start < end) recipient.send(octets.subarray(start, end))
}
