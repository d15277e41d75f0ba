import type { Prefix } from '../net/prefix.ts'
import type { Block } from './block.ts'
import { type Handle, isUnused } from './handle.ts'
import { IpamError } from './ipam-error.ts'
import type {
  Affinity,
  AffinityState,
  IpamStore,
  Revision,
  ObjectStep,
  Stored,
} from './ipam-store.ts'

/** Every write of a block raises its sequence number, so that two states of it never look alike. */
export function blockStep(cidr: Prefix, { revision }: Stored<unknown>, after?: Block): ObjectStep {
  const next = after && { ...after, sequenceNumber: after.sequenceNumber + 1n }
  return { kind: 'block', cidr, before: revision, after: next }
}

/** A handle without addresses is deleted. */
export function handleStep(id: string, { revision }: Stored<unknown>, after: Handle): ObjectStep {
  return { kind: 'handle', id, before: revision, after: isUnused(after) ? undefined : after }
}

export function affinityStep(
  { node, cidr }: { readonly node: string; readonly cidr: Prefix },
  before: Affinity | undefined,
  after: AffinityState | undefined,
): ObjectStep {
  return { kind: 'affinity', node, cidr, before: before?.revision, after }
}

/**
 * Takes steps in their order, until one finds its object changed; gives the new revision of each that was
 * taken. Where the store can change several objects at once it takes all of them at once, or none; a
 * process that dies leaves no state between then, and nobody sees one.
 *
 * A step on an object that an earlier one changed expects what that one made of it.
 */
export async function takeSteps(
  store: IpamStore,
  steps: readonly ObjectStep[],
): Promise<readonly (Revision | undefined)[]> {
  if (store.transact !== undefined && steps.length > 1) {
    return (await store.transact(together(steps))) ? steps.map(() => undefined) : []
  }
  const revisions: (Revision | undefined)[] = []
  const own = new Map<string, Revision | undefined>()
  for (const step of steps) {
    const object = objectOf(step)
    const before = own.has(object) ? own.get(object) : step.before
    const written = await store.write({ ...step, before })
    if (written === undefined) break
    revisions.push(written.revision)
    own.set(object, written.revision)
  }
  return revisions
}

/** One step for each object, from what the first expects to what the last makes of it. */
function together(steps: readonly ObjectStep[]): readonly ObjectStep[] {
  const byObject = new Map<string, ObjectStep>()
  for (const step of steps) {
    const first = byObject.get(objectOf(step))
    byObject.set(objectOf(step), first === undefined ? step : { ...step, before: first.before })
  }
  return [...byObject.values()]
}

function objectOf(step: ObjectStep): string {
  if (step.kind === 'handle') return `handle ${step.id}`
  return step.kind === 'block' ? `block ${step.cidr}` : `affinity ${step.node} ${step.cidr}`
}

/** Tries of a change before it is given up, as in Calico. */
const TRIES = 100

/** Repeats `attempt` until it gives a result; undefined from it means that somebody else was faster. */
export async function retry<Result>(attempt: () => Promise<Result | undefined>): Promise<Result> {
  for (let tries = 0; tries < TRIES; tries++) {
    const result = await attempt()
    if (result !== undefined) return result
  }
  throw new IpamError('busy', 'Max retries hit - excessive concurrent IPAM requests')
}
