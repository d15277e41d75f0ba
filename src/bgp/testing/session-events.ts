import type { SessionEvent, SessionSettings } from '../session/fsm.ts'

export const SETTINGS: SessionSettings = {
  passive: false,
  connectDelaySeconds: 0,
  connectRetrySeconds: 5,
  errorWaitSeconds: { first: 1, most: 30 },
  localAs: 64512,
  routerId: 0x0a000001,
}

const notification = (code: number, subcode: number) => ({
  code,
  subcode,
  data: new Uint8Array(0),
})

/** One of each kind; a kind without one does not compile. */
export const EVERY_EVENT: {
  readonly [Kind in SessionEvent['kind']]: Extract<SessionEvent, { kind: Kind }>
} = {
  manualStart: { kind: 'manualStart' },
  manualStop: { kind: 'manualStop', notification: notification(6, 2) },
  automaticStart: { kind: 'automaticStart' },
  automaticStop: {
    kind: 'automaticStop',
    notification: notification(6, 4),
    cause: 'notificationSent',
  },
  connectRetryTimerExpires: { kind: 'connectRetryTimerExpires' },
  holdTimerExpires: { kind: 'holdTimerExpires' },
  sendHoldTimerExpires: { kind: 'sendHoldTimerExpires' },
  keepaliveTimerExpires: { kind: 'keepaliveTimerExpires' },
  idleHoldTimerExpires: { kind: 'idleHoldTimerExpires' },
  stableTimerExpires: { kind: 'stableTimerExpires' },
  tcpConnected: { kind: 'tcpConnected' },
  tcpAccepted: { kind: 'tcpAccepted' },
  tcpFails: { kind: 'tcpFails', reason: 'ECONNRESET' },
  openReceived: {
    kind: 'openReceived',
    holdTimeSeconds: 90,
    keepaliveSeconds: 30,
    routerId: 0x0a000002,
    as: 64512,
    gracefulRestart: false,
  },
  headerError: { kind: 'headerError', notification: notification(1, 1) },
  openError: { kind: 'openError', notification: notification(2, 2) },
  collisionDump: { kind: 'collisionDump' },
  replaced: { kind: 'replaced' },
  versionErrorReceived: { kind: 'versionErrorReceived' },
  notificationReceived: { kind: 'notificationReceived', hardReset: false, text: 'cease' },
  keepaliveReceived: { kind: 'keepaliveReceived' },
  updateReceived: { kind: 'updateReceived' },
  updateError: { kind: 'updateError', notification: notification(3, 1) },
  routeRefreshReceived: { kind: 'routeRefreshReceived' },
  routeRefreshError: { kind: 'routeRefreshError', notification: notification(7, 1) },
}
