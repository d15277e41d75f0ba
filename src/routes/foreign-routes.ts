import type { Route } from '../kernel/kernel.ts'
import type { Prefix } from '../net/prefix.ts'

/** Calico's IPv4NormalRoutePriority, and what the kernel gives IPv6 routes that are told no metric. */
export const NORMAL_METRIC = 1024

const NONE: readonly number[] = []

/** Rows of the host itself in the main table, as far as ours must keep out of their way: their metrics. */
export class ForeignRoutes {
  readonly #metrics = new Map<Prefix, readonly number[]>()

  /** Metrics of the host's rows to exactly this prefix; empty where it has none. */
  at(destination: Prefix): readonly number[] {
    return this.#metrics.get(destination) ?? NONE
  }

  has(destination: Prefix): boolean {
    return this.#metrics.has(destination)
  }

  /** Forgets the host's rows to a prefix. */
  forget(destination: Prefix): void {
    this.#metrics.delete(destination)
  }

  destinations(): Iterable<Prefix> {
    return this.#metrics.keys()
  }

  /** @returns whether that is news */
  add({ destination, priority }: Pick<Route, 'destination' | 'priority'>): boolean {
    const metrics = this.at(destination)
    if (metrics.includes(priority)) return false
    this.#metrics.set(destination, [...metrics, priority])
    return true
  }

  /** @returns whether that is news */
  remove({ destination, priority }: Pick<Route, 'destination' | 'priority'>): boolean {
    const metrics = this.at(destination)
    if (!metrics.includes(priority)) return false
    const left = metrics.filter((metric) => metric !== priority)
    if (left.length === 0) this.#metrics.delete(destination)
    else this.#metrics.set(destination, left)
    return true
  }
}

/**
 * Where a route of ours stands among the host's own to the same prefix: behind all of them, whatever their
 * metrics, so that what the host has and what it adds is what it uses, and ours is there when theirs goes.
 * Undefined where there is no room behind them: then it is not written.
 */
export function metricBehind(metric: number, foreign: readonly number[]): number | undefined {
  return [metric, NORMAL_METRIC].find((each) => foreign.every((other) => other < each))
}

/** A metric that somebody chose is kept; a row of the host with the very same one has its place. */
export function metricAsChosen(metric: number, foreign: readonly number[]): number | undefined {
  return foreign.includes(metric) ? undefined : metric
}
