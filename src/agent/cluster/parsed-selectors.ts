import { UserError } from '../../lib/errors.ts'
import { parseSelector, type Selector } from '../../model/selector.ts'

/** Selectors kept parsed. */
const SELECTORS_MAX = 1_000

/** Selectors, each parsed once. */
export class ParsedSelectors {
  readonly #parsed = new Map<string, Selector | UserError>()

  /** Throws UserError on what is no selector. */
  selects(selector: string, labels: Readonly<Record<string, string>>): boolean {
    let parsed = this.#parsed.get(selector)
    if (parsed === undefined) {
      if (this.#parsed.size >= SELECTORS_MAX) this.#parsed.clear()
      this.#parsed.set(selector, (parsed = parse(selector)))
    }
    if (parsed instanceof UserError) throw parsed
    return parsed.matches(labels)
  }
}

function parse(selector: string): Selector | UserError {
  try {
    return parseSelector(selector)
  } catch (thrown) {
    return thrown instanceof UserError ? thrown : new UserError('a selector is nested too deeply')
  }
}
