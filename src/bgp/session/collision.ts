import {
  newSession,
  type OpenReceived,
  type Session,
  type SessionEffect,
  type SessionEvent,
  type SessionSettings,
  step,
} from './fsm.ts'
import type { SessionState } from '../status.ts'

/**
 * One neighbor's connections: the primary machine and, while two connections exist, a second one.
 * Decides which survives: RFC 4271 section 6.8, RFC 6286 section 2.3, RFC 4724 section 5. Pure.
 */

export type Track = 'primary' | 'second'

export interface Peering {
  readonly primary: Session
  readonly second: Session | undefined
}

export type PeeringEffect =
  | { readonly track: Track; readonly effect: SessionEffect }
  /** The second connection takes the place of the primary, whose connection is closed by now. */
  | { readonly track: 'second'; readonly effect: { readonly do: 'promote' } }
  /** An accepted connection starts on this track: 'primary', 'second', or none when refused. */
  | { readonly track: Track; readonly effect: { readonly do: 'adopt' } }
  | { readonly track: 'primary'; readonly effect: { readonly do: 'refuse' } }

export interface PeeringStep {
  readonly peering: Peering
  readonly effects: readonly PeeringEffect[]
  readonly reason: string
}

export function newPeering(settings: SessionSettings): Peering {
  return { primary: newSession(settings), second: undefined }
}

const RANK: Readonly<Record<SessionState, number>> = {
  Idle: 0,
  Active: 1,
  Connect: 2,
  OpenSent: 3,
  OpenConfirm: 4,
  Established: 5,
}

/** The state to show for the neighbor: that of the machine that is further. */
export function peeringState({ primary, second }: Peering): SessionState {
  if (second === undefined || RANK[primary.state] >= RANK[second.state]) return primary.state
  return second.state
}

/** The neighbor's event `event`, on the connection of `track`. */
export function peeringStep(peering: Peering, track: Track, event: SessionEvent): PeeringStep {
  if (event.kind === 'tcpAccepted') return accept(peering)
  if (event.kind === 'openReceived') return opened(peering, track, event)
  if (event.kind === 'manualStop' || event.kind === 'automaticStop') return stopBoth(peering, event)
  return settle(on(peering, track, event))
}

/** A connection from the neighbor: the primary takes it if it waits for one, else it is tracked beside. */
function accept(peering: Peering): PeeringStep {
  const { primary, second } = peering
  if (primary.state === 'Idle') {
    return {
      peering,
      effects: [{ track: 'primary', effect: { do: 'refuse' } }],
      reason: 'connection refused in Idle',
    }
  }
  if (primary.state === 'Active') {
    const adopted = on(peering, 'primary', { kind: 'tcpAccepted' })
    return { ...adopted, effects: [adopt('primary'), ...adopted.effects] }
  }
  // Two at most: a neighbor that connects once more has given up what it opened before.
  const cleared = second === undefined ? [] : drop('second', second)
  const waiting: Session = {
    ...newSession({ ...primary.settings, passive: true }),
    state: 'Active',
  }
  const begun = on({ primary, second: waiting }, 'second', { kind: 'tcpAccepted' })
  return { ...begun, effects: [...cleared, adopt('second'), ...begun.effects] }
}

/** A valid OPEN: the moment of collision detection. */
function opened(peering: Peering, track: Track, event: OpenReceived): PeeringStep {
  const other: Track = track === 'primary' ? 'second' : 'primary'
  const rival = peering[other]
  const mine = peering[track]
  const rivals = rival?.state === 'OpenConfirm' || rival?.state === 'Established'
  if (rival === undefined || mine?.state !== 'OpenSent' || !rivals) {
    return settle(on(peering, track, event))
  }
  const survives =
    rival.state === 'Established' ? rival.gracefulRestart : newWins(mine, rival, event)
  if (!survives) return settle(on(peering, track, { kind: 'collisionDump' }))
  const ended = on(peering, other, {
    kind: rival.state === 'Established' ? 'replaced' : 'collisionDump',
  })
  const confirmed = on(ended.peering, track, event)
  return settle({ ...confirmed, effects: [...ended.effects, ...confirmed.effects] })
}

/** RFC 4271 section 6.8: what the speaker with the higher identifier (RFC 6286: then AS) opened stays. */
function newWins(fresh: Session, rival: Session, open: OpenReceived): boolean {
  if (fresh.direction === rival.direction) return true
  const { routerId, localAs } = fresh.settings
  const weAreHigher = routerId === open.routerId ? localAs > open.as : routerId > open.routerId
  return weAreHigher === (fresh.direction === 'outgoing')
}

function stopBoth(
  peering: Peering,
  event: Extract<SessionEvent, { kind: 'manualStop' | 'automaticStop' }>,
): PeeringStep {
  const both = peering.second === undefined ? undefined : on(peering, 'second', event)
  const first = on({ primary: peering.primary, second: undefined }, 'primary', event)
  return { ...first, effects: [...withoutIdle(both?.effects ?? []), ...first.effects] }
}

function on(peering: Peering, track: Track, event: SessionEvent): PeeringStep {
  const session = peering[track]
  if (session === undefined) return { peering, effects: [], reason: 'no such connection' }
  const next = step(session, event)
  return {
    peering: { ...peering, [track]: next.session },
    effects: next.effects.map((effect) => ({ track, effect })),
    reason: next.reason,
  }
}

/** Brings the pair to rest: a second that has ended goes, one that is ahead of a dead primary is promoted. */
function settle(result: PeeringStep): PeeringStep {
  const { peering, effects, reason } = result
  const { primary, second } = peering
  if (second === undefined) return result
  if (RANK[second.state] < RANK.OpenSent) {
    const ended = drop('second', second)
    return {
      peering: { primary, second: undefined },
      effects: [...withoutIdle(effects), ...ended],
      reason,
    }
  }
  const primaryIsOver = primary.state === 'Idle' || primary.state === 'Active'
  if (!primaryIsOver && second.state !== 'Established') return result
  const ended = RANK[primary.state] >= RANK.OpenSent ? dump(primary) : drop('primary', primary)
  const settings = primary.settings
  return {
    peering: { primary: { ...second, settings, errors: primary.errors }, second: undefined },
    effects: [
      ...effects.filter(({ effect }) => !isIdleTimer(effect)),
      ...ended,
      { track: 'second', effect: { do: 'promote' } },
    ],
    reason,
  }
}

function dump(session: Session): PeeringEffect[] {
  const { effects } = step(session, { kind: 'collisionDump' })
  return effects
    .map((effect): PeeringEffect => ({ track: 'primary', effect }))
    .filter(({ effect }) => !isIdleTimer(effect))
}

/** Ends a machine's timers and connection without a word. */
function drop(track: Track, session: Session): PeeringEffect[] {
  const effects: SessionEffect[] = session.running.map((timer) => ({ do: 'stopTimer', timer }))
  if (session.connection !== 'none') effects.push({ do: 'close' })
  return effects.map((effect) => ({ track, effect }))
}

function adopt(track: Track): PeeringEffect {
  return { track, effect: { do: 'adopt' } }
}

function isIdleTimer(effect: PeeringEffect['effect']): boolean {
  return effect.do === 'setTimer' && effect.timer === 'idleHold'
}

/** A second connection never waits in Idle. */
function withoutIdle(effects: readonly PeeringEffect[]): PeeringEffect[] {
  return effects.filter(({ track, effect }) => track === 'primary' || !isIdleTimer(effect))
}
