import { expect, it } from 'vitest'
import { alignedLines, table } from './table.ts'

const ROWS = [
  ['NAME', 'A'],
  ['server01', ''],
]

it('a table has three blanks after the longest cell of a column and five columns at least', () => {
  expect(alignedLines(ROWS)).toEqual(['NAME       A    ', 'server01        '])
})

it('a table for people has no blanks at the ends of lines', () => {
  expect(table(ROWS)).toBe('NAME       A\nserver01\n')
})
