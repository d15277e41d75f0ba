import { describe, expect, it } from 'vitest'
import { parseGoPattern } from './go-pattern.ts'

describe('a regular expression of Go', () => {
  it.each([
    ['^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)', 'ens33', true],
    ['^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)', 'cali50914021272', false],
    ['(?i)ETH', 'eth0', true],
    ['\\Aeth', 'eth0', true],
  ])('%s is found or not in %s', (pattern, name, isIn) => {
    expect(parseGoPattern(pattern)?.isIn(name)).toBe(isIn)
  })

  it.each(['(', '(?=a)', '(a)\\1', 'a'.repeat(10_000)])('%s is none', (pattern) => {
    expect(parseGoPattern(pattern)).toBeUndefined()
  })

  it('takes no more than linear time', () => {
    expect(parseGoPattern('^(a+)+$')?.isIn(`${'a'.repeat(5_000)}b`)).toBe(false)
  })
})
