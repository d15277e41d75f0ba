import { hex } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { messageOf } from '../../lib/errors.ts'
import {
  type ArmAnswer,
  type CapturePoint,
  type NamespaceCounters,
  type Netns,
  NODE_LIMITS,
  type NodeAccess,
  type ProbeAnswer,
} from '../../api/node-access.ts'
import { type ObservedPacket, observePacket } from './observed-packet.ts'
import { type ProbeIdentity, probePacket } from './probe-packet.ts'

/** What is listened to, and what is sent. */
export interface ObservationPlan {
  readonly id: string
  readonly probe: ProbeIdentity
  readonly source: { readonly node: string; readonly netns: Netns }
  readonly nodes: readonly NodePlan[]
  /** UDP ports of outer headers that are VXLAN's. */
  readonly vxlanPorts: readonly number[]
  /** Most that one try waits, in milliseconds. */
  readonly timeoutMilliseconds: number
  /** Probes sent one after the other until one comes back. */
  readonly tries: number
  /** What has been seen of a try: all that was to be seen, an end of which little more comes, or not yet. */
  readonly progress: (packets: readonly ObservedPacket[], sequence: number) => Progress
}

export interface NodePlan {
  readonly access: NodeAccess
  readonly machine: string
  readonly points: readonly CapturePoint[]
}

export type Progress = 'complete' | 'settling' | 'waiting'

/** What happened, as far as it was listened to. */
export interface Observation {
  readonly packets: readonly ObservedPacket[]
  readonly points: readonly ArmedPoint[]
  /** Of each try, in order: what the kernel said to the probe. */
  readonly probes: readonly ProbeAnswer['packets'][number][]
  readonly countersBefore: readonly NodeCounters[]
  readonly countersAfter: readonly NodeCounters[]
}

export interface ArmedPoint extends CapturePoint {
  readonly node: string
  readonly armed: boolean
  readonly reason?: string
  /** Packets that passed and could not be kept. */
  readonly lost: number
}

export interface NodeCounters extends NamespaceCounters {
  readonly node: string
}

/** How long after an end has been seen (an error, a drop as predicted) the captures stay open. */
const SETTLE_MILLISECONDS = 120
/** One long poll. */
const POLL_MILLISECONDS = 250

/**
 * Arms every point, sends the probe, and listens until all that was expected has been seen or time is
 * up. A node that does not answer is a node whose points are not captured; nothing is thrown for it.
 * Errors: those of the source node's probe request.
 */
export async function observe(plan: ObservationPlan, clock: Clock): Promise<Observation> {
  const listeners = await Promise.all(plan.nodes.map((node) => listen(plan, node)))
  const heard = new Heard(plan, listeners, clock)
  try {
    await heard.run()
  } finally {
    await Promise.all(listeners.map((listener) => listener.finish()))
  }
  return {
    packets: listeners.flatMap(({ packets }) => packets).sort(byTime),
    points: listeners.flatMap((listener) => listener.points()),
    probes: heard.probes,
    countersBefore: listeners.flatMap((listener) => listener.before),
    countersAfter: listeners.flatMap((listener) => listener.after),
  }
}

function byTime(a: ObservedPacket, b: ObservedPacket): number {
  return a.atMicroseconds - b.atMicroseconds
}

async function listen(plan: ObservationPlan, node: NodePlan): Promise<Listener> {
  const { probe, id } = plan
  const points = node.points.slice(0, NODE_LIMITS.points)
  const mostMilliseconds = plan.timeoutMilliseconds * plan.tries + 5000
  try {
    const answer = await node.access.arm({
      id,
      points,
      addresses: [probe.source, probe.destination],
      marker: hex(probe.marker),
      vxlanPorts: plan.vxlanPorts,
      deadlineMilliseconds: Math.min(mostMilliseconds, NODE_LIMITS.deadlineMilliseconds),
    })
    return new Listener(plan, { ...node, points }, answer)
  } catch (thrown) {
    const reason = messageOf(thrown)
    const answer = { points: points.map(() => ({ armed: false, reason })), counters: [] }
    return new Listener(plan, { ...node, points }, answer)
  }
}

/** One node's captures, from armed to finished. */
class Listener {
  readonly packets: ObservedPacket[] = []
  readonly before: readonly NodeCounters[]
  after: readonly NodeCounters[] = []
  readonly isArmed: boolean
  readonly #plan: ObservationPlan
  readonly #node: NodePlan
  readonly #answer: ArmAnswer
  #received = 0
  #lost: readonly number[] = []
  #finished = false

