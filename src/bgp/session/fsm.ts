import { CEASE_SUBCODE, ERROR_CODE } from '../../wire/bgp/iana.ts'
import type { SessionState } from '../status.ts'

/**
 * The finite state machine of one BGP connection, RFC 4271 section 8, as a pure table.
 *
 * An event goes in, effects come out as data; neighbor.ts carries them out with sockets and timers.
 * A second connection with the same neighbor is a second machine; collision.ts decides between them.
 */

export type SessionTimer =
  | 'connectRetry'
  | 'hold'
  | 'sendHold'
  | 'keepalive'
  | 'idleHold'
  | 'stable'

export interface NotificationData {
  readonly code: number
  readonly subcode: number
  readonly data: Uint8Array
}

export type Direction = 'outgoing' | 'incoming'

/** What of the configuration the machine looks at. */
export interface SessionSettings {
  readonly passive: boolean
  readonly connectDelaySeconds: number
  readonly connectRetrySeconds: number
  readonly errorWaitSeconds: { readonly first: number; readonly most: number }
  readonly localAs: number
  /** BGP Identifier as a number, for RFC 4271 section 6.8. */
  readonly routerId: number
}

export interface Session {
  readonly state: SessionState
  readonly settings: SessionSettings
  /** 'opening' is a connect that has not been answered. */
  readonly connection: 'none' | 'opening' | 'open'
  readonly direction: Direction
  readonly running: readonly SessionTimer[]
  /** Negotiated; 0 means that neither hold nor keepalive timer runs (RFC 4271 section 4.2). */
  readonly holdTimeSeconds: number
  readonly keepaliveSeconds: number
  /** The neighbor offered graceful restart on this connection (RFC 4724). */
  readonly gracefulRestart: boolean
  /** Errors in a row; the wait in Idle doubles with each (DampPeerOscillations). */
  readonly errors: number
  /** Connects in a row that came to nothing; the wait for the next doubles with each. */
  readonly failedConnects: number
}

/** The events of RFC 4271 section 8.1 with its numbers, without DelayOpen and TrackTcpState. */
export type SessionEvent =
  | { readonly kind: 'manualStart' } // 1
  | { readonly kind: 'manualStop'; readonly notification: NotificationData } // 2
  | { readonly kind: 'automaticStart' } // 3
  /** 8; `waitSeconds` overrides the error wait, Infinity waits for a manual start. */
  | {
      readonly kind: 'automaticStop'
      readonly notification: NotificationData
      readonly cause: DownCause
      readonly waitSeconds?: number
    }
  | { readonly kind: 'connectRetryTimerExpires' } // 9
  | { readonly kind: 'holdTimerExpires' } // 10
  | { readonly kind: 'keepaliveTimerExpires' } // 11
  | { readonly kind: 'idleHoldTimerExpires' } // 13
  | { readonly kind: 'stableTimerExpires' } // ours: Established for long enough to forget errors
  | { readonly kind: 'tcpConnected' } // 16, Tcp_CR_Acked
  | { readonly kind: 'tcpAccepted' } // 17, TcpConnectionConfirmed
  | { readonly kind: 'tcpFails'; readonly reason: string } // 18
  | OpenReceived // 19
  | { readonly kind: 'headerError'; readonly notification: NotificationData } // 21
  | { readonly kind: 'openError'; readonly notification: NotificationData } // 22
  | { readonly kind: 'collisionDump' } // 23
  /** RFC 4724 section 5: the neighbor restarted and is back on another connection. */
  | { readonly kind: 'replaced' }
  | { readonly kind: 'versionErrorReceived' } // 24
  | {
      readonly kind: 'notificationReceived' // 25
      readonly hardReset: boolean
      readonly text: string
    }
  | { readonly kind: 'keepaliveReceived' } // 26
  | { readonly kind: 'updateReceived' } // 27
  | { readonly kind: 'updateError'; readonly notification: NotificationData } // 28
  | { readonly kind: 'sendHoldTimerExpires' } // 29, RFC 9687
  | { readonly kind: 'routeRefreshReceived' } // RFC 2918
  | { readonly kind: 'routeRefreshError'; readonly notification: NotificationData } // RFC 7313

/** A valid OPEN, with what follows from both sides' for the machine. */
export interface OpenReceived {
  readonly kind: 'openReceived'
  readonly holdTimeSeconds: number
  readonly keepaliveSeconds: number
  readonly routerId: number
  readonly as: number
  readonly gracefulRestart: boolean
}

/** Why an Established session ended; decides whether its routes are retained (graceful-restart.ts). */
export type DownCause =
  | 'connectionLost'
  | 'replaced'
  | 'holdTimerExpired'
  | 'notificationReceived'
  | 'hardReset'
  | 'notificationSent'
  | 'stopped'

