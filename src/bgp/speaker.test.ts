import { describe, expect, it } from 'vitest'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import { lab, stateOf } from './testing/lab.ts'

const A = ip('10.0.0.1')
const B = ip('10.0.0.2')
const C = ip('10.0.0.3')
const GRACEFUL = { gracefulRestart: { restartTimeSeconds: 60 } } as const

describe('two speakers', () => {
  it('come up, exchange routes and withdraw them', async () => {
    const { clock, router } = lab()
    const a = router(A, { neighbors: [{ address: B, remoteAs: 64512 }] })
    const b = router(B, { neighbors: [{ address: A, remoteAs: 64512, passive: true }] })
    await clock.advance(6000)
    expect([stateOf(a, B), stateOf(b, A)]).toEqual(['Established', 'Established'])
    a.speaker.announce(prefix('10.211.0.0/24'))
    b.speaker.announce(prefix('10.211.1.0/24'))
    await clock.advance(100)
    expect(b.best.get('10.211.0.0/24')).toBe(A)
    expect(a.best.get('10.211.1.0/24')).toBe(B)
    a.speaker.withdraw(prefix('10.211.0.0/24'))
    await clock.advance(100)
    expect(b.best.has('10.211.0.0/24')).toBe(false)
  })

  it('stay up while nothing is said but KEEPALIVEs', async () => {
    const { clock, router } = lab()
    const a = router(A, { neighbors: [{ address: B, remoteAs: 64512, holdTimeSeconds: 9 }] })
    router(B, { neighbors: [{ address: A, remoteAs: 64512 }] })
    await clock.advance(300_000)
    const [status] = a.speaker.neighbors()
    expect(status).toMatchObject({ state: 'Established', flaps: 0, holdTimeSeconds: 9 })
  })

  it('count every message that they send as the other counts what it receives', async () => {
    const { clock, network, router } = lab()
    const a = router(A, { neighbors: [{ address: B, remoteAs: 64512 }] })
    const b = router(B, { neighbors: [{ address: A, remoteAs: 64512, passive: true }] })
    for (let net = 0; net < 5; net++) {
      a.speaker.announce(prefix(`10.211.${net}.0/24`), { med: net })
      await clock.advance(20_000)
    }
    b.speaker.refresh(A, 'in')
    await clock.advance(1000)
    const counts = () => [a, b].map(({ speaker }) => speaker.neighbors()[0]!)
    const [ofA, ofB] = counts()
    expect(ofA!.messages.sent).toBe(ofB!.messages.received)
    expect(ofB!.messages.sent).toBe(ofA!.messages.received)
    expect(ofA!.updates.sent).toBe(ofB!.updates.received)
    expect(ofA!.updates.sent).toBeGreaterThan(5)
    // Over connections.
    network.cut(A, B)
    a.speaker.reset(B)
    network.mend(A, B)
    await clock.advance(60_000)
    const [later] = counts()
    expect(later!.updates.sent).toBeGreaterThan(ofA!.updates.sent)
    expect(later!.messages.sent).toBeGreaterThan(later!.updates.sent)
  })

  it('keep exactly one connection when both connect at once', async () => {
    const { clock, network, router } = lab()
    const a = router(A, { neighbors: [{ address: B, remoteAs: 64512 }] })
    const b = router(B, { neighbors: [{ address: A, remoteAs: 64512 }] })
    await clock.advance(20_000)
    expect([stateOf(a, B), stateOf(b, A)]).toEqual(['Established', 'Established'])
    expect(network.connectionsBetween(A, B)).toBe(1)
  })

  it('prepend their AS and set themselves as next hop between ASes', async () => {
    const { clock, router } = lab()
    const a = router(A, { localAs: 65001, neighbors: [{ address: B, remoteAs: 4200000002 }] })
    router(B, {
      localAs: 4200000002,
      neighbors: [
        { address: A, remoteAs: 65001 },
        { address: C, remoteAs: 65003 },
      ],
    })
    const c = router(C, { localAs: 65003, neighbors: [{ address: B, remoteAs: 4200000002 }] })
    a.speaker.announce(prefix('10.211.0.0/24'), { communities: [0xfde80001], med: 5 })
    await clock.advance(20_000)
    const [path] = c.speaker.paths(prefix('10.211.0.0/24'))
    expect(path).toMatchObject({
      nextHop: B,
      kind: 'external',
      reason: 'only path',
      attributes: {
        asPath: [{ kind: 'sequence', asns: [4200000002, 65001] }],
        communities: [0xfde80001],
      },
    })
    expect(path!.attributes.med).toBeUndefined()
  })

  it('exchange IPv6 routes over IPv6', async () => {
    const { clock, router } = lab()
    const [left, right] = [ip('fd00::1'), ip('fd00::2')]
    const a = router(left, { routerId: A, neighbors: [{ address: right, remoteAs: 64512 }] })
    const b = router(right, { routerId: B, neighbors: [{ address: left, remoteAs: 64512 }] })
    a.speaker.announce(prefix('fd00:10::/64'))
    await clock.advance(20_000)
    expect(b.best.get('fd00:10::/64')).toBe('fd00::1')
    a.speaker.withdraw(prefix('fd00:10::/64'))
    await clock.advance(100)
    expect(b.best.size).toBe(0)
  })
})

