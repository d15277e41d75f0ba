import type { FilterChange } from './packet-filter.ts'

/**
 * What a table is or should be, so that the two compare: an object is replaced where its `shape`
 * differs, and changed in place where its contents do.
 */
export interface TableImage {
  readonly chains: ReadonlyMap<string, ChainImage>
  readonly lookups: ReadonlyMap<string, LookupImage>
  readonly counters: ReadonlySet<string>
  /** Shapes by name. */
  readonly flowtables: ReadonlyMap<string, string>
}

export interface ChainImage {
  /** Type, hook and priority of a base chain. */
  readonly shape: string
  readonly policy: string
  readonly rules: readonly RuleImage[]
}

export interface RuleImage {
  /** Two rules with one text are the same rule. */
  readonly text: string
  /** Names of the sets, maps and flowtables without which it cannot be. */
  readonly uses: readonly string[]
}

/** A set or a map. */
export interface LookupImage {
  readonly object: 'set' | 'map'
  /** Types of key and value. */
  readonly shape: string
  /** What each element is known by, and the text of its value. */
  readonly elements: ReadonlyMap<string, string>
}

/** One step from what is to what should be. */
export type FilterStep =
  | { readonly step: 'deleteTable' | 'addTable' | ObjectStep; readonly name: string }
  /** The rule at `index` of the chain as it is. */
  | { readonly step: 'deleteRule'; readonly name: string; readonly index: number }
  | {
      readonly step: 'deleteElements' | 'addElements'
      readonly name: string
      /** What they are known by. */
      readonly keys: readonly string[]
    }
  /** The rule at `index` of the chain as it should be, before one of those that are, or at the end. */
  | {
      readonly step: 'addRule'
      readonly name: string
      readonly index: number
      readonly before: number | undefined
    }

type ObjectStep =
  | 'flushChain'
  | 'flushLookup'
  | 'deleteChain'
  | 'deleteLookup'
  | 'deleteFlowtable'
  | 'deleteCounter'
  | 'addCounter'
  | 'addFlowtable'
  | 'addLookup'
  | 'addChain'
  | 'setPolicy'

/** Kernels check references at every step: what goes is emptied, then deleted; what comes is made, then filled. */
const ORDER: Readonly<Record<FilterStep['step'], number>> = {
  deleteTable: 0,
  addTable: 1,
  flushChain: 2,
  deleteRule: 3,
  flushLookup: 4,
  deleteElements: 5,
  deleteChain: 6,
  deleteLookup: 7,
  deleteFlowtable: 8,
  deleteCounter: 9,
  addCounter: 10,
  addFlowtable: 11,
  addLookup: 12,
  addChain: 13,
  setPolicy: 14,
  addElements: 15,
  addRule: 16,
}

export interface FilterPlan {
  /** In the order in which they are made. */
  readonly steps: readonly FilterStep[]
  readonly changes: readonly FilterChange[]
}

const EMPTY: TableImage = {
  chains: new Map(),
  lookups: new Map(),
  counters: new Set(),
  flowtables: new Map(),
}

/**
 * What makes `wanted` of a table; nothing is in it that stays as it is.
 * @param live undefined where there is no such table; 'unusable' where it must be made anew
 */
export function planFilter(
  name: string,
  live: TableImage | 'unusable' | undefined,
  wanted: TableImage,
): FilterPlan {
  const plans = planObjects(typeof live === 'object' ? live : EMPTY, wanted)
  if (live === undefined) plans.unshift(tablePlan(name, 'added', ['addTable']))
  if (live === 'unusable') plans.unshift(tablePlan(name, 'replaced', ['deleteTable', 'addTable']))
  const steps = plans.flatMap((plan) => plan.steps)
  return {
    steps: steps.toSorted((a, b) => ORDER[a.step] - ORDER[b.step]),
    changes: plans.flatMap(({ change }) => change ?? []),
  }
}

