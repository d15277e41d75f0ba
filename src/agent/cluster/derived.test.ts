import { expect, it } from 'vitest'
import { newResource } from '../../model/parse-resource.ts'
import type { Node } from '../../model/resource.ts'
import { ClusterView } from './cluster-view.ts'
import { derived } from './derived.ts'
import { settledNodes, withNodes } from './settled-nodes.ts'

const node = (name: string, bgp: object = {}) =>
  newResource({
    kind: 'Node',
    metadata: { name, labels: { rack: 'a' } },
    spec: { bgp: { ipv4Address: '10.0.0.1/24', ...bgp } },
  })

it('what follows is computed again only when something that it follows from is another object', () => {
  const view = new ClusterView()
  let count = 0
  const names = derived(['Node'], (of, { suffix }: { suffix: readonly string[] }) => {
    count++
    return { names: of.list('Node').map(({ metadata }) => metadata.name), suffix }
  })
  view.set(node('one'))
  const suffix = ['x']
  const first = names(view, { suffix })
  expect(names(view, { suffix })).toBe(first)
  view.set(newResource({ kind: 'BGPPeer', metadata: { name: 'peer' }, spec: {} }))
  expect(names(view, { suffix })).toBe(first)
  expect(count).toBe(1)
  // What comes out equal is the same object, or has the same parts.
  view.set(node('one', { asNumber: 65000 }))
  expect(names(view, { suffix: ['x'] })).toBe(first)
  expect(count).toBe(2)
  view.set(node('two', { ipv4Address: '10.0.0.2/24' }))
  const second = names(view, { suffix })
  expect(second).toEqual({ names: ['one', 'two'], suffix: ['x'] })
  expect(second.suffix).toBe(first.suffix)
})

it('nodes stay the same while they only write of themselves what concerns no other', () => {
  const before = settledNodes([], [node('a'), node('b'), node('d')])
  expect(settledNodes(before, [node('a'), node('b'), node('d')])).toBe(before)
  expect(
    settledNodes(before, [node('a'), node('b', { ipv4IPIPTunnelAddr: '10.1.0.1' }), node('d')]),
  ).toBe(before)
  const changed: readonly Node[] = [node('a'), node('b', { asNumber: 65000 }), node('c')]
  const after = settledNodes(before, changed)
  expect(after).toEqual(changed)
  expect([after[0], after[1], after[2]]).toEqual([before[0], changed[1], changed[2]])
  expect([after[0] === before[0], after[1] === changed[1]]).toEqual([true, true])
  expect(settledNodes(before, [node('b'), node('d')]).map((row) => before.indexOf(row))).toEqual([
    1, 2,
  ])
})

it('a view with other nodes has its own rows of all other kinds', () => {
  const view = new ClusterView()
  view.set(node('one'))
  view.set(
    newResource({ kind: 'IPPool', metadata: { name: 'pool' }, spec: { cidr: '10.1.0.0/16' } }),
  )
  const other = node('other')
  const made = withNodes<'Node' | 'IPPool'>(view, [other])
  expect([made.list('Node'), made.get('Node', 'other'), made.get('Node', 'one')]).toEqual([
    [other],
    other,
    undefined,
  ])
  expect(made.list('IPPool')).toBe(view.list('IPPool'))
})