export type SessionEffect =
  | { readonly do: 'connect' }
  /** Close the connection, after what was sent; a connect under way is given up. */
  | { readonly do: 'close' }
  | { readonly do: 'sendOpen' }
  | { readonly do: 'sendKeepalive' }
  | { readonly do: 'sendNotification'; readonly notification: NotificationData }
  | { readonly do: 'setTimer'; readonly timer: SessionTimer; readonly seconds: number }
  | { readonly do: 'stopTimer'; readonly timer: SessionTimer }
  | { readonly do: 'establish' }
  | { readonly do: 'release'; readonly cause: DownCause }

export interface SessionStep {
  readonly session: Session
  readonly effects: readonly SessionEffect[]
  readonly reason: string
}

type Row = {
  readonly [Kind in SessionEvent['kind']]?: (
    session: Session,
    event: Extract<SessionEvent, { kind: Kind }>,
  ) => SessionStep
}

/** RFC 4271 section 8.2.2, OpenSent: "a large value", 4 minutes suggested. */
const OPEN_HOLD_SECONDS = 240
/** RFC 9687 section 3.1: how long a neighbor may read nothing, for a negotiated hold time. */
export function sendHoldSeconds(holdTimeSeconds: number): number {
  return Math.max(480, 2 * holdTimeSeconds)
}

/** A session Established for so long has its earlier errors forgotten. */
const STABLE_SECONDS = 300
const NO_DATA = new Uint8Array(0)

export function newSession(settings: SessionSettings): Session {
  return {
    state: 'Idle',
    settings,
    connection: 'none',
    direction: 'outgoing',
    running: [],
    holdTimeSeconds: 0,
    keepaliveSeconds: 0,
    gracefulRestart: false,
    errors: 0,
    failedConnects: 0,
  }
}

/** The machine: what the session becomes, what is to be done, and why. */
export function step(session: Session, event: SessionEvent): SessionStep {
  const handler = TRANSITIONS[session.state][event.kind] as
    | ((session: Session, event: SessionEvent) => SessionStep)
    | undefined
  return handler === undefined ? unexpected(session, event) : handler(session, event)
}

const always = {
  // "The start events (Events 1, 3-7) are ignored" in every state but Idle.
  manualStart: (s) => stay(s, 'started already'),
  automaticStart: (s) => stay(s, 'started already'),
  manualStop: (s, { notification }) =>
    toIdle(s, 'stopped by the operator', { cause: 'stopped', wait: Infinity, notification }),
  automaticStop: (s, { notification, cause, waitSeconds }) =>
    toIdle(s, 'stopped', { cause, wait: waitSeconds ?? 'error', notification }),
} satisfies Row

/** What ends a connection in every state that has one. */
const failures = {
  ...always,
  holdTimerExpires: (s) =>
    toIdle(s, 'hold timer expired', {
      cause: 'holdTimerExpired',
      wait: 'error',
      notification: { code: ERROR_CODE.holdTimerExpired, subcode: 0, data: NO_DATA },
    }),
  headerError: (s, { notification }) => refuse(s, 'bad message header', notification),
  openError: (s, { notification }) => refuse(s, 'unacceptable OPEN', notification),
  notificationReceived: (s, { text, hardReset }) =>
    toIdle(s, `neighbor sent NOTIFICATION ${text}`, {
      cause: hardReset ? 'hardReset' : 'notificationReceived',
      wait: 'error',
    }),
  versionErrorReceived: (s) =>
    toIdle(s, 'neighbor refused BGP version 4', { cause: 'notificationReceived', wait: 'error' }),
  collisionDump: (s) =>
    toIdle(s, 'connection collision', {
      cause: 'stopped',
      wait: 0,
      notification: {
        code: ERROR_CODE.cease,
        subcode: CEASE_SUBCODE.connectionCollisionResolution,
        data: NO_DATA,
      },
    }),
  replaced: (s) =>
    toIdle(s, 'neighbor restarted and connected again', { cause: 'replaced', wait: 0 }),
} satisfies Row

