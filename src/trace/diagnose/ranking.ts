import type { Confidence } from '../causes/cause.ts'
import { type CauseId, CAUSES } from '../causes/causes.ts'
import type { WalkFault } from '../predict/fault.ts'

/** A fault and how sure it is. */
export interface Suspect {
  readonly fault: WalkFault
  readonly confidence: Confidence
}

const CONFIDENCES: readonly Confidence[] = ['certain', 'likely', 'possible']

/** Causes that are the consequence of another one on the same node. */
const FOLLOWS_FROM: { readonly [Id in CauseId]?: readonly CauseId[] } = {
  'link-down': ['no-route', 'blackhole-route', 'address-missing'],
  'tunnel-down': ['no-route', 'blackhole-route'],
  'neighbor-table-full': ['neighbor-failed', 'filtered', 'underlay-drops', 'no-answer'],
  'neighbor-failed': ['icmp-error', 'filtered', 'underlay-drops'],
  'mtu-exceeded': ['icmp-error', 'filtered', 'kernel-refuses'],
  'tunnel-drops': ['rp-filter', 'filtered'],
  'rp-filter': ['filtered'],
  'icmp-error': ['filtered', 'underlay-drops'],
  'echo-ignored': ['no-answer'],
}

/** Causes beside which nothing else is worth saying: what else is found follows from them. */
const EXPLAINS_ALL: readonly string[] = ['pod-link-missing'] satisfies CauseId[]

/**
 * The most probable first, each once, without what follows from another. This is the one place where
 * causes are weighed against each other.
 */
export function ranked(suspects: readonly Suspect[]): readonly Suspect[] {
  const all = suspects.filter(({ fault }) => EXPLAINS_ALL.includes(fault.cause))
  const rest = all.length > 0 ? all : suspects
  return rest
    .filter((suspect) => !rest.some((other) => follows(suspect, other)))
    .toSorted((a, b) => rankOf(a) - rankOf(b))
    .filter((suspect, at, sorted) => sorted.findIndex((each) => isSame(each, suspect)) === at)
}

function rankOf({ fault, confidence }: Suspect): number {
  const order = CAUSES.findIndex(({ id }) => id === fault.cause)
  return CONFIDENCES.indexOf(confidence) * CAUSES.length + order
}

function isSame({ fault: a }: Suspect, { fault: b }: Suspect): boolean {
  return a.cause === b.cause && a.place.node === b.place.node && a.place.netns === b.place.netns
}

/** Whether a suspect is but the consequence of another, or the sender's own word for it. */
function follows({ fault, confidence }: Suspect, other: Suspect): boolean {
  if (other.fault.cause === fault.cause || other.fault.place.node !== fault.place.node) return false
  const consequences: readonly string[] = FOLLOWS_FROM[other.fault.cause as CauseId] ?? []
  const isWeaker = CONFIDENCES.indexOf(other.confidence) <= CONFIDENCES.indexOf(confidence)
  // A router that says what its tables say is evidence for that, not a cause beside it.
  const isEcho = fault.cause === 'icmp-error' && other.confidence === 'certain'
  return isEcho || (isWeaker && consequences.includes(fault.cause))
}
