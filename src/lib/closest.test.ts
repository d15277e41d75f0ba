import { describe, expect, it } from 'vitest'
import { closest } from './closest.ts'

describe('the closest of some words', () => {
  it.each([
    ['nodes', 'node'],
    ['podCidr', 'podCIDR'],
    ['ndoe', 'node'],
    ['workloadendpiont', 'workloadendpoint'],
    ['zzz', undefined],
    ['', undefined],
  ])('to %j is %j', (word, expected) => {
    expect(closest(word, ['node', 'ippool', 'podCIDR', 'workloadendpoint'])).toBe(expected)
  })
})
