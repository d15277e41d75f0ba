import { printable } from './printable.ts'

/** Least width of a column, and blanks after the longest cell: as calicoctl has its tables. */
const WIDTH_MIN = 5
const PADDING = 3

/** Rows of cells as lines of aligned columns, every cell padded, the last of a line too. Cells are ASCII, their control characters escaped. */
export function alignedLines(given: readonly (readonly string[])[]): string[] {
  const rows = given.map((row) => row.map(printable))
  const widths: number[] = []
  for (const row of rows) {
    for (const [at, cell] of row.entries()) {
      widths[at] = Math.max(widths[at] ?? WIDTH_MIN, cell.length + PADDING)
    }
  }
  return rows.map((row) =>
    row.map((cell, at) => cell + ' '.repeat(widths[at]! - cell.length)).join(''),
  )
}

/** {@link alignedLines} as text, without blanks at the ends of lines. */
export function table(rows: readonly (readonly string[])[]): string {
  return alignedLines(rows)
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}
