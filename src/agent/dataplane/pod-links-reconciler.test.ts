import { describe, expect, it } from 'vitest'
import { silentLog } from '../../lib/log.ts'
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

  it('stay as they are where they cannot be changed, and are tried again when all is read again', async () => {
    const { clock, attach, setPods, ends, set } = node()
    const a = attach('a')
    setPods({ ...a, networkNamespace: '/run/netns/gone' })
    set({ segmentOctets: 180_000 })
    await clock.advance(5_000)
    expect(ends('a')).toEqual(both(1500, 65_536))
    setPods(a)
    await clock.advance(90_000)
    expect(ends('a')).toEqual(both(1500, 180_000))
  })
})
