import type { Route } from '../kernel/kernel.ts'
import type { Prefix } from '../net/prefix.ts'

/** What is known of some rows of the kernel's table, ours or the host's own. */
export interface KnownRows {
  /** A row, the first of its destination in a reading or a further one. */
  take(row: Route, isFirst: boolean): void
  /** Destinations of which rows are known. */
  destinations(): Iterable<Prefix>
  /** The kernel has no such row to the destination. */
  drop(destination: Prefix): void
}

/**
 * One reading of the kernel's whole table, taken up row by row, so that others have their turn meanwhile.
 * What the kernel tells of a destination in that time is later than what was read of it, and counts.
 */
export class TableReading {
  readonly #goneLinks = new Set<number>()
  readonly #changed = new Set<Prefix>()
  readonly #steps: Iterator<undefined>

  /** @param knownOf what is known of rows such as this one */
  constructor(
    rows: readonly Route[],
    known: readonly KnownRows[],
    knownOf: (row: Route) => KnownRows,
  ) {
    this.#steps = this.#read(rows, known, knownOf)
  }

  /**
   * @param most rows taken up, or looked for, in this call
   * @returns whether that was all
   */
  goOn(most: number): boolean {
    for (let count = 0; count < most; count++) if (this.#steps.next().done === true) return true
    return false
  }

  /** The kernel told of a change at a destination. */
  heed(destination: Prefix): void {
    this.#changed.add(destination)
  }

  /** Whether {@link heed} was called for it. */
  isChanged(destination: Prefix): boolean {
    return this.#changed.has(destination)
  }

  /** Routes by a link are gone. */
  forgetLink(index: number): void {
    this.#goneLinks.add(index)
  }

  *#read(
    rows: readonly Route[],
    known: readonly KnownRows[],
    knownOf: (row: Route) => KnownRows,
  ): Generator<undefined, undefined> {
    const listed = new Map(known.map((each) => [each, new Set<Prefix>()]))
    for (const row of rows) {
      const { destination } = row
      if (!this.#changed.has(destination) && !this.#isGone(row)) {
        const ofRow = knownOf(row)
        const seen = listed.get(ofRow)!
        ofRow.take(row, !seen.has(destination))
        seen.add(destination)
      }
      yield
    }
    for (const [each, seen] of listed) {
      for (const destination of each.destinations()) {
        if (!seen.has(destination) && !this.#changed.has(destination)) each.drop(destination)
        yield
      }
    }
    return undefined
  }

  #isGone({ nextHops }: Route): boolean {
    return this.#goneLinks.size > 0 && nextHops.some((hop) => this.#goneLinks.has(hop.linkIndex))
  }
}
