const SHOWN = '(secret)'

/**
 * A text that must not be seen: whatever logs, prints, serializes or inspects it gets "(secret)". Only
 * who calls {@link reveal} has it, which is where it leaves for what it is the secret of.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toString(): string {
    return SHOWN
  }

  toJSON(): string {
    return SHOWN
  }

  /** What util.inspect and console print. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return SHOWN
  }
}

/** A secret of what a program gives as plain text. */
export function asSecret(value: string | Secret): Secret {
  return value instanceof Secret ? value : new Secret(value)
}

/** The text itself, of a secret or of what a program gives as plain text. */
export function revealed(value: string | Secret): string {
  return value instanceof Secret ? value.reveal() : value
}

/** Equal for equal values, secrets included; for comparing, never for showing. */
export function comparableText(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, given: unknown) {
    const raw = this[key] // before toJSON
    return raw instanceof Secret ? { secret: raw.reveal() } : given
  })
}
