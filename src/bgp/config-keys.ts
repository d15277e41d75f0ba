import { comparableText } from '../lib/secret.ts'
import type { DynamicNeighborConfig, NeighborConfig, SpeakerConfig } from './config.ts'

/** What all sessions depend on: equal text, equal sessions. */
export function globalKey(config: SpeakerConfig): string {
  const { localAs, routerId, clusterId, gracefulRestart, requirePolicy } = config
  const { restarting: _, ...graceful } = gracefulRestart ?? {}
  const offers = gracefulRestart === undefined ? undefined : graceful
  return JSON.stringify({ localAs, routerId, clusterId, offers, requirePolicy })
}

/** What can be changed while a session stays up. */
const CHANGEABLE = new Set([
  'importPolicy',
  'importRanges',
  'exportPolicy',
  'prefixLimit',
  'description',
])

/** Whether the same is used of what a neighbor says. */
export function isSameImport(a: NeighborConfig, b: NeighborConfig): boolean {
  return a.importPolicy === b.importPolicy && a.importRanges?.join() === b.importRanges?.join()
}

export function isSameLimit(a: NeighborConfig, b: NeighborConfig): boolean {
  return comparableText(a.prefixLimit) === comparableText(b.prefixLimit)
}

/** Whether a session can stay up when its neighbor's configuration changes from one to the other. */
export function isSameSession(a: NeighborConfig, b: NeighborConfig): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof NeighborConfig>
  for (const name of names) {
    if (CHANGEABLE.has(name) || a[name] === b[name]) continue
    if (comparableText(a[name]) !== comparableText(b[name])) return false
  }
  return true
}

export function isSameRange(a: DynamicNeighborConfig, b: DynamicNeighborConfig): boolean {
  const isSame = comparableText(a) === comparableText(b)
  return isSame && a.importPolicy === b.importPolicy && a.exportPolicy === b.exportPolicy
}
