import { expect, it } from 'vitest'
import type { NeighborStatus } from '../bgp/status.ts'
import { ip } from '../net/ip-address.ts'
import { refusedPrefixes } from './agent-status.ts'

it('says which neighbor announces more than it may, and how much of it was not taken', () => {
  const row = { received: 5, accepted: 5, advertised: 0, stale: 0, endOfRibReceived: true }
  const neighbors = [
    { address: ip('10.0.0.2'), families: [{ ...row, family: 4, refused: 3 }] },
    { address: ip('10.0.0.3'), families: [{ ...row, family: 4 }] },
  ] as readonly Partial<NeighborStatus>[] as readonly NeighborStatus[]
  expect(refusedPrefixes(neighbors)).toEqual([
    '10.0.0.2 has announced as many IPv4 prefixes as it may (5): 3 announcements of others were not taken',
  ])
})
