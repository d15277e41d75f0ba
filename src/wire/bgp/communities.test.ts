import { expect, it } from 'vitest'
import {
  formatCommunity,
  formatLargeCommunity,
  parseCommunity,
  parseLargeCommunity,
} from './communities.ts'

it.each(['0:0', '65000:100', '65535:65535', 'no-export', 'no-advertise', 'llgr-stale'])(
  'community %s is read and printed as it is',
  (text) => {
    expect(formatCommunity(parseCommunity(text)!)).toBe(text)
  },
)

it.each(['', '1', '1:2:3', '65536:1', '-1:1', '01:1', '1:', 'a:b', '1 :1', 'unknown (1)'])(
  'community %j is refused',
  (text) => {
    expect(parseCommunity(text)).toBeUndefined()
  },
)

it('large community is three numbers of 32 bits', () => {
  expect(formatLargeCommunity(parseLargeCommunity('4294967295:0:1')!)).toBe('4294967295:0:1')
  expect(parseLargeCommunity('4294967296:0:1')).toBeUndefined()
  expect(parseLargeCommunity('1:2')).toBeUndefined()
})
