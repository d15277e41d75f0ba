import { SeededRandom } from '../../src/lib/random.ts'

/** One thing that happens to a cluster. Nodes are numbers; times are milliseconds of virtual time. */
export type Fault =
  | { readonly do: 'run'; readonly node: number; readonly pod: string }
  | { readonly do: 'remove'; readonly pod: string }
  | { readonly do: 'repeat'; readonly pod: string; readonly command: 'ADD' | 'DEL' }
  /** The agent ends at the `step`-th call to kernel or store from now, and starts again after `down`. */
  | { readonly do: 'kill'; readonly node: number; readonly step: number; readonly down: number }
  | {
      readonly do: 'partition'
      readonly node: number
      readonly ways: 'out' | 'in' | 'both'
      readonly for: number
    }
  | {
      readonly do: 'weather'
      readonly node: number
      readonly loss: number
      readonly latency: number
      readonly jitter: number
      readonly for: number
    }
  /** Agent dead and cable cut, for a while. */
  | { readonly do: 'lose'; readonly node: number; readonly for: number }
  /**
   * A machine dies with its pods; after `cleared` its Node is deleted and its addresses are collected, and
   * after `back` an empty machine takes its name and address, if at all.
   */
  | {
      readonly do: 'die'
      readonly node: number
      readonly cleared: number
      readonly back: number | undefined
    }
  /** A block that is empty is claimed for one node, and `after` that changes hands. */
  | {
      readonly do: 'move'
      readonly block: number
      readonly from: number
      readonly to: number
      readonly after: number
    }
  /** Somebody removes a route of the agent's by hand. */
  | { readonly do: 'meddle'; readonly node: number; readonly which: number }
  | { readonly do: 'outage'; readonly nodes: readonly number[]; readonly for: number }
  /** The store answers late, and the answers to some calls, which were carried out, are lost. */
  | {
      readonly do: 'slow'
      readonly node: number
      readonly delay: number
      readonly lost: number
      readonly for: number
    }
  /**
   * Somebody writes nonsense over a row of the datastore, and mends it after a while: which row, field and
   * mistake, by number.
   */
  | {
      readonly do: 'spoil'
      readonly row: number
      readonly field: number
      readonly mistake: number
      readonly for: number
    }
  /** A configured neighbor that says whatever comes into its head, connection after connection. */
  | { readonly do: 'rave'; readonly node: number; readonly seed: number; readonly for: number }
  | { readonly do: 'compact' }
  | { readonly do: 'jump'; readonly by: number }

export interface Event {
  readonly at: number
  readonly fault: Fault
}

/** A cluster and what happens to it: all that a run depends on. */
export interface Schedule {
  readonly seed: number
  readonly nodes: number
  readonly twoNetworks: boolean
  readonly events: readonly Event[]
}

/** Time in which faults happen. */
const TROUBLE_MILLISECONDS = 60_000

/** Blocks of the pool that change hands, by number: the last of its 32. */
const FREE_BLOCKS = { first: 24, count: 8 } as const

/** A random schedule of a small cluster: pods that come and go, and two to eight faults. */
export function generateSchedule(seed: number): Schedule {
  const random = new SeededRandom(seed)
  const nodes = 3 + random.below(5)
  const events: Event[] = []
  const when = (): number => random.below(TROUBLE_MILLISECONDS)
  const podCount = nodes + random.below(nodes)
  const pods: string[] = []
  let [node, start] = [0, 0]
  for (let at = 0; at < podCount; at++) {
    const pod = `p${at}`
    pods.push(pod)
    // Some come as a crowd: at one instant, to one node.
    if (at === 0 || random.fraction() < 0.7) {
      node = random.fraction() < 0.7 ? at % nodes : random.below(nodes)
      start = random.fraction() < 0.6 ? random.below(5000) : when()
    }
    events.push({ at: start, fault: { do: 'run', node, pod } })
    if (random.fraction() < 0.3) {
      events.push({ at: start + 1000 + random.below(30_000), fault: { do: 'remove', pod } })
    }
  }
  const faults = 2 + random.below(7)
  for (let at = 0; at < faults; at++) {
    events.push({ at: when(), fault: randomFault(random, nodes, pods) })
  }
  return {
    seed,
    nodes,
    twoNetworks: random.fraction() < 0.5,
    events: events.sort((a, b) => a.at - b.at),
  }
}

/** Kinds of faults, each as often as it is listed here. */
const KINDS = [
  'kill',
  'kill',
  'kill',
  'kill at once',
  'partition',
  'weather',
  'lose',
  'die',
  'move',
  'meddle',
  'outage',
  'slow',
  'spoil',
  'spoil',
  'rave',
  'compact',
  'jump',
  'repeat',
] as const

function randomFault(random: SeededRandom, nodes: number, pods: readonly string[]): Fault {
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!
  const node = random.below(nodes)
  const duration = 1000 + random.below(30_000)
  switch (pick(KINDS)) {
    case 'kill':
      return { do: 'kill', node, step: 1 + random.below(120), down: random.below(20_000) }
    case 'kill at once':
      return { do: 'kill', node, step: 1, down: random.below(3000) }
    case 'partition':
      return { do: 'partition', node, ways: pick(['out', 'in', 'both'] as const), for: duration }
    case 'weather': {
      const [loss, latency, jitter] = [random.fraction() * 0.3, random.below(50), random.below(100)]
      return { do: 'weather', node, loss, latency, jitter, for: duration }
    }
    case 'lose':
      return { do: 'lose', node, for: duration }
    case 'die': {
      const back = random.fraction() < 0.5 ? 1000 + random.below(60_000) : undefined
      return { do: 'die', node, cleared: random.below(30_000), back }
    }
    case 'move': {
      const block = FREE_BLOCKS.first + random.below(FREE_BLOCKS.count)
      return { do: 'move', block, from: node, to: random.below(nodes), after: duration }
    }
    case 'meddle':
      return { do: 'meddle', node, which: random.below(100) }
    case 'outage': {
      const all = Array.from({ length: nodes }, (_, index) => index)
      return { do: 'outage', nodes: random.fraction() < 0.5 ? all : [node], for: duration }
    }
    case 'slow': {
      const lost = random.fraction() < 0.5 ? 0 : random.fraction() * 0.5
      return { do: 'slow', node, delay: 10 + random.below(2000), lost, for: duration }
    }
    case 'spoil': {
      const [row, field, mistake] = [random.below(1000), random.below(1000), random.below(1000)]
      return { do: 'spoil', row, field, mistake, for: duration }
    }
    case 'rave':
      return { do: 'rave', node, seed: random.below(2 ** 31), for: duration }
    case 'compact':
      return { do: 'compact' }
    case 'jump':
      return { do: 'jump', by: (random.fraction() < 0.5 ? -1 : 1) * random.below(86_400_000) }
    case 'repeat':
      return { do: 'repeat', pod: pick(pods), command: pick(['ADD', 'DEL'] as const) }
  }
}
