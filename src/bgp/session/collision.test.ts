import { describe, expect, it } from 'vitest'
import { newPeering, type Peering, peeringState, peeringStep, type Track } from './collision.ts'
import type { SessionEvent, SessionSettings, SessionTimer } from './fsm.ts'
import { EVERY_EVENT, SETTINGS } from '../testing/session-events.ts'

/** What a track's effects have made of the world. */
interface World {
  connection: 'none' | 'opening' | 'open'
  timers: SessionTimer[]
  isUp: boolean
}

interface Place {
  readonly peering: Peering
  readonly primary: World
  readonly second: World | undefined
  /** The last stop waits for a manual start. */
  readonly isStopped: boolean
}

const NOWHERE: World = { connection: 'none', timers: [], isUp: false }

class Broken extends Error {}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Broken(what)
}

/** Carries the effects of an event out on a copy of the world, and looks at every one of them. */
function happen(place: Place, track: Track, event: SessionEvent): Place {
  const { peering, effects } = peeringStep(place.peering, track, event)
  const copy = (world: World): World => ({ ...world, timers: [...world.timers] })
  let primary = copy(place.primary)
  let second = place.second === undefined ? undefined : copy(place.second)
  let isRefused = false
  foresee(track === 'primary' ? primary : second, event)
  for (const { track, effect } of effects) {
    if (effect.do === 'adopt' && track === 'second') second = copy(NOWHERE)
    const world = track === 'primary' ? primary : second
    must(world !== undefined, `${effect.do} on a track that is not there`)
    if (world === undefined) continue
    switch (effect.do) {
      case 'refuse':
        isRefused = true
        break
      case 'adopt':
        must(world.connection === 'none', 'adopts while it has a connection')
        world.connection = 'open'
        break
      case 'connect':
        must(world.connection === 'none', 'connects while it has a connection')
        world.connection = 'opening'
        break
      case 'close':
        must(world.connection !== 'none', 'closes what is not open')
        world.connection = 'none'
        break
      case 'sendOpen':
      case 'sendKeepalive':
        must(world.connection === 'open', `${effect.do} without a connection`)
        break
      case 'sendNotification':
        must(world.connection === 'open', 'NOTIFICATION without a connection')
        break
      case 'setTimer':
        if (!world.timers.includes(effect.timer)) world.timers.push(effect.timer)
        break
      case 'stopTimer':
        world.timers = world.timers.filter((timer) => timer !== effect.timer)
        break
      case 'establish':
        must(!world.isUp, 'established twice')
        world.isUp = true
        break
      case 'release':
        must(world.isUp, 'released without having been established')
        world.isUp = false
        break
      case 'promote':
        must(primary.connection === 'none', 'promoted over a connection')
        must(primary.timers.length === 0, 'promoted over timers')
        must(!primary.isUp, 'promoted over an Established session')
        primary = world
        second = undefined
        break
    }
  }
  if (peering.second === undefined && second !== undefined) {
    must(second.connection === 'none', 'second connection forgotten while open')
    must(second.timers.length === 0, `second forgotten with ${second.timers.join()} running`)
    second = undefined
  }
  must(event.kind !== 'tcpAccepted' || isRefused || effects.length > 0, 'accepted and forgotten')
  const isStopped = event.kind === 'manualStop' || (place.isStopped && event.kind !== 'manualStart')
  return { peering, primary, second, isStopped }
}

const TIMER_OF: Readonly<Partial<Record<SessionEvent['kind'], SessionTimer>>> = {
  connectRetryTimerExpires: 'connectRetry',
  holdTimerExpires: 'hold',
  keepaliveTimerExpires: 'keepalive',
  idleHoldTimerExpires: 'idleHold',
  stableTimerExpires: 'stable',
}

/** What the event itself says of the world: the timer has fired, the connection is up. */
function foresee(world: World | undefined, event: SessionEvent): void {
  if (world === undefined) return
  world.timers = world.timers.filter((timer) => timer !== TIMER_OF[event.kind])
  if (event.kind === 'tcpConnected') world.connection = 'open'
}

