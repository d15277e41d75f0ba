import type { Outcome } from './perform.ts'
import type { Scenario } from './scenario.ts'

export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** What differs between two outcomes, one line each; empty if nothing does. */
export function differences(scenario: Scenario, simulated: Outcome, real: Outcome): string[] {
  const found: string[] = []
  for (const part of ['steps', 'tables', 'lookups', 'neighbors', 'counters'] as const) {
    const [left, right] = [simulated[part], real[part]]
    if (part === 'steps') {
      left.forEach((line, at) => {
        if (line !== right[at]) {
          found.push(
            `step ${at} ${JSON.stringify(scenario.steps[at])}: simulated ${line}, real ${right[at]}`,
          )
        }
      })
      continue
    }
    for (const line of left)
      if (!right.includes(line)) found.push(`${part}: only simulated: ${line}`)
    for (const line of right) if (!left.includes(line)) found.push(`${part}: only real: ${line}`)
  }
  for (const [at, probe] of scenario.probes.entries()) {
    const [left, right] = [simulated.probes[at]!, real.probes[at]!]
    const text = `probe ${at} ${JSON.stringify(probe)}`
    if (left.sent !== right.sent) found.push(`${text}: simulated ${left.sent}, real ${right.sent}`)
    for (const point of new Set([...Object.keys(left.points), ...Object.keys(right.points)])) {
      const [seen, wanted] = [left.points[point] ?? [], right.points[point] ?? []]
      if (same(seen, wanted)) continue
      found.push(
        `${text}: at ${point}`,
        ...seen.map((line) => `    simulated ${line}`),
        ...wanted.map((line) => `    real      ${line}`),
      )
    }
  }
  return found
}
