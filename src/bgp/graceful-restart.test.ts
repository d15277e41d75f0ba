import { expect, it } from 'vitest'
import { retainsRoutes } from './graceful-restart.ts'

it.each([
  ['connectionLost', true, true],
  ['replaced', true, true],
  // RFC 8538 section 4: where both sides have set the N bit.
  ['holdTimerExpired', false, true],
  ['notificationReceived', false, true],
  ['notificationSent', false, true],
  ['hardReset', false, false],
  ['stopped', false, false],
] as const)(
  'routes are retained after %s: %s, with the N bit %s',
  (cause, without, withNotification) => {
    expect(retainsRoutes(cause, false)).toBe(without)
    expect(retainsRoutes(cause, true)).toBe(withNotification)
  },
)
