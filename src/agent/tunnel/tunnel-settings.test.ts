import { describe, expect, it } from 'vitest'
import type { Link } from '../../kernel/kernel.ts'
import type { Kind } from '../../model/resource.ts'
import { ClusterView } from '../cluster/cluster-view.ts'
import { nodeMtus, tunnelDevice, tunnelProblems } from './tunnel-settings.ts'
import { uncheckedResource } from '../testing/unchecked-resource.ts'

const link = (name: string, mtu: number, index: number, up = true): Link => ({
  segmentOctets: 65_536,
  index,
  name,
  kind: '',
  mtu,
  macAddress: undefined,
  up,
  carrier: true,
  masterIndex: undefined,
  peerIndex: undefined,
})
const LINKS = [
  link('lo', 65536, 1),
  link('ens33', 9000, 2),
  link('eth1', 1600, 3),
  link('eth2', 1200, 4, false),
  link('br-lan', 1300, 5),
]

function view(...resources: readonly (readonly [Kind, string, object])[]): ClusterView {
  const made = new ClusterView()
  for (const [kind, name, spec] of resources) {
    made.set(uncheckedResource({ kind, metadata: { name }, spec }))
  }
  return made
}

const pool = (spec: object) => ['IPPool', 'pool', { cidr: '10.1.0.0/16', ...spec }] as const
const felix = (spec: object, name = 'default') => ['FelixConfiguration', name, spec] as const
const mtus = (made: ClusterView, links = LINKS) => nodeMtus(made, 'one', links, 5)

describe('the MTUs of a node', () => {
  it.each([5, 100_000, 1480.5, -1])(
    'do not follow an ipipMTU that no link can have: %d',
    (ipipMTU) => {
      const made = view(pool({ ipipMode: 'Always' }), felix({ ipipMTU }))
      expect(mtus(made)).toMatchObject({ ipip: 1580, pod: 1580 })
      expect(tunnelProblems(made)).toMatchObject([
        { resource: 'FelixConfiguration(default)', field: 'spec.ipipMTU', value: String(ipipMTU) },
      ])
    },
  )

  it('follow from the smallest usual link that is up', () => {
    expect(mtus(view())).toEqual({
      host: 1600,
      ipip: 1580,
      vxlan: 1550,
      pod: 1600,
      segment: 65_536,
    })
  })

  it('leave room for the header of every tunnel that pools use, disabled ones too', () => {
    expect(mtus(view(pool({ ipipMode: 'CrossSubnet' }))).pod).toBe(1580)
    expect(mtus(view(pool({ vxlanMode: 'Always', disabled: true }))).pod).toBe(1550)
  })

  it('are those of FelixConfiguration where it says something, of the node before the default', () => {
    const used = pool({ ipipMode: 'Always' })
    expect(mtus(view(used, felix({ ipipMTU: 1440 })))).toMatchObject({ ipip: 1440, pod: 1440 })
    const own = felix({ ipipMTU: 1300 }, 'node.one')
    expect(mtus(view(used, felix({ ipipMTU: 1440 }), own)).ipip).toBe(1300)
    expect(mtus(view(used, felix({ ipipMTU: 0 }))).ipip).toBe(1580)
  })

  it('count the links that mtuIfacePattern names, and Calico’s where it is none', () => {
    expect(mtus(view(felix({ mtuIfacePattern: '^br-' }))).host).toBe(1300)
    expect(mtus(view(felix({ mtuIfacePattern: 'x'.repeat(100_000) }))).host).toBe(1600)
    expect(mtus(view(felix({ mtuIfacePattern: '(' }))).host).toBe(1600)
  })

  it('follow from the link with the node’s address where none has a usual name, else are Calico’s', () => {
    const unusual = [LINKS[0]!, LINKS[4]!]
    expect(mtus(view(), unusual).host).toBe(1300)
    expect(nodeMtus(view(), 'one', [LINKS[0]!], undefined).host).toBe(1460)
  })
})

describe('the TCP segments of pods', () => {
  const wide = (name: string, segmentOctets: number, kind = '') => ({
    ...link(name, 1500, name.length),
    kind,
    segmentOctets,
  })
  const ways = [wide('lo', 65_536), wide('ens33', 180_000), wide('eth1', 190_000)]
  const segment = (made: ClusterView, links: readonly Link[]) => mtus(made, [...links]).segment

  it('are as large as the node’s ways out take them', () => {
    expect(segment(view(), ways)).toBe(180_000)
    expect(segment(view(), [link('ens33', 1500, 2)])).toBe(65_536)
    const { segmentOctets: _, ...old } = link('ens33', 1500, 2)
    expect(segment(view(), [old])).toBeUndefined()
  })

  it('are no larger than a tunnel of the kernel’s takes them, while packets go by it', () => {
    const ipip = view(pool({ ipipMode: 'CrossSubnet' }))
    const vxlan = view(pool({ vxlanMode: 'CrossSubnet' }))
    const module = [...ways, wide('tunl0', 65_536, 'ipip')]
    const overlay = [...ways, wide('vxlan.calico', 65_536, 'vxlan')]
    expect(segment(ipip, module)).toBe(65_536)
    expect(segment(vxlan, module)).toBe(180_000)
    expect(segment(vxlan, overlay)).toBe(65_536)
    expect(segment(ipip, [...overlay, wide('tunl0', 65_536, 'veth')])).toBe(180_000)
  })
})

it('has a tunnel ready before a pool needs it, unless IPIP is switched off', () => {
  const made = view(pool({}))
  expect(tunnelDevice(made, 'one', undefined, mtus(made))).toEqual({
    address: undefined,
    mtu: 1580,
    segmentOctets: 65_536,
  })
  const off = view(pool({}), felix({ ipipEnabled: false }))
  expect(tunnelDevice(off, 'one', undefined, mtus(off))).toBeUndefined()
})
