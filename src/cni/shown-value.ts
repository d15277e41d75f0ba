const CHARACTERS_MAX = 80

/** A value of the runtime's in an error: as JSON, cut off where it is long. */
export function shownValue(value: unknown): string {
  const text = asText(value)
  return text.length <= CHARACTERS_MAX ? text : `${text.slice(0, CHARACTERS_MAX)}…`
}

function asText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return `a ${typeof value} that is nested too deep to show` // RangeError of what nobody writes by hand.
  }
}