/** What becomes of one object. */
interface ObjectPlan {
  readonly steps: readonly FilterStep[]
  readonly change: FilterChange | undefined
}

function tablePlan(
  name: string,
  change: FilterChange['change'],
  steps: readonly ('deleteTable' | 'addTable')[],
): ObjectPlan {
  return {
    steps: steps.map((step) => ({ step, name })),
    change: { object: 'table', name, change, added: 0, removed: 0 },
  }
}

function planObjects(live: TableImage, wanted: TableImage): ObjectPlan[] {
  const isReplaced = (name: string): boolean =>
    differ(live.lookups.get(name)?.shape, wanted.lookups.get(name)?.shape) ||
    differ(live.lookups.get(name)?.object, wanted.lookups.get(name)?.object) ||
    differ(live.flowtables.get(name), wanted.flowtables.get(name))
  const names = <Value>(a: ReadonlyMap<string, Value>, b: ReadonlyMap<string, Value>) => [
    ...new Set([...a.keys(), ...b.keys()]),
  ]
  return [
    ...names(live.chains, wanted.chains).map((name) =>
      planChain(name, live.chains.get(name), wanted.chains.get(name), isReplaced),
    ),
    ...names(live.lookups, wanted.lookups).map((name) =>
      planLookup(name, live.lookups.get(name), wanted.lookups.get(name)),
    ),
    ...names(live.flowtables, wanted.flowtables).map((name) =>
      planFlowtable(name, live.flowtables.get(name), wanted.flowtables.get(name)),
    ),
    ...[...live.counters].flatMap((name) =>
      wanted.counters.has(name) ? [] : [objectPlan('counter', name, 'deleteCounter', 'removed')],
    ),
    ...[...wanted.counters].flatMap((name) =>
      live.counters.has(name) ? [] : [objectPlan('counter', name, 'addCounter', 'added')],
    ),
  ]
}

/** Both are there, and they are not the same. */
function differ(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b
}

function objectPlan(
  object: FilterChange['object'],
  name: string,
  step: ObjectStep,
  change: FilterChange['change'],
): ObjectPlan {
  return { steps: [{ step, name }], change: { object, name, change, added: 0, removed: 0 } }
}

function planFlowtable(
  name: string,
  live: string | undefined,
  wanted: string | undefined,
): ObjectPlan {
  if (live === wanted) return { steps: [], change: undefined }
  const object = 'flowtable'
  if (wanted === undefined) return objectPlan(object, name, 'deleteFlowtable', 'removed')
  if (live === undefined) return objectPlan(object, name, 'addFlowtable', 'added')
  return {
    steps: [
      { step: 'deleteFlowtable', name },
      { step: 'addFlowtable', name },
    ],
    change: { object, name, change: 'replaced', added: 0, removed: 0 },
  }
}

function planLookup(
  name: string,
  live: LookupImage | undefined,
  wanted: LookupImage | undefined,
): ObjectPlan {
  const stays = live !== undefined && wanted?.shape === live.shape && wanted.object === live.object
  if (stays && live.elements === wanted.elements) return { steps: [], change: undefined }
  const had = live?.elements ?? NO_ELEMENTS
  const has = wanted?.elements ?? NO_ELEMENTS
  const gone = [...had].flatMap(([key, value]) => (stays && has.get(key) === value ? [] : [key]))
  const come = [...has].flatMap(([key, value]) => (stays && had.get(key) === value ? [] : [key]))
  const change = changeOf(stays, live, wanted)
  const steps: FilterStep[] = []
  if (live !== undefined && !stays) {
    steps.push({ step: 'flushLookup', name }, { step: 'deleteLookup', name })
  } else if (gone.length > 0) steps.push({ step: 'deleteElements', name, keys: gone })
  if (wanted !== undefined && !stays) steps.push({ step: 'addLookup', name })
  if (come.length > 0) steps.push({ step: 'addElements', name, keys: come })
  const { object } = (wanted ?? live)!
  const counts = { added: come.length, removed: gone.length }
  return { steps, change: steps.length === 0 ? undefined : { object, name, change, ...counts } }
}

