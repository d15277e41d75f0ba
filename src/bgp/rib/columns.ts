/**
 * Typed arrays that grow. A table keeps its columns in plain fields, because that is what the engine
 * reads fastest, and calls this when a row beyond the capacity is needed.
 */

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array

/** A copy of `column` with room for `capacity` elements; the new ones are `fill`. */
export function grown<C extends Column>(column: C, capacity: number, fill = 0): C {
  const next = new (column.constructor as new (length: number) => C)(capacity)
  next.set(column)
  if (fill !== 0) next.fill(fill, column.length)
  return next
}

/** The capacity after `capacity`: four times while tiny, double while small, half more when that saves megabytes. */
export function nextCapacity(capacity: number): number {
  if (capacity < 1 << 10) return capacity * 4
  return capacity < 1 << 18 ? capacity * 2 : Math.ceil(capacity * 1.5)
}
