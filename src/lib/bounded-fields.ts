import type { LogFields } from './log.ts'

/** Characters of one text, and items of one list, in a line of the log. */
const CHARACTERS_MAX = 400
const ITEMS_MAX = 16

/** Fields whose line stays short, whatever was put in: long texts and lists are cut, and say so. */
export function boundedFields(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, bounded(value)]))
}

function bounded(value: unknown): unknown {
  if (typeof value === 'string') return cut(value)
  if (typeof value !== 'object' || value === null) return value
  if (!Array.isArray(value)) return cut(JSON.stringify(value))
  const shown = value.slice(0, ITEMS_MAX).map(bounded)
  const more = value.length - shown.length
  return more > 0 ? [...shown, `and ${more} more`] : shown
}

function cut(text: string): string {
  const more = text.length - CHARACTERS_MAX
  return more > 0 ? `${text.slice(0, CHARACTERS_MAX)} and ${more} more characters` : text
}