  constructor(plan: ObservationPlan, node: NodePlan, answer: ArmAnswer) {
    this.#plan = plan
    this.#node = node
    this.#answer = answer
    this.before = this.#named(answer.counters)
    this.isArmed = answer.points.some(({ armed }) => armed)
  }

  #named(counters: readonly NamespaceCounters[]): readonly NodeCounters[] {
    return counters.map((each) => ({ node: this.#node.access.node, ...each }))
  }

  #take(sightings: readonly Parameters<typeof observePacket>[0][]): void {
    this.#received += sightings.length
    const { node } = this.#node.access
    for (const sighting of sightings) {
      const point = this.#node.points[sighting.point]
      if (point === undefined) continue
      const at = { node, machine: this.#node.machine, ...point }
      const packet = observePacket(sighting, at, this.#plan.probe, this.#plan.vxlanPorts)
      if (packet !== undefined) this.packets.push(packet)
    }
  }

  /** Calls `onNews` whenever something was seen, until finished. */
  async follow(onNews: () => void): Promise<void> {
    const { id } = this.#plan
    while (!this.#finished) {
      const request = { id, after: this.#received, waitMilliseconds: POLL_MILLISECONDS }
      const answer = await this.#node.access.collect(request).catch(() => undefined)
      if (answer === undefined || this.#finished) return
      if (answer.sightings.length === 0) continue
      this.#take(answer.sightings)
      onNews()
    }
  }

  async finish(): Promise<void> {
    this.#finished = true
    if (!this.isArmed) return
    try {
      const { id } = this.#plan
      const answer = await this.#node.access.finish({ id, after: this.#received })
      this.#take(answer.sightings)
      this.#lost = answer.lost
      this.after = this.#named(answer.counters)
    } catch {
      // The node went away; what it had told stays, and its captures end by their deadline.
    }
  }

  points(): readonly ArmedPoint[] {
    return this.#node.points.map((point, at) => ({
      node: this.#node.access.node,
      ...point,
      ...(this.#answer.points[at] ?? { armed: false, reason: 'the node did not answer for it' }),
      lost: this.#lost[at] ?? 0,
    }))
  }
}

/** Sends the tries and waits for each. */
class Heard {
  readonly probes: ProbeAnswer['packets'][number][] = []
  readonly #plan: ObservationPlan
  readonly #listeners: readonly Listener[]
  readonly #clock: Clock
  #wake: (() => void) | undefined

  constructor(plan: ObservationPlan, listeners: readonly Listener[], clock: Clock) {
    this.#plan = plan
    this.#listeners = listeners
    this.#clock = clock
  }

  async run(): Promise<void> {
    const { source, nodes, probe, tries } = this.#plan
    const sender = nodes.find(({ access }) => access.node === source.node)?.access
    if (sender === undefined) throw new Error(`No access to ${source.node}, where the trace starts`)
    for (const listener of this.#listeners) {
      if (listener.isArmed) void listener.follow(() => this.#wake?.())
    }
    for (let sequence = 1; sequence <= tries; sequence++) {
      const packets = [probePacket(probe, sequence)]
      const answer = await sender.probe({ netns: source.netns, packets })
      this.probes.push(answer.packets[0]!)
      if (!answer.packets[0]!.sent || (await this.#waitFor(sequence))) return
    }
  }

  #progress(sequence: number): Progress {
    const packets = this.#listeners.flatMap((listener) => listener.packets)
    return this.#plan.progress(packets, sequence)
  }

  /** Whether the try was complete before its time was up. */
  async #waitFor(sequence: number): Promise<boolean> {
    let until = this.#clock.now() + this.#plan.timeoutMilliseconds
    let isSettling = false
    for (;;) {
      const progress = this.#progress(sequence)
      if (progress === 'complete') return true
      const now = this.#clock.now()
      if (progress === 'settling' && !isSettling) {
        isSettling = true
        until = Math.min(until, now + SETTLE_MILLISECONDS)
      }
      if (now >= until) return isSettling
      await this.#news(until - now)
    }
  }

  #news(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(milliseconds, () => this.#wake?.())
      this.#wake = () => {
        timer.cancel()
        this.#wake = undefined
        resolve()
      }
    })
  }
}