/** What must be true whatever happened. */
function inspect({ peering, primary, second, isStopped }: Place): void {
  const worlds = { primary, second }
  for (const track of ['primary', 'second'] as const) {
    const session = peering[track]
    const world = worlds[track]
    must((session === undefined) === (world === undefined), 'a machine without a world')
    if (session === undefined || world === undefined) continue
    const { state, connection, running, holdTimeSeconds } = session
    must(world.connection === connection, `${state}: says ${connection}, is ${world.connection}`)
    must(
      [...world.timers].sort().join() === [...running].sort().join(),
      `${state}: says timers ${running.join()}, runs ${world.timers.join()}`,
    )
    must(world.isUp === (state === 'Established'), `${state}: up is ${world.isUp}`)
    if (state === 'Established' || state === 'OpenConfirm') {
      must(running.includes('hold') || holdTimeSeconds === 0, `${state} without hold timer`)
      must(connection === 'open', `${state} without connection`)
    }
    if (state === 'OpenSent') must(running.includes('hold'), 'OpenSent without hold timer')
    if (state === 'Connect') must(running.includes('connectRetry'), 'Connect without retry')
    if (state === 'Idle') {
      must(connection === 'none', 'Idle with a connection')
      must(
        running.every((timer) => timer === 'idleHold'),
        'Idle with a timer of a session',
      )
    }
  }
  const states = [peering.primary.state, peering.second?.state]
  const established = states.filter((state) => state === 'Established').length
  must(established <= 1, 'two Established sessions')
  must(peering.second?.state !== 'Established', 'Established, but not promoted')
  const { state, running, settings } = peering.primary
  const isDeaf = state === 'Idle' && running.length === 0
  must(!isDeaf || isStopped, 'Idle for ever without having been stopped')
  const isStuck = state === 'Active' && !settings.passive && !running.includes('connectRetry')
  must(!isStuck, 'Active for ever')
}

/** Events that the world could bring to a track. */
function possible(place: Place, track: Track): SessionEvent[] {
  const world = place[track]
  if (world === undefined) return []
  const timers = {
    connectRetry: EVERY_EVENT.connectRetryTimerExpires,
    hold: EVERY_EVENT.holdTimerExpires,
    sendHold: EVERY_EVENT.sendHoldTimerExpires,
    keepalive: EVERY_EVENT.keepaliveTimerExpires,
    idleHold: EVERY_EVENT.idleHoldTimerExpires,
    stable: EVERY_EVENT.stableTimerExpires,
  }
  const events: SessionEvent[] = world.timers.map((timer) => timers[timer])
  if (world.connection === 'opening') events.push(EVERY_EVENT.tcpConnected, EVERY_EVENT.tcpFails)
  if (world.connection === 'open') {
    const open = EVERY_EVENT.openReceived
    events.push(
      EVERY_EVENT.tcpFails,
      open,
      { ...open, gracefulRestart: true },
      { ...open, holdTimeSeconds: 0, keepaliveSeconds: 0 },
      { ...open, routerId: SETTINGS.routerId - 1 },
      EVERY_EVENT.headerError,
      EVERY_EVENT.openError,
      EVERY_EVENT.versionErrorReceived,
      EVERY_EVENT.notificationReceived,
      EVERY_EVENT.keepaliveReceived,
      EVERY_EVENT.updateReceived,
      EVERY_EVENT.updateError,
      EVERY_EVENT.routeRefreshReceived,
      EVERY_EVENT.routeRefreshError,
    )
  }
  return events
}

/** Events that concern the neighbor, not a connection. */
const OUTSIDE: readonly SessionEvent[] = [
  EVERY_EVENT.manualStart,
  EVERY_EVENT.manualStop,
  EVERY_EVENT.automaticStart,
  EVERY_EVENT.automaticStop,
  EVERY_EVENT.tcpAccepted,
]

function keyOf(place: Place): string {
  const few = (session: Peering['primary'] | undefined) =>
    session === undefined
      ? undefined
      : {
          ...session,
          errors: Math.min(2, session.errors),
          failedConnects: Math.min(2, session.failedConnects),
        }
  const { primary, second } = place.peering
  const worlds = [place.primary, place.second]
  return JSON.stringify([few(primary), few(second), worlds, place.isStopped])
}

/** Follows every possible event from every place that can be reached, until there is no new one. */
function explore(settings: SessionSettings): {
  places: number
  steps: number
  states: Set<string>
} {
  const start: Place = {
    peering: newPeering(settings),
    primary: NOWHERE,
    second: undefined,
    isStopped: true,
  }
  const seen = new Map<string, { from: string | undefined; event: string }>()
  const waiting: Place[] = [start]
  seen.set(keyOf(start), { from: undefined, event: 'start' })
  const states = new Set<string>()
  let steps = 0
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    const from = keyOf(place)
    states.add(`${place.peering.primary.state}/${place.peering.second?.state ?? '-'}`)
    const choices: [Track, SessionEvent][] = [
      ...OUTSIDE.map((event): [Track, SessionEvent] => ['primary', event]),
      ...possible(place, 'primary').map((event): [Track, SessionEvent] => ['primary', event]),
      ...possible(place, 'second').map((event): [Track, SessionEvent] => ['second', event]),
    ]
    for (const [track, event] of choices) {
      steps++
      try {
        const next = happen(place, track, event)
        inspect(next)
        const key = keyOf(next)
        if (seen.has(key)) continue
        seen.set(key, { from, event: `${track} ${event.kind}` })
        waiting.push(next)
      } catch (error) {
        if (!(error instanceof Broken)) throw error
        const way: string[] = [`${track} ${event.kind}`]
        for (let at = seen.get(from); at !== undefined; at = seen.get(at.from ?? '')) {
          way.unshift(at.event)
        }
        throw new Error(`${error.message}, after ${way.join(', ')}`, { cause: error })
      }
    }
  }
  return { places: seen.size, steps, states }
}