describe('graceful restart', () => {
  it('retains routes of a neighbor that was killed, and forgets what it does not announce again', async () => {
    const { clock, network, router } = lab()
    const configB = { ...GRACEFUL, neighbors: [{ address: A, remoteAs: 64512 }] }
    const a = router(A, { ...GRACEFUL, neighbors: [{ address: B, remoteAs: 64512 }] })
    const b = router(B, configB)
    b.speaker.announce(prefix('10.211.1.0/24'))
    b.speaker.announce(prefix('10.211.9.0/24'))
    a.speaker.announce(prefix('10.211.0.0/24'))
    await clock.advance(20_000)
    network.kill(B)
    await clock.advance(1000)
    expect(a.speaker.paths(prefix('10.211.1.0/24'))).toMatchObject([{ best: true, stale: true }])
    const again = router(B, {
      ...configB,
      gracefulRestart: { restartTimeSeconds: 60, restarting: true },
    })
    again.speaker.announce(prefix('10.211.1.0/24'))
    await clock.advance(20_000)
    expect(again.events.at(-1)).toEqual({ kind: 'restartComplete', reason: 'end of RIB' })
    expect(again.best.get('10.211.0.0/24')).toBe(A)
    expect(a.best.get('10.211.1.0/24')).toBe(B)
    expect(a.speaker.paths(prefix('10.211.1.0/24'))).toMatchObject([{ stale: false }])
    expect(a.best.has('10.211.9.0/24')).toBe(false)
  })

  it('forgets the routes when the restart time is over', async () => {
    const { clock, network, router } = lab()
    const a = router(A, { ...GRACEFUL, neighbors: [{ address: B, remoteAs: 64512 }] })
    const b = router(B, { ...GRACEFUL, neighbors: [{ address: A, remoteAs: 64512 }] })
    b.speaker.announce(prefix('10.211.1.0/24'))
    await clock.advance(20_000)
    network.kill(B)
    await clock.advance(59_000)
    expect(a.best.get('10.211.1.0/24')).toBe(B)
    await clock.advance(2000)
    expect(a.best.size).toBe(0)
  })

  it('forgets the routes at once without it', async () => {
    const { clock, network, router } = lab()
    const a = router(A, { neighbors: [{ address: B, remoteAs: 64512 }] })
    const b = router(B, { neighbors: [{ address: A, remoteAs: 64512 }] })
    b.speaker.announce(prefix('10.211.1.0/24'))
    await clock.advance(20_000)
    expect(a.best.size).toBe(1)
    network.kill(B)
    await clock.advance(100)
    expect(a.best.size).toBe(0)
  })

  it('takes a new connection in place of one whose host vanished without a word', async () => {
    const { clock, network, router } = lab()
    const a = router(A, {
      ...GRACEFUL,
      neighbors: [{ address: B, remoteAs: 64512, passive: true }],
    })
    const configB = { ...GRACEFUL, neighbors: [{ address: A, remoteAs: 64512 }] }
    const b = router(B, configB)
    b.speaker.announce(prefix('10.211.1.0/24'))
    await clock.advance(20_000)
    network.cut(A, B)
    network.kill(B)
    await clock.advance(10)
    network.mend(A, B)
    const again = router(B, { ...configB, gracefulRestart: { restarting: true } })
    again.speaker.announce(prefix('10.211.1.0/24'))
    await clock.advance(2000)
    expect(stateOf(a, B)).toBe('Established')
    expect(a.speaker.paths(prefix('10.211.1.0/24'))).toMatchObject([{ stale: false }])
    expect(a.events.filter(({ kind }) => kind === 'neighborState').length).toBeLessThan(10)
  })
})
