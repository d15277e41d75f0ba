import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { parseSelector, type Selector } from '../model/selector.ts'

/** Selectors kept parsed. */
const SELECTORS_MAX = 1_000

/** Selectors, each parsed once; what is none selects nothing, and is told of. */
export class ParsedSelectors {
  readonly #log: Log
  readonly #parsed = new Map<string, Selector>()

  constructor(log: Log) {
    this.#log = log
  }

  selects(selector: string, labels: Readonly<Record<string, string>>): boolean {
    try {
      let parsed = this.#parsed.get(selector)
      if (parsed === undefined) {
        if (this.#parsed.size >= SELECTORS_MAX) this.#parsed.clear()
        this.#parsed.set(selector, (parsed = parseSelector(selector)))
      }
      return parsed.matches(labels)
    } catch (thrown) {
      this.#log.error('A selector is not valid and selects nothing', { error: messageOf(thrown) })
      return false
    }
  }
}
