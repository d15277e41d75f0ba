import { describe, expect, it } from 'vitest'
import type { BestPath } from '../../bgp/status.ts'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import { LearnedRoutes } from './learned-routes.ts'

const block = prefix('10.211.1.0/24')

function path(nextHop: string, from: string, kind: BestPath['kind'] = 'internal'): BestPath {
  const attributes = { origin: 'igp' as const, asPath: [], nextHop: ip(nextHop) }
  return { nextHop: ip(nextHop), from: ip(from), kind, attributes, stale: false }
}

describe('learned routes', () => {
  it('are one way where several reflectors tell of the same next hop', () => {
    const routes = new LearnedRoutes()
    const paths = [path('172.16.170.129', '172.16.170.1'), path('172.16.170.129', '172.16.170.2')]
    expect(routes.apply([{ prefix: block, paths }])).toEqual([block])
    expect([...routes.rows]).toEqual([[block, ['172.16.170.129']]])
  })

  it('change only when a next hop does, and leave out what is announced here', () => {
    const routes = new LearnedRoutes()
    const first = [path('172.16.170.129', '172.16.170.1')]
    routes.apply([{ prefix: block, paths: first }])
    expect(routes.apply([{ prefix: block, paths: first }])).toEqual([])
    const own = [path('172.16.170.128', '172.16.170.128', 'own')]
    expect(routes.apply([{ prefix: block, paths: own }])).toEqual([block])
    expect(routes.rows.size).toBe(0)
    expect(routes.apply([{ prefix: block, paths: [] }])).toEqual([])
  })
})
