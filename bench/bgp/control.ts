/** What the runner tells the processes of the generator, and what they answer, over the IPC channel. */

export interface FeederConfig {
  readonly role: 'feeder'
  readonly remoteAddress: string
  readonly port: number
  readonly perUpdate: number
  readonly withdrawPerUpdate: number
  readonly neighbors: readonly FeederNeighbor[]
}

export interface FeederNeighbor {
  readonly localAddress: string
  readonly as: number
  /** iBGP: no AS is put before the path, LOCAL_PREF is sent. */
  readonly internal: boolean
  readonly firstRoute: number
  readonly routes: number
}

export interface SinkConfig {
  readonly role: 'sink'
  readonly remoteAddress: string
  readonly port: number
  readonly neighbors: readonly { readonly localAddress: string; readonly as: number }[]
  /** Routes of the whole run, each of which every neighbor of the sink should receive. */
  readonly routes: number
}

/** An idle neighbor, which gets no routes and only listens for KEEPALIVEs; one a second is due. */
export interface WatcherConfig {
  readonly role: 'watcher'
  readonly remoteAddress: string
  readonly port: number
  readonly localAddress: string
  readonly as: number
}

export type GeneratorConfig = FeederConfig | SinkConfig | WatcherConfig

export type Order =
  | { readonly do: 'start'; readonly config: GeneratorConfig }
  | { readonly do: 'announce' }
  | { readonly do: 'withdraw' }

/** Times are milliseconds of CLOCK_MONOTONIC, which all processes of a machine share. */
export type Answer =
  | { readonly say: 'established' }
  | { readonly say: 'sending'; readonly at: number }
  | { readonly say: 'sent'; readonly at: number }
  /** Every neighbor of the sink has received (or lost) all routes. */
  | { readonly say: 'all'; readonly at: number }
  | { readonly say: 'none'; readonly at: number }
  | { readonly say: 'progress'; readonly present: number }
  /** Longest silence between two KEEPALIVEs of the idle neighbor so far. */
  | { readonly say: 'gap'; readonly milliseconds: number }
  | { readonly say: 'lost'; readonly reason: string }

export function monotonicMilliseconds(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

export function answer(message: Answer): void {
  process.send!(message)
}