/** The whole of RFC 4271 section 8.2.2. An absent row is "any other event" of that state. */
export const TRANSITIONS: Readonly<Record<SessionState, Row>> = {
  Idle: {
    manualStart: (s) => start({ ...s, errors: 0 }, 'started'),
    automaticStart: (s) => start(s, 'started'),
    idleHoldTimerExpires: (s) => start(s, 'wait in Idle is over'),
    manualStop: (s) => stay(stopped(s, 'idleHold'), 'stopped', stopTimer('idleHold')),
    // Section 8.2.2, Idle: connections are refused.
    tcpAccepted: (s) => stay(s, 'refused in Idle', { do: 'close' }),
  },
  Connect: {
    ...always,
    connectRetryTimerExpires: (s) => connect(s, 'connect timed out', [{ do: 'close' }]),
    tcpConnected: (s) => sendOpen(s, 'outgoing', 'connected'),
    tcpFails: (s, { reason }) => retry(s, reason),
  },
  Active: {
    ...always,
    connectRetryTimerExpires: (s) => connect(s, 'connect again', []),
    tcpAccepted: (s) => sendOpen(s, 'incoming', 'neighbor connected'),
    tcpFails: (s, { reason }) => retry(s, reason),
  },
  OpenSent: {
    ...failures,
    openReceived: openConfirm,
    tcpFails: (s, { reason }) => retry(s, reason),
  },
  OpenConfirm: {
    ...failures,
    keepaliveReceived: establish,
    keepaliveTimerExpires: sendKeepalive,
    tcpFails: lost,
  },
  Established: {
    ...failures,
    keepaliveReceived: (s) => heard(s, 'KEEPALIVE received'),
    updateReceived: (s) => heard(s, 'UPDATE received'),
    routeRefreshReceived: (s) => heard(s, 'ROUTE-REFRESH received'),
    routeRefreshError: (s, { notification }) => refuse(s, 'bad ROUTE-REFRESH', notification),
    updateError: (s, { notification }) => refuse(s, 'bad UPDATE', notification),
    keepaliveTimerExpires: sendKeepalive,
    sendHoldTimerExpires: (s) =>
      refuse(s, 'send hold timer expired: the neighbor takes nothing', {
        code: ERROR_CODE.sendHoldTimerExpired,
        subcode: 0,
        data: NO_DATA,
      }),
    stableTimerExpires: (s) => stay({ ...stopped(s, 'stable'), errors: 0 }, 'stable'),
    tcpFails: lost,
  },
}

/** "Any other event": nothing in Idle, quietly to Idle without a connection, else an FSM error (RFC 6608). */
function unexpected(session: Session, event: SessionEvent): SessionStep {
  const reason = `unexpected ${event.kind} in ${session.state}`
  if (session.state === 'Idle') return stay(session, `${event.kind} ignored in Idle`)
  const subcode = { Connect: 0, Active: 0, OpenSent: 1, OpenConfirm: 2, Established: 3 }[
    session.state
  ]
  if (subcode === 0) return toIdle(session, reason, { cause: 'stopped', wait: 'error' })
  const notification = { code: ERROR_CODE.finiteStateMachine, subcode, data: NO_DATA }
  return toIdle(session, reason, { cause: 'notificationSent', wait: 'error', notification })
}

function start(session: Session, reason: string): SessionStep {
  const idle = stopped(session, 'idleHold')
  const { passive, connectDelaySeconds } = session.settings
  const clear = stopTimer('idleHold')
  if (passive) {
    return { session: { ...idle, state: 'Active' }, effects: [clear], reason: 'waits, passive' }
  }
  if (connectDelaySeconds === 0) return connect(idle, reason, [clear])
  return {
    session: { ...running(idle, 'connectRetry'), state: 'Active' },
    effects: [clear, setTimer('connectRetry', connectDelaySeconds)],
    reason,
  }
}

function connect(session: Session, reason: string, before: readonly SessionEffect[]): SessionStep {
  const { connectRetrySeconds } = session.settings
  return {
    session: {
      ...running(session, 'connectRetry'),
      state: 'Connect',
      connection: 'opening',
      direction: 'outgoing',
    },
    effects: [...before, setTimer('connectRetry', connectRetrySeconds), { do: 'connect' }],
    reason,
  }
}

/**
 * To Active, to try again later and accept meanwhile. RFC 4271 has Connect go to Idle here unless
 * DelayOpen is used; a neighbor that is just starting would then be refused when it connects.
 */
function retry(session: Session, reason: string): SessionStep {
  const { passive, connectRetrySeconds } = session.settings
  const quiet = { ...session, state: 'Active', connection: 'none', running: [] } as const
  const effects = [
    ...session.running.map(stopTimer),
    ...(session.connection === 'none' ? [] : [{ do: 'close' } as const]),
  ]
  if (passive) return { session: quiet, effects, reason }
  return {
    session: running({ ...quiet, failedConnects: session.failedConnects + 1 }, 'connectRetry'),
    effects: [
      ...effects,
      setTimer('connectRetry', retryWait(session.failedConnects, connectRetrySeconds)),
    ],
    reason,
  }
}

/** After the first failed connect, in seconds: neighbors that start together need not wait for each other. */
const FIRST_RETRY_SECONDS = 0.1

