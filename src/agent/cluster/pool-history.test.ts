import { expect, it } from 'vitest'
import { prefix } from '../../net/prefix.ts'
import type { PoolEncapsulation } from '../../routes/encapsulation.ts'
import { FORMER_MILLISECONDS, PoolHistory } from './pool-history.ts'

const pools = (ipipMode: PoolEncapsulation['ipipMode']): PoolEncapsulation[] => [
  { cidr: prefix('10.211.0.0/16'), ipipMode, vxlanMode: 'Never' },
]

it('remembers what pools were until the change has gone through the cluster', () => {
  const history = new PoolHistory()
  const formerAt = (now: number) => {
    history.age(now)
    return history.former
  }
  expect(history.update([], 0)).toBe(false)
  expect(history.update(pools('Never'), 0)).toBe(false)
  expect(history.former).toEqual([])
  expect(history.update(pools('Never'), 1)).toBe(false)
  expect(history.update(pools('Always'), 10)).toBe(true)
  history.update(pools('CrossSubnet'), 20)
  expect(history.former).toEqual([pools('Always'), pools('Never')])
  expect(formerAt(10 + FORMER_MILLISECONDS)).toEqual([pools('Always')])
  expect(formerAt(10 + FORMER_MILLISECONDS)).toBe(history.former)
  expect(formerAt(20 + FORMER_MILLISECONDS)).toEqual([])
})
