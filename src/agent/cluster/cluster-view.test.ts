import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newResource } from '../../model/parse-resource.ts'
import { tunnelEnds } from '../tunnel/vxlan-settings.ts'
import { ClusterView } from './cluster-view.ts'

const node = (name: string, ipv4Address: string) =>
  newResource({ kind: 'Node', metadata: { name }, spec: { bgp: { ipv4Address } } })
const pool = (name: string, cidr: string) =>
  newResource({ kind: 'IPPool', metadata: { name }, spec: { cidr } })

describe('rows that contradict each other', () => {
  it('are named, and of two Nodes with one address the older counts', () => {
    const view = new ClusterView()
    view.set(node('a', '10.0.0.1/24'), 7)
    view.set(node('b', '10.0.0.1/16'), 5)
    view.set(node('c', '10.0.0.3/24'), 6)
    expect(view.list('Node').map(({ metadata }) => metadata.name)).toEqual(['b', 'c'])
    expect(view.get('Node', 'a')).toBeUndefined()
    expect(view.get('Node', 'b')).toBeDefined()
    expect(view.problems()).toMatchObject([
      { resource: 'Node(a)', field: 'spec.bgp.ipv4Address', value: '10.0.0.1' },
    ])
    expect(view.problems()[0]!.expected).toContain('Node(b), which is older')
  })

  it('are Nodes with one tunnel address, whatever the tunnel, and both count', () => {
    const ends = (name: string, spec: object, address: string) =>
      newResource({
        kind: 'Node',
        metadata: { name },
        spec: {
          ...spec,
          bgp: { ipv4Address: address, ...('bgp' in spec ? (spec.bgp as object) : {}) },
        },
      })
    const view = new ClusterView()
    const vxlan = { ipv4VXLANTunnelAddr: '10.9.0.1' }
    const ipip = { bgp: { ipv4IPIPTunnelAddr: '10.9.0.1' } }
    view.set(ends('a', vxlan, '10.0.0.1/24'), 7)
    view.set(ends('b', { ...vxlan, ...ipip }, '10.0.0.2/24'), 5)
    view.set(ends('c', ipip, '10.0.0.3/24'), 6)
    expect(view.list('Node')).toHaveLength(3)
    expect(view.problems()).toMatchObject([
      { resource: 'Node(c)', field: 'spec.bgp.ipv4IPIPTunnelAddr', value: '10.9.0.1' },
      { resource: 'Node(a)', field: 'spec.ipv4VXLANTunnelAddr', value: '10.9.0.1' },
    ])
    expect(view.problems()[0]!.expected).toContain('Node(b), which is older')
    const told = tunnelEnds(view, 'c')
    expect([told.get('a')?.tunnelAddress, told.get('b')?.tunnelAddress]).toEqual([
      undefined,
      '10.9.0.1',
    ])
    view.delete('Node', 'b')
    expect(view.problems()).toMatchObject([{ resource: 'Node(a)' }])
    view.delete('Node', 'c')
    expect(view.problems()).toEqual([])
    expect(tunnelEnds(view, 'c').get('a')?.tunnelAddress).toBe('10.9.0.1')
  })

  it('count again when the other is changed or deleted', () => {
    const view = new ClusterView()
    view.set(node('a', '10.0.0.1/24'), 7)
    view.set(node('b', '10.0.0.1/24'), 5)
    view.set(node('b', '10.0.0.2/24'), 5)
    expect(view.list('Node')).toHaveLength(2)
    view.set(node('b', '10.0.0.1/24'), 5)
    expect(view.list('Node')).toHaveLength(1)
    view.delete('Node', 'b')
    expect(view.list('Node').map(({ metadata }) => metadata.name)).toEqual(['a'])
    expect(view.problems()).toEqual([])
  })

  it('are the same for every agent, in whatever order they are told', () => {
    const rows = [
      [node('a', '10.0.0.1/24'), 3],
      [node('b', '10.0.0.1/24'), 1],
      [pool('x', '10.1.0.0/16'), 9],
      [pool('y', '10.1.4.0/24'), 2],
    ] as const
    const answers = [rows, rows.toReversed()].map((order) => {
      const view = new ClusterView()
      for (const [resource, revision] of order) view.set(resource, revision)
      return [view.list('Node'), view.list('IPPool'), view.problems()]
    })
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]![1]).toMatchObject([{ metadata: { name: 'y' } }])
  })

  it('are pools that overlap, and one that is none is left out alone', () => {
    const view = new ClusterView()
    view.set(pool('old', '10.1.0.0/16'), 1)
    view.set(pool('inside', '10.1.2.0/24'), 2)
    view.set(pool('apart', '10.2.0.0/16'), 3)
    expect(view.list('IPPool').map(({ metadata }) => metadata.name)).toEqual(['apart', 'old'])
    expect(view.problems()).toMatchObject([{ resource: 'IPPool(inside)', field: 'spec.cidr' }])
  })
})

it('is the same whatever came before, for any changes and whenever it was asked', () => {
  const change = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    /** Undefined for one that is deleted. */
    address: fc.option(fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'), { nil: undefined }),
    revision: fc.nat({ max: 5 }),
    isAsked: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const view = new ClusterView()
      const rows = new Map<string, readonly [ReturnType<typeof node>, number]>()
      for (const { name, address, revision, isAsked } of changes) {
        if (address === undefined) {
          view.delete('Node', name)
          rows.delete(name)
        } else {
          const row = [node(name, `${address}/24`), revision] as const
          view.set(...row)
          rows.set(name, row)
        }
        if (isAsked) expect(view.list('Node')).toBe(view.list('Node'))
      }
      const fresh = new ClusterView()
      for (const row of rows.values()) fresh.set(...row)
      expect(view.list('Node')).toEqual(fresh.list('Node'))
      expect(view.problems()).toEqual(fresh.problems())
      for (const name of rows.keys()) expect(view.get('Node', name)).toBe(fresh.get('Node', name))
    }),
    { numRuns: 100 },
  )
})
