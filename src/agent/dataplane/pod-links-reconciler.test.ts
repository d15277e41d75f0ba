import { describe, expect, it } from 'vitest'
import { silentLog } from '../../lib/log.ts'
import { mac } from '../../net/mac-address.ts'
import type { LocalPod } from '../desired/local-facts.ts'
import { simulatedNode } from '../testing/simulated-node.ts'
import type { PodLinkSettings } from './pod-links.ts'
import { PodLinksReconciler } from './pod-links-reconciler.ts'

const SETTINGS: PodLinkSettings = { mtu: 1500, mtuMayGrow: true, segmentOctets: undefined }

/** A node whose pods' links are kept. */
function node() {
  const simulated = simulatedNode()
  const { kernel, machine, view } = simulated
  const links = simulated.add(new PodLinksReconciler({ kernel, view, machine, log: silentLog }))
  let pods: readonly LocalPod[] = []
  let settings = SETTINGS
  const want = (): void => links.want({ pods, settings })
  return {
    ...simulated,
    links,
    setPods: (...all: readonly LocalPod[]): void => {
      pods = all
      want()
    },
    set: (change: Partial<PodLinkSettings>): void => {
      settings = { ...settings, ...change }
      want()
    },
    ends: (name: string): unknown[] => {
      const podEnd = machine.openNamespace(name).link('eth0')
      return [kernel.link(`cali${name}`), podEnd].map((link) => [link?.mtu, link?.segmentOctets])
    },
  }
}

const both = (mtu: number, segmentOctets: number) => [
  [mtu, segmentOctets],
  [mtu, segmentOctets],
]

describe('links of pods', () => {
  it('take at both ends the TCP segments that the ways out take', async () => {
    const { clock, attach, setPods, ends, set } = node()
    const a = attach('a')
    setPods(a)
    await clock.advance(100)
    expect(ends('a')).toEqual(both(1500, 65_536))
    set({ segmentOctets: 180_000 })
    await clock.advance(100)
    expect(ends('a')).toEqual(both(1500, 180_000))
    setPods(a, attach('b'))
    await clock.advance(100)
    expect(ends('b')).toEqual(both(1500, 180_000))
    set({ segmentOctets: 65_536 })
    await clock.advance(100)
    expect(ends('a')).toEqual(both(1500, 65_536))
  })

  it('follow the node’s MTU, those that were not given one, and larger only when that is safe', async () => {
    const { clock, machine, attach, setPods, ends, set } = node()
    const mtus = (name: string): unknown => ends(name).map((end) => (end as number[])[0])
    setPods(attach('a'), { ...attach('given'), followsNodeMtu: false })
    set({ mtu: 1480, mtuMayGrow: false })
    await clock.advance(100)
    expect(mtus('a')).toEqual([1480, 1480])
    expect(mtus('given')).toEqual([1500, 1500])
    // What somebody made of such a pod's own end is not undone by another change.
    const given = machine.openNamespace('given')
    given.changeLink(given.link('eth0')!.index, { mtu: 1300 })
    set({ mtu: 1500, segmentOctets: 180_000 })
    await clock.advance(100)
    expect(mtus('a')).toEqual([1480, 1480])
    expect(ends('given')).toEqual([
      [1500, 180_000],
      [1300, 180_000],
    ])
    set({ mtuMayGrow: true })
    await clock.advance(100)
    expect(mtus('a')).toEqual([1500, 1500])
  })

  it('that cannot be changed are a problem, keep no other from its turn, and are tried again', async () => {
    const { clock, attach, setPods, ends, set, links } = node()
    const [a, b] = [attach('a'), attach('b')]
    setPods({ ...a, networkNamespace: '/run/netns/gone' }, b)
    set({ segmentOctets: 180_000 })
    await clock.advance(5_000)
    expect(ends('a')).toEqual(both(1500, 65_536))
    expect(ends('b')).toEqual(both(1500, 180_000))
    expect(links.problems()).toEqual([expect.stringContaining('/run/netns/gone')])
    setPods(a, b)
    await clock.advance(5_000)
    expect(ends('a')).toEqual(both(1500, 180_000))
    expect(links.problems()).toEqual([])
  })

  it('are a problem until both ends are changed, though the host’s is already', async () => {
    const { clock, attach, setPods, ends, set, links } = node()
    const a = attach('a')
    setPods(a)
    set({ mtu: 1400 })
    await clock.advance(100)
    expect(ends('a')).toEqual(both(1400, 65_536))
    setPods({ ...a, networkNamespace: '/run/netns/gone' })
    set({ mtu: 1500 })
    await clock.advance(60_000)
    expect(ends('a')).toEqual([
      [1500, 65_536],
      [1400, 65_536],
    ])
    expect(links.problems()).toEqual([expect.stringContaining('/run/netns/gone')])
    setPods(a)
    await clock.advance(100)
    expect(ends('a')).toEqual(both(1500, 65_536))
    expect(links.problems()).toEqual([])
  })

  it('are up at the host’s end and have its MAC address, whoever changes them', async () => {
    const { clock, kernel, attach, setPods } = node()
    setPods(attach('a'))
    await clock.advance(100)
    const { index } = kernel.link('calia')!
    kernel.changeLink(index, { up: false, macAddress: mac('02:00:00:00:00:01') })
    await clock.advance(100)
    expect(kernel.link('calia')).toMatchObject({ up: true, macAddress: 'ee:ee:ee:ee:ee:ee' })
  })
})
