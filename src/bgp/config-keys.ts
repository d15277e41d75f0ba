import type { DynamicNeighborConfig, NeighborConfig, SpeakerConfig } from './config.ts'

/** What all sessions depend on: equal text, equal sessions. */
export function globalKey(config: SpeakerConfig): string {
  const { localAs, routerId, clusterId, gracefulRestart, requirePolicy } = config
  const { restarting: _, ...graceful } = gracefulRestart ?? {}
  const offers = gracefulRestart === undefined ? undefined : graceful
  return JSON.stringify({ localAs, routerId, clusterId, offers, requirePolicy })
}

/** What can be changed while a session stays up. */
const CHANGEABLE = new Set(['importPolicy', 'exportPolicy', 'prefixLimit', 'description'])

/** What the session with a neighbor depends on. */
export function neighborKey(config: NeighborConfig): string {
  const fixed = Object.entries(config).filter(([name]) => !CHANGEABLE.has(name))
  return JSON.stringify(fixed.sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function isSameRange(a: DynamicNeighborConfig, b: DynamicNeighborConfig): boolean {
  const isSame = JSON.stringify(a) === JSON.stringify(b)
  return isSame && a.importPolicy === b.importPolicy && a.exportPolicy === b.exportPolicy
}
