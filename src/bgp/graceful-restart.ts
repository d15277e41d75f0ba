import type { DownCause } from './session/fsm.ts'

/** By cause: never, always with graceful restart (RFC 4724), or with its N bit on both sides (RFC 8538). */
const RETAINS: Readonly<Record<DownCause, 'never' | 'always' | 'notification'>> = {
  connectionLost: 'always',
  replaced: 'always',
  holdTimerExpired: 'notification',
  notificationReceived: 'notification',
  notificationSent: 'notification',
  hardReset: 'never',
  stopped: 'never',
}

/** Whether routes are retained as stale when a session with graceful restart ends for this cause. */
export function retainsRoutes(cause: DownCause, withNotification: boolean): boolean {
  const when = RETAINS[cause]
  return when === 'always' || (when === 'notification' && withNotification)
}
