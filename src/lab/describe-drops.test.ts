import { describe, expect, it } from 'vitest'
import { describeDrops } from './describe-drops.ts'

describe('what a node dropped in its own defence', () => {
  it('is told by name, whoever counted it', () => {
    const counters = { 'forged-ipip': 1, 'spoofed-source': 2, 'forged-vxlan': 0, masqueraded: 9 }
    const tunnel = {
      link: 'tunl0',
      kind: 'ebpf' as const,
      reason: 'no module',
      mtu: 1480,
      drops: { stranger: 2, malformed: 4 },
    }
    expect(describeDrops({ packetFilter: { counters }, tunnel })).toBe(
      'spoofed source 2, forged IPIP 3',
    )
  })

  it('is not told where it is nothing', () => {
    expect(describeDrops({ packetFilter: { counters: { masqueraded: 9 } } })).toBeUndefined()
  })
})
