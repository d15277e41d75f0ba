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
  | { readonly do: 'outage'; readonly nodes: readonly number[]; readonly for: number }
  | { readonly do: 'slow'; readonly node: number; readonly delay: number; readonly for: number }
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

/** A random schedule of a small cluster: pods that come and go, and two to eight faults. */
export function generateSchedule(seed: number): Schedule {
  const random = new SeededRandom(seed)
  const nodes = 3 + random.below(5)
  const events: Event[] = []
  const when = (): number => random.below(TROUBLE_MILLISECONDS)
  const podCount = nodes + random.below(nodes)
  const pods: string[] = []
  for (let at = 0; at < podCount; at++) {
    const pod = `p${at}`
    pods.push(pod)
    const start = random.fraction() < 0.6 ? random.below(5000) : when()
    events.push({ at: start, fault: { do: 'run', node: at % nodes, pod } })
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

function randomFault(random: SeededRandom, nodes: number, pods: readonly string[]): Fault {
  const node = random.below(nodes)
  const duration = 1000 + random.below(30_000)
  const pod = pods[random.below(pods.length)]!
  switch (random.below(12)) {
    case 0:
    case 1:
    case 2:
      return { do: 'kill', node, step: 1 + random.below(120), down: random.below(20_000) }
    case 3:
      return {
        do: 'partition',
        node,
        ways: (['out', 'in', 'both'] as const)[random.below(3)]!,
        for: duration,
      }
    case 4:
      return {
        do: 'weather',
        node,
        loss: random.fraction() * 0.3,
        latency: random.below(50),
        jitter: random.below(100),
        for: duration,
      }
    case 5:
      return { do: 'lose', node, for: duration }
    case 6: {
      const all = Array.from({ length: nodes }, (_, index) => index)
      return { do: 'outage', nodes: random.fraction() < 0.5 ? all : [node], for: duration }
    }
    case 7:
      return { do: 'slow', node, delay: 10 + random.below(2000), for: duration }
    case 8:
      return { do: 'compact' }
    case 9:
      return { do: 'jump', by: (random.fraction() < 0.5 ? -1 : 1) * random.below(86_400_000) }
    case 10:
      return { do: 'repeat', pod, command: random.fraction() < 0.5 ? 'ADD' : 'DEL' }
    default:
      return { do: 'kill', node, step: 1, down: random.below(3000) }
  }
}
