import type { Kernel, Machine } from '../../src/kernel/kernel.ts'
import { apply, attempt, build } from './configure.ts'
import { same } from './differences.ts'
import { describe, isGroupReport, numbered, packetOf, withoutDesign } from './packets.ts'
import type { IpipStep, Scenario } from './scenario.ts'
import {
  countersOf,
  describeLookups,
  describeNeighbors,
  describeTables,
  differenceOf,
  INSIDE,
  linkNames,
} from './tables.ts'

/** What a kernel made of a scenario, as text that can be compared. */
export interface Outcome {
  /** "ok" or the errno of each step. */
  readonly steps: readonly string[]
  readonly tables: readonly string[]
  readonly lookups: readonly string[]
  readonly probes: readonly ProbeOutcome[]
  readonly neighbors: readonly string[]
  readonly counters: readonly string[]
}

export interface ProbeOutcome {
  /** "ok" or an errno. */
  readonly sent: string
  /** Packets by capture point, in order: "node:link". */
  readonly points: Readonly<Record<string, readonly string[]>>
}

/** A kernel to perform on, and how its time passes. */
export interface Stage {
  readonly machine: Machine
  readonly prefix: string
  /** Lets packets travel until `done` says that enough has been seen, or for as long as it makes sense. */
  settle(done: () => boolean): Promise<void>
  /** Does to a new namespace what comes of itself on the other kernel. */
  prepare?(kernel: Kernel): void
  /** Makes tunl0, which is down. */
  makeTunnel(kernel: Kernel, step: IpipStep): void
}

/**
 * Builds the scenario, sends its probes one after the other, and tells what happened.
 * @param expected what another kernel made of it; a probe waits no longer than until the same was seen
 */
export async function perform(
  scenario: Scenario,
  stage: Stage,
  expected?: Outcome,
): Promise<Outcome> {
  const kernels = new Map<string, Kernel>()
  try {
    return await performOn(scenario, stage, kernels, expected)
  } finally {
    for (const [node, kernel] of kernels) {
      kernel.close()
      stage.machine.deleteNamespace(`${stage.prefix}${node}`)
    }
  }
}

async function performOn(
  scenario: Scenario,
  stage: Stage,
  kernels: Map<string, Kernel>,
  expected: Outcome | undefined,
): Promise<Outcome> {
  build(scenario, stage, kernels)
  const steps = scenario.steps.map((step) =>
    attempt(() => apply(kernels.get(step.node)!, step, scenario.family, stage)),
  )
  const names = linkNames(kernels)
  // Carrier reaches bridges and routes by a work queue that may take its time.
  let tables: readonly string[] | undefined
  let lookups: readonly string[] | undefined
  if (expected !== undefined) {
    await stage.settle(() => {
      tables = describeTables(scenario.family, kernels)
      if (!same(tables, expected.tables)) return false
      lookups = describeLookups(scenario, kernels, names)
      return same(lookups, expected.lookups)
    })
  }
  // Until the same queue has run a link that lost its carrier still sends, which solicitations show.
  if (
    scenario.family === 6 &&
    scenario.steps.some((step) => step.do === 'link' && step.up === false)
  ) {
    const until = Date.now() + 1200
    await stage.settle(() => Date.now() > until)
    tables = undefined
    lookups = undefined
  }
  tables ??= describeTables(scenario.family, kernels)
  lookups ??= describeLookups(scenario, kernels, names)
  let points: Record<string, string[]> = {}
  for (const [node, kernel] of kernels) {
    for (const [linkIndex, name] of names.get(node)!) {
      if (name === INSIDE) continue
      const point = `${node}:${name}`
      const options = { linkIndex, snapOctets: 2048 }
      kernel.capture(options, (packet) => {
        if (isGroupReport(packet)) return
        const line = describe(packet)
        const kept = scenario.tunnel === 'programs' ? withoutDesign(line, name) : line
        if (kept !== undefined) (points[point] ??= []).push(kept)
      })
    }
  }
  const before = countersOf(scenario, kernels)
  const probes: ProbeOutcome[] = []
  for (const [at, probe] of scenario.probes.entries()) {
    points = {}
    const current = points
    const wanted = expected?.probes[at]?.points
    const sent = attempt(() =>
      kernels.get(probe.node)!.sendPacket(packetOf(probe, at, scenario.family)),
    )
    await stage.settle(
      () => wanted !== undefined && same(numbered(current), wanted) && !isAsking(kernels),
    )
    probes.push({ sent, points: current })
  }
  return {
    steps,
    tables,
    lookups,
    probes: probes.map(({ sent, points }) => ({ sent, points: numbered(points) })),
    neighbors: describeNeighbors(scenario.family, kernels, names),
    counters: differenceOf(before, countersOf(scenario, kernels)),
  }
}

/** Whether some neighbour is being asked for, so that more may come of it. */
function isAsking(kernels: ReadonlyMap<string, Kernel>): boolean {
  return [...kernels.values()].some((kernel) =>
    kernel.neighbors().some(({ state }) => state === 'incomplete' || state === 'probe'),
  )
}