describe('every sequence of events', () => {
  it.each([
    ['active', SETTINGS],
    ['passive', { ...SETTINGS, passive: true }],
    ['with a connect delay', { ...SETTINGS, connectDelaySeconds: 2 }],
  ] as const)('keeps the invariants (%s)', (_, settings) => {
    const { places, steps, states } = explore(settings)
    expect(places).toBeGreaterThan(50)
    expect(steps).toBeGreaterThan(1000)
    expect([...states]).toContain('Established/-')
    expect([...states]).toContain('Established/OpenSent')
  })
})

describe('collision detection', () => {
  /** Both connections with OPEN sent, events in any order until one survives. */
  const orders: readonly (readonly (readonly [Track, 'open' | 'keepalive'])[])[] = [
    [
      ['primary', 'open'],
      ['second', 'open'],
    ],
    [
      ['second', 'open'],
      ['primary', 'open'],
    ],
    [
      ['primary', 'open'],
      ['primary', 'keepalive'],
      ['second', 'open'],
    ],
    // The primary connection ends as soon as the second is Established.
    [
      ['second', 'open'],
      ['second', 'keepalive'],
    ],
  ]

  const collide = (
    order: (typeof orders)[number],
    open: Partial<typeof EVERY_EVENT.openReceived>,
  ): Peering => {
    let { peering } = peeringStep(newPeering(SETTINGS), 'primary', EVERY_EVENT.manualStart)
    const next = (track: Track, event: SessionEvent): void => {
      ;({ peering } = peeringStep(peering, track, event))
    }
    next('primary', EVERY_EVENT.tcpAccepted)
    next('primary', EVERY_EVENT.tcpConnected)
    expect([peering.primary.state, peering.second?.state]).toEqual(['OpenSent', 'OpenSent'])
    for (const [track, what] of order) {
      if (peering[track] === undefined) continue
      const event = { ...EVERY_EVENT.openReceived, ...open }
      next(track, what === 'open' ? event : EVERY_EVENT.keepaliveReceived)
    }
    return peering
  }

  it.each([0, 1])('keeps what the higher identifier opened: ours (order %d)', (order) => {
    const { primary, second } = collide(orders[order]!, { routerId: SETTINGS.routerId - 1 })
    expect(second).toBeUndefined()
    expect(primary).toMatchObject({ state: 'OpenConfirm', direction: 'outgoing' })
  })

  it.each([0, 1])('keeps what the higher identifier opened: theirs (order %d)', (order) => {
    const { primary, second } = collide(orders[order]!, { routerId: SETTINGS.routerId + 1 })
    expect(second).toBeUndefined()
    expect(primary).toMatchObject({ state: 'OpenConfirm', direction: 'incoming' })
  })

  it('goes by the AS where the identifiers are equal (RFC 6286)', () => {
    const { routerId } = SETTINGS
    expect(collide(orders[0]!, { routerId, as: 1 }).primary.direction).toBe('outgoing')
    expect(collide(orders[0]!, { routerId, as: 65000 }).primary.direction).toBe('incoming')
  })

  it.each([2, 3])('keeps an Established session whatever the identifiers (order %d)', (order) => {
    for (const routerId of [SETTINGS.routerId - 1, SETTINGS.routerId + 1]) {
      const peering = collide(orders[order]!, { routerId })
      expect(peering.second).toBeUndefined()
      expect(peeringState(peering)).toBe('Established')
      expect(peering.primary.direction).toBe(order === 2 ? 'outgoing' : 'incoming')
    }
  })

  it('gives up an Established session with graceful restart for a new one (RFC 4724)', () => {
    const { primary, second } = collide(orders[2]!, { gracefulRestart: true })
    expect(second).toBeUndefined()
    expect(primary).toMatchObject({ state: 'OpenConfirm', direction: 'incoming' })
  })
})
