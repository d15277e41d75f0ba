import type { FeederConfig, SinkConfig } from './control.ts'
import type { Assignment } from './speakers.ts'

/** One situation to put a speaker into. */
export interface Scenario {
  readonly what: string
  readonly feeders: number
  readonly routesEach: number
  readonly sinks: number
  readonly perUpdate: number
  /** The feeders are iBGP neighbors; the sinks never are. */
  readonly internal: boolean
  /** Seconds of idling, with all routes there, over which CPU is counted. */
  readonly idleSeconds?: number
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  full: {
    what: '1,000,000 routes from one eBGP neighbor to another',
    feeders: 1,
    routesEach: 1_000_000,
    sinks: 1,
    perUpdate: 5,
    internal: false,
  },
  small: {
    what: '200,000 routes from one eBGP neighbor to another',
    feeders: 1,
    routesEach: 200_000,
    sinks: 1,
    perUpdate: 5,
    internal: false,
  },
  many: {
    what: '100 eBGP neighbors of 10,000 routes each to one other',
    feeders: 100,
    routesEach: 10_000,
    sinks: 1,
    perUpdate: 5,
    internal: false,
  },
  mesh: {
    what: '1,000 iBGP neighbors of one route each, and one eBGP neighbor that receives them',
    feeders: 1000,
    routesEach: 1,
    sinks: 1,
    perUpdate: 1,
    internal: true,
    idleSeconds: 20,
  },
  fanout: {
    what: '100,000 routes from one eBGP neighbor to 50 others',
    feeders: 1,
    routesEach: 100_000,
    sinks: 50,
    perUpdate: 5,
    internal: false,
  },
}

export const SPEAKER_ADDRESS = '10.255.0.1'
export const SPEAKER_AS = 65000
export const WATCHER = { address: '10.255.30.1', as: 64600 } as const
const PORT = 179

function feederAddress(at: number): string {
  return `10.255.${1 + Math.floor(at / 250)}.${1 + (at % 250)}`
}

function sinkAddress(at: number): string {
  return `10.255.20.${1 + at}`
}

/** Addresses of all neighbors of a scenario. */
export function neighborAddresses(scenario: Scenario): string[] {
  return [
    ...Array.from({ length: scenario.feeders }, (_, at) => feederAddress(at)),
    ...Array.from({ length: scenario.sinks }, (_, at) => sinkAddress(at)),
    WATCHER.address,
  ]
}

const feederAs = (scenario: Scenario, at: number): number =>
  scenario.internal ? SPEAKER_AS : 64701 + at
const sinkAs = (at: number): number => 64512 + at

export function assignment(scenario: Scenario): Assignment {
  return {
    localAs: SPEAKER_AS,
    address: SPEAKER_ADDRESS,
    neighbors: [
      ...Array.from({ length: scenario.feeders }, (_, at) => ({
        address: feederAddress(at),
        as: feederAs(scenario, at),
        receives: false,
      })),
      ...Array.from({ length: scenario.sinks }, (_, at) => ({
        address: sinkAddress(at),
        as: sinkAs(at),
        receives: true,
      })),
      { ...WATCHER, receives: false },
    ],
    watchesEventLoop: scenario.idleSeconds === undefined,
  }
}

export function feederConfig(scenario: Scenario): FeederConfig {
  return {
    role: 'feeder',
    remoteAddress: SPEAKER_ADDRESS,
    port: PORT,
    perUpdate: scenario.perUpdate,
    withdrawPerUpdate: scenario.perUpdate,
    neighbors: Array.from({ length: scenario.feeders }, (_, at) => ({
      localAddress: feederAddress(at),
      as: feederAs(scenario, at),
      internal: scenario.internal,
      firstRoute: at * scenario.routesEach,
      routes: scenario.routesEach,
    })),
  }
}

export function sinkConfig(scenario: Scenario): SinkConfig {
  return {
    role: 'sink',
    remoteAddress: SPEAKER_ADDRESS,
    port: PORT,
    routes: scenario.feeders * scenario.routesEach,
    neighbors: Array.from({ length: scenario.sinks }, (_, at) => ({
      localAddress: sinkAddress(at),
      as: sinkAs(at),
    })),
  }
}

export const watcherConfig = {
  role: 'watcher',
  remoteAddress: SPEAKER_ADDRESS,
  port: PORT,
  localAddress: WATCHER.address,
  as: WATCHER.as,
} as const
