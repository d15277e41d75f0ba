import { describe, expect, it } from 'vitest'
import { silentLog } from '../../lib/log.ts'
import { ip } from '../../net/ip-address.ts'
import type { SessionState, SpeakerEvent } from '../status.ts'
import type { Bfd, BfdChange, BfdSessionStatus } from './bfd.ts'
import { followNeighbors } from './follow-neighbors.ts'

const LOCAL = ip('192.0.2.1')
const NEIGHBOR = ip('192.0.2.2')

/** A speaker of which only the neighbor's state matters, and a BFD that does what the test says. */
class Fixture {
  readonly down: string[] = []
  readonly open: ((change: BfdChange) => void)[] = []
  #tell: (event: SpeakerEvent) => void = () => {}

  constructor(asksForBfd = true) {
    const bfd: Bfd = {
      add: (_, onChange) => {
        this.open.push(onChange)
        return {
          status: () => ({}) as BfdSessionStatus,
          close: () => void this.open.splice(this.open.indexOf(onChange), 1),
        }
      },
      sessions: () => [],
      dropped: new Map(),
      close: () => {},
    }
    followNeighbors(bfd, {
      onEvent: (listener) => (this.#tell = listener),
      bfdSessionOf: (remote) => (asksForBfd ? { local: LOCAL, remote } : undefined),
      neighborDown: (_, reason) => void this.down.push(reason),
      defer: (task) => task(),
      log: silentLog,
    })
  }

  state(from: SessionState, to: SessionState): void {
    this.#tell({ kind: 'neighborState', neighbor: NEIGHBOR, from, to, reason: '' })
  }
}

describe('a neighbor that asks for BFD', () => {
  it('has a BFD session exactly while it is established', () => {
    const fixture = new Fixture()
    fixture.state('OpenSent', 'OpenConfirm')
    expect(fixture.open).toHaveLength(0)
    fixture.state('OpenConfirm', 'Established')
    expect(fixture.open).toHaveLength(1)
    fixture.state('Established', 'Idle')
    expect(fixture.open).toHaveLength(0)
  })

  it('is given up when the path fails', () => {
    const fixture = new Fixture()
    fixture.state('OpenConfirm', 'Established')
    fixture.open[0]!({ up: false, failure: true, reason: 'Control Detection Time Expired' })
    expect(fixture.down).toEqual(['BFD: Control Detection Time Expired'])
  })

  it('is kept when the other side only shuts BFD down', () => {
    const fixture = new Fixture()
    fixture.state('OpenConfirm', 'Established')
    fixture.open[0]!({ up: false, failure: false, reason: 'the neighbor shut BFD down' })
    expect(fixture.down).toEqual([])
  })

  it('is not given up by what an earlier BFD session says late', () => {
    const fixture = new Fixture()
    fixture.state('OpenConfirm', 'Established')
    const [earlier] = fixture.open
    fixture.state('Established', 'Idle')
    fixture.state('OpenConfirm', 'Established')
    earlier!({ up: false, failure: true, reason: 'Control Detection Time Expired' })
    expect(fixture.down).toEqual([])
  })
})

describe('a neighbor that does not ask for BFD', () => {
  it('gets none', () => {
    const fixture = new Fixture(false)
    fixture.state('OpenConfirm', 'Established')
    expect(fixture.open).toHaveLength(0)
  })
})
