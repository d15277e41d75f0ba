import type { Encoded } from './values.ts'

/** The first line of a recording. */
export interface RecordingHeader {
  readonly recording: typeof RECORDING_VERSION
  readonly node: string
  readonly machineId: string
  readonly tunnelKind?: string
  readonly namespacePath?: string
  /** Optional ports that the agent had. */
  readonly has: readonly string[]
}

export const RECORDING_VERSION = 'tortie agent 1'

/** What the agent asked of the world, and what it was told; comes of the event before it. */
export type RecordedEffect =
  | {
      readonly on: string
      readonly call: string
      readonly args: readonly Encoded[]
      readonly answer: Answer
    }
  | { readonly on: string; readonly get: string; readonly answer: Answer }
  | { readonly on: string; readonly set: string; readonly value: Encoded }
  /** The answer to a request that came by the agent's socket. */
  | { readonly answered: number; readonly answer: Answer }

/** A promise is settled by an event of its own. */
export type Answer =
  | { readonly value: Encoded }
  | { readonly thrown: Encoded }
  | { readonly promise: number }

/** What came in by itself. */
export type RecordedArrival =
  /** A function that the agent gave is called. */
  | { readonly event: 'call'; readonly function: number; readonly args: readonly Encoded[] }
  | { readonly event: 'settle'; readonly promise: number; readonly answer: Answer }
  /** A request by the socket, or "start" and "stop" of the process. */
  | {
      readonly event: 'request'
      readonly id: number
      readonly method: string
      readonly params: Encoded
    }

export type Entry = RecordedEffect | RecordedArrival

export function isArrival(entry: Entry): entry is RecordedArrival {
  return 'event' in entry
}