function retryWait(failedConnects: number, most: number): number {
  return Math.min(most, FIRST_RETRY_SECONDS * 2 ** Math.min(failedConnects, 16))
}

function sendOpen(session: Session, direction: Direction, reason: string): SessionStep {
  return {
    session: {
      ...session,
      state: 'OpenSent',
      connection: 'open',
      direction,
      failedConnects: 0,
      running: ['hold'],
    },
    effects: [stopTimer('connectRetry'), { do: 'sendOpen' }, setTimer('hold', OPEN_HOLD_SECONDS)],
    reason,
  }
}

function openConfirm(session: Session, event: OpenReceived): SessionStep {
  const { holdTimeSeconds, keepaliveSeconds, gracefulRestart } = event
  const agreed = { ...session, holdTimeSeconds, keepaliveSeconds, gracefulRestart }
  const runs = holdTimeSeconds > 0
  return {
    session: {
      ...agreed,
      state: 'OpenConfirm',
      running: runs ? ['hold', 'keepalive'] : [],
    },
    effects: [
      { do: 'sendKeepalive' },
      ...(runs
        ? [setTimer('hold', holdTimeSeconds), setTimer('keepalive', keepaliveSeconds)]
        : [stopTimer('hold')]),
    ],
    reason: 'OPEN received',
  }
}

function establish(session: Session): SessionStep {
  const { holdTimeSeconds } = session
  const stable = running({ ...session, state: 'Established' }, 'stable')
  const watched = holdTimeSeconds > 0
  return {
    session: watched ? running(stable, 'sendHold') : stable,
    effects: [
      ...holdAgain(session),
      ...(watched ? [setTimer('sendHold', sendHoldSeconds(holdTimeSeconds))] : []),
      setTimer('stable', STABLE_SECONDS),
      { do: 'establish' },
    ],
    reason: 'KEEPALIVE received',
  }
}

function sendKeepalive(session: Session): SessionStep {
  return stay(
    session,
    'keepalive timer expired',
    { do: 'sendKeepalive' },
    setTimer('keepalive', session.keepaliveSeconds),
  )
}

function heard(session: Session, reason: string): SessionStep {
  return stay(session, reason, ...holdAgain(session))
}

function lost(session: Session, { reason }: { reason: string }): SessionStep {
  return toIdle(session, `connection lost: ${reason}`, { cause: 'connectionLost', wait: 0 })
}

function refuse(session: Session, reason: string, notification: NotificationData): SessionStep {
  return toIdle(session, reason, { cause: 'notificationSent', wait: 'error', notification })
}

interface Ending {
  readonly cause: DownCause
  /** Seconds in Idle; 'error' doubles with each error, Infinity stays. */
  readonly wait: number | 'error'
  readonly notification?: NotificationData
}

/** Entering Idle is defined here once, whatever the road. */
function toIdle(session: Session, reason: string, ending: Ending): SessionStep {
  const { first, most } = session.settings.errorWaitSeconds
  const isError = ending.wait === 'error'
  const wait =
    ending.wait === 'error'
      ? Math.min(most, first * 2 ** Math.min(session.errors, 16))
      : ending.wait
  const effects: SessionEffect[] = session.running.map(stopTimer)
  if (session.connection === 'open' && ending.notification !== undefined) {
    effects.push({ do: 'sendNotification', notification: ending.notification })
  }
  if (session.connection !== 'none') effects.push({ do: 'close' })
  if (session.state === 'Established') effects.push({ do: 'release', cause: ending.cause })
  if (wait !== Infinity) effects.push(setTimer('idleHold', wait))
  return {
    session: {
      ...newSession(session.settings),
      running: wait === Infinity ? [] : ['idleHold'],
      errors: session.errors + (isError ? 1 : 0),
    },
    effects,
    reason,
  }
}

function stay(session: Session, reason: string, ...effects: SessionEffect[]): SessionStep {
  return { session, effects, reason }
}

function holdAgain(session: Session): SessionEffect[] {
  return session.holdTimeSeconds > 0 ? [setTimer('hold', session.holdTimeSeconds)] : []
}

function setTimer(timer: SessionTimer, seconds: number): SessionEffect {
  return { do: 'setTimer', timer, seconds }
}

function stopTimer(timer: SessionTimer): SessionEffect {
  return { do: 'stopTimer', timer }
}

function running(session: Session, timer: SessionTimer): Session {
  return session.running.includes(timer)
    ? session
    : { ...session, running: [...session.running, timer] }
}

function stopped(session: Session, timer: SessionTimer): Session {
  return { ...session, running: session.running.filter((other) => other !== timer) }
}
