import { exportAttributes } from '../../wire/bgp/export-attributes.ts'
import type { UpdateWriter } from '../../wire/bgp/update-writer.ts'
import { BATCH_ROWS } from './batch.ts'
import { comparePaths } from './decision.ts'
import { exportedSet, type ExportPolicy, REJECTED } from './export-check.ts'
import { ExportEdits } from './export-edits.ts'
import type { ExportRules } from './export-rules.ts'
import type { OutScratch } from './out-scratch.ts'
import { PATH_STATUS } from './path-state.ts'
import type { Rib } from './rib.ts'
import type { Recipient, RibOut } from './rib-out.ts'
import { RowQueue } from './row-queue.ts'
import { OWN_SOURCE } from './sources.ts'

/** Prefixes announced with one set of attributes. */
interface Announcement {
  readonly source: number
  readonly isChanged: boolean
  readonly routes: { readonly row: number; readonly pathId: number }[]
}

/**
 * The Adj-RIB-Out of one neighbor that takes several paths of a prefix (RFC 7911). The identifier of a
 * path is its number in the RIB plus one, which no other path of the prefix has at the same time.
 */
export class AddPathRibOut implements RibOut {
  readonly queue = new RowQueue()
  readonly rules: ExportRules
  #recipient: Recipient | undefined
  readonly #rib: Rib
  readonly #policy: ExportPolicy | undefined
  readonly #edits: ExportEdits
  readonly #scratch: OutScratch
  readonly #messages: UpdateWriter
  /** Path identifiers told of, by row. */
  readonly #advertised = new Map<number, readonly number[]>()
  readonly #rows = new Int32Array(BATCH_ROWS / 8)

  constructor(rib: Rib, rules: ExportRules, policy: ExportPolicy | undefined, scratch: OutScratch) {
    this.#rib = rib
    this.rules = rules
    this.#policy = policy
    this.#edits = new ExportEdits(rules, rib.attributes, rib.sources)
    this.#scratch = scratch
    this.#messages = scratch.messagesFor(rules)
  }

  setRecipients(recipients: readonly Recipient[]): void {
    this.#recipient = recipients[0]
  }

  holds(row: number): boolean {
    return this.#advertised.has(row) || this.queue.has(row)
  }

  countFor(): number {
    let count = 0
    for (const ids of this.#advertised.values()) count += ids.length
    return count
  }

  isAdvertisedTo(row: number): boolean {
    return this.#advertised.has(row)
  }

  copyStateTo(other: RibOut): void {
    if (!(other instanceof AddPathRibOut)) return
    for (const [row, ids] of this.#advertised) other.#advertised.set(row, ids)
  }

  flush(): boolean {
    const count = this.queue.take(this.#rows, this.#rib.prefixes.rowLimit)
    const announcements = new Map<number, Announcement[]>()
    const withdrawn: { row: number; pathId: number }[] = []
    for (let index = 0; index < count; index++) {
      this.#consider(this.#rows[index]!, announcements, withdrawn)
    }
    if (withdrawn.length > 0) {
      this.#messages.beginWithdraw(this.#rib.family)
      for (const { row, pathId } of withdrawn) this.#add(row, pathId)
      this.#messages.end()
    }
    for (const [set, each] of announcements) {
      for (const announcement of each) this.#announce(set, announcement)
    }
    const octets = this.#messages.view()
    if (octets.length > 0) this.#recipient?.send(octets)
    this.#messages.reset()
    return !this.queue.isEmpty
  }

  /** What is to be said of a row, against what was said. */
  #consider(
    row: number,
    announcements: Map<number, Announcement[]>,
    withdrawn: { row: number; pathId: number }[],
  ): void {
    const before = this.#advertised.get(row) ?? []
    const ids: number[] = []
    for (const path of this.#candidates(row)) {
      if (ids.length === this.rules.addPathMaximum) break
      const set = exportedSet(this.#rib, this.rules, this.#policy, row, path)
      if (set === REJECTED) continue
      const pathId = path + 1
      ids.push(pathId)
      const source = this.#rib.pathSources[path]!
      const isChanged = set !== this.#rib.pathAttributes[path]
      const each = announcements.get(set) ?? []
      announcements.set(set, each)
      let announcement = each.find((one) => one.source === source && one.isChanged === isChanged)
      if (announcement === undefined) {
        announcement = { source, isChanged, routes: [] }
        each.push(announcement)
      }
      announcement.routes.push({ row, pathId })
    }
    for (const pathId of before) if (!ids.includes(pathId)) withdrawn.push({ row, pathId })
    if (ids.length === 0) this.#advertised.delete(row)
    else this.#advertised.set(row, ids)
  }

  /** Paths that can be used and did not come from the neighbor itself, the best first. */
  #candidates(row: number): number[] {
    const rib = this.#rib
    const paths: number[] = []
    for (let path = rib.first[row]!; path >= 0; path = rib.pathNexts[path]!) {
      if (rib.pathStatus[path] !== PATH_STATUS.eligible) continue
      if (rib.pathSources[path] !== this.#recipient?.source) paths.push(path)
    }
    const best = rib.best[row]!
    return paths.sort((a, b) => (a === best ? -1 : b === best ? 1 : comparePaths(rib, b, a)))
  }

  #announce(set: number, { source, isChanged, routes }: Announcement): void {
    const { octets, offsets, sizes } = this.#rib.attributes
    const edits = this.#edits.of(set, source, source === OWN_SOURCE || isChanged)
    const { attributes } = this.#scratch
    attributes.reset()
    const start = offsets[set]!
    if (edits !== undefined) {
      exportAttributes(octets, start, start + sizes[set]!, edits, attributes)
    }
    const view = attributes.view()
    const { nextHop } = this.#edits
    const { family } = this.#rib
    const isSaid =
      edits !== undefined && this.#messages.beginAnnounce(family, view, 0, view.length, nextHop)
    if (!isSaid) this.#messages.beginWithdraw(family)
    for (const { row, pathId } of routes) this.#add(row, pathId)
    this.#messages.end()
    if (this.#policy !== undefined) for (const _ of routes) this.#rib.attributes.release(set)
  }

  #add(row: number, pathId: number): void {
    const { words, lengths } = this.#rib.prefixes
    if (this.#rib.family === 4) this.#messages.add4(words[row]!, lengths[row]!, pathId)
    else this.#messages.add6(words, row * 4, lengths[row]!, pathId)
  }
}
