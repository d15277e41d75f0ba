import { expect, it } from 'vitest'
import { Checks } from './checks.ts'
import { bgpConfiguration } from './bgp-configuration.ts'
import { bgpPeer } from './bgp-peer.ts'

it.each([bgpPeer, bgpConfiguration])('is checked when $plural are written', ({ check }) => {
  const problemsOf = (limit: string): Checks['problems'] => {
    const checks = new Checks()
    const metadata = { name: 'default', annotations: { 'tortie/prefix-limit': limit } }
    const spec = { peerIP: '192.0.2.1', asNumber: 1 }
    check!(checks, { metadata, spec } as never, { spec } as never)
    return checks.problems
  }
  expect(['1', '250000', '100000000'].flatMap(problemsOf)).toEqual([])
  expect(['0', '100000001', '12 ', '-1', ''].flatMap(problemsOf)).toMatchObject(
    ['0', '100000001', '12 ', '-1', ''].map((value) => ({
      field: 'metadata.annotations["tortie/prefix-limit"]',
      value,
    })),
  )
})
