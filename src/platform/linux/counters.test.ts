import { expect, it } from 'vitest'
import { parseTable } from './counters.ts'

it('adds up what each processor counted, and takes the entries of all once', () => {
  const text = `entries  allocs   destroys unresolved_discards table_fulls
0000002a 00002956 0000147e 00000000            00000003
0000002a 0000288d 00003d3b 00000001            0000000a
`
  expect(parseTable('arp_cache', text)).toEqual([
    ['arp_cache.entries', 42],
    ['arp_cache.table_fulls', 13],
  ])
})

it('knows nothing of a file that is not there, and of columns that a kernel has not', () => {
  expect(parseTable('arp_cache', '')).toEqual([])
  expect(parseTable('ndisc_cache', 'entries\n0000000f\n')).toEqual([
    ['ndisc_cache.entries', 15],
    ['ndisc_cache.table_fulls', 0],
  ])
})