const NO_ELEMENTS: LookupImage['elements'] = new Map()

function planChain(
  name: string,
  live: ChainImage | undefined,
  wanted: ChainImage | undefined,
  isReplaced: (name: string) => boolean,
): ObjectPlan {
  const stays = live !== undefined && wanted?.shape === live.shape
  const had = live?.rules ?? []
  const has = wanted?.rules ?? []
  const kept = stays ? keptRules(had, has, isReplaced) : NONE_KEPT
  const steps: FilterStep[] = []
  if (live !== undefined && !stays) {
    steps.push({ step: 'flushChain', name }, { step: 'deleteChain', name })
  } else {
    const stayed = new Set(kept.values())
    for (const index of had.keys()) {
      if (!stayed.has(index)) steps.push({ step: 'deleteRule', name, index })
    }
  }
  if (wanted !== undefined && !stays) steps.push({ step: 'addChain', name })
  else if (stays && live.policy !== wanted?.policy) steps.push({ step: 'setPolicy', name })
  steps.push(...ruleAdditions(name, has.length, kept))
  const counts = { added: has.length - kept.size, removed: had.length - kept.size }
  const change = {
    object: 'chain',
    name,
    change: changeOf(stays, live, wanted),
    ...counts,
  } as const
  return { steps, change: steps.length === 0 ? undefined : change }
}

const NONE_KEPT: ReadonlyMap<number, number> = new Map()

function changeOf(stays: boolean, live: unknown, wanted: unknown): FilterChange['change'] {
  if (stays) return 'changed'
  if (live === undefined) return 'added'
  return wanted === undefined ? 'removed' : 'replaced'
}

/** Every rule that is not kept, before the next that is. */
function ruleAdditions(
  name: string,
  count: number,
  kept: ReadonlyMap<number, number>,
): readonly FilterStep[] {
  const steps: FilterStep[] = []
  let before: number | undefined
  for (let index = count - 1; index >= 0; index--) {
    const stays = kept.get(index)
    if (stays === undefined) steps.push({ step: 'addRule', name, index, before })
    else before = stays
  }
  return steps.toReversed()
}

/**
 * Rules that are left where they are: by place in the wanted chain, their place in the one that is.
 * Of rules with one text the first is taken for the first, the second for the second; and of all pairs
 * the longest run that keeps its order.
 */
function keptRules(
  live: readonly RuleImage[],
  wanted: readonly RuleImage[],
  isReplaced: (name: string) => boolean,
): ReadonlyMap<number, number> {
  const places = new Map<string, number[]>()
  for (const [index, { text, uses }] of live.entries()) {
    if (uses.some(isReplaced)) continue
    const list = places.get(text)
    if (list === undefined) places.set(text, [index])
    else list.push(index)
  }
  for (const list of places.values()) list.reverse()
  const pairs = wanted.flatMap(({ text }, index) => {
    const place = places.get(text)?.pop()
    return place === undefined ? [] : [{ index, place }]
  })
  return new Map(longestRun(pairs).map(({ index, place }) => [index, place]))
}

interface Pair {
  readonly index: number
  readonly place: number
}

/** The longest subsequence whose places increase (patience sorting). */
function longestRun(pairs: readonly Pair[]): readonly Pair[] {
  interface Link {
    readonly pair: Pair
    readonly previous: Link | undefined
  }
  const tops: Link[] = []
  for (const pair of pairs) {
    let [low, high] = [0, tops.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (tops[middle]!.pair.place < pair.place) low = middle + 1
      else high = middle
    }
    tops[low] = { pair, previous: tops[low - 1] }
  }
  const run: Pair[] = []
  for (let link = tops.at(-1); link !== undefined; link = link.previous) run.push(link.pair)
  return run.toReversed()
}
