import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { printable, printableLines } from './printable.ts'
import { comparableText, revealed, Secret } from './secret.ts'
import { table } from './table.ts'

describe('a secret', () => {
  const secret = new Secret('hunter2')

  it('is shown by nothing but itself', () => {
    expect([`${secret}`, JSON.stringify({ secret }), inspect({ secret })].join()).not.toContain(
      'hunter2',
    )
    expect([secret.reveal(), revealed(secret), revealed('plain')]).toEqual([
      'hunter2',
      'hunter2',
      'plain',
    ])
  })

  it('is compared by what it is', () => {
    const text = (key: string): string => comparableText({ key: new Secret(key), a: 1 })
    expect(text('a')).toBe(text('a'))
    expect(text('a')).not.toBe(text('b'))
  })
})

describe('what is printed', () => {
  const NAME = 'x\u001b[31mRED\u001b]0;pwned\u0007\r\nFAKE LINE\u009b'

  it('has no control characters', () => {
    expect(printable(NAME)).toBe('x\\x1b[31mRED\\x1b]0;pwned\\x07\\x0d\\x0aFAKE LINE\\x9b')
    expect(printableLines('a\tb\nc\u001b')).toBe('a\tb\nc\\x1b')
    expect(table([['NAME'], [NAME]]).split('\n')).toHaveLength(3)
    expect(printable('käse\u{1f9c0}')).toBe('käse\u{1f9c0}')
  })
})
