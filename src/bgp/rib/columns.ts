/**
 * Typed arrays that grow. A table keeps its columns in plain fields, because that is what the engine
 * reads fastest, and calls this when a row beyond the capacity is needed.
 */

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array

/** A copy of `column` with room for `capacity` elements; the new ones are `fill`. */
export function grown<C extends Column>(column: C, capacity: number, fill = 0): C {
  const next = new (column.constructor as new (length: number) => C)(capacity)
  next.set(column)
  if (fill !== 0) next.fill(fill, column.length)
  return next
}

/** `column` itself, or a copy that has room for `rows` elements; the new ones are `fill`. */
export function withRoom<C extends Column>(column: C, rows: number, fill = 0): C {
  const { length } = column
  if (rows <= length) return column
  return grown(column, Math.max(rows, Math.ceil(length * factorAfter(length))), fill)
}

/** Four times while small, then double, half more when that saves megabytes. */
function factorAfter(length: number): number {
  if (length < 1 << 12) return 4
  return length < 1 << 18 ? 2 : 1.5
}

/**
 * Elements that the column with this number in its table begins with. They are of several lengths so
 * that they do not all grow at the same row: with a million rows that would be tens of milliseconds.
 */
export function firstLength(column: number): number {
  return 64 + 4 * column
}

/** Rows that all of these columns have room for. */
export function roomOf(...columns: readonly Column[]): number {
  return columns.reduce((room, { length }) => Math.min(room, length), Infinity)
}
