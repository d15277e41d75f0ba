import type { NeighborStatus, RouteHistoryEntry } from '../bgp/status.ts'
import type { CommandResult } from '../kernel/sim/commands/command-result.ts'
import type { AgentStatus } from './agent-status.ts'
import type {
  PrefixRequest,
  RefreshRequest,
  ResetRequest,
  RibPathDocument,
  RoutesPage,
  RoutesRequest,
  StopRequest,
} from './bgp-documents.ts'
import type { CniRequest, CniResult } from './cni-protocol.ts'
import type { LabStatus } from './lab-status.ts'
import type {
  ArmAnswer,
  ArmRequest,
  CollectAnswer,
  CollectRequest,
  FinishAnswer,
  FinishRequest,
  LookupAnswer,
  LookupRequest,
  NodeSnapshot,
  ProbeAnswer,
  ProbeRequest,
  SnapshotRequest,
} from './node-access.ts'

/**
 * Everything that one of Tortie's processes may ask of another, one row a method. Both sides are typed
 * by these rows: callers by {@link Connection}, servers by {@link Handlers}, and what a stranger sends
 * is checked against `params-schemas.ts`. All of it survives JSON.
 *
 * Results and parameters grow: a field may be added, and who does not know it passes over it. Whoever
 * renames or removes one raises `PROTOCOL` in `protocol.ts` and goes on understanding the version before.
 */
export interface Call<Params, Result> {
  readonly params: Params
  readonly result: Result
}

export type NoParams = Readonly<Record<string, never>>

/** What every process answers that can tell of itself in its log. */
export interface DebugApi {
  /** Switches these topics on and all others off; without them changes nothing. Errors: EINVAL. */
  debug: Call<DebugRequest, DebugState>
}

export interface DebugRequest {
  readonly topics?: readonly string[]
}

export interface DebugState {
  /** What is on now. */
  readonly topics: readonly string[]
  /** What this process can tell of. */
  readonly known: readonly string[]
}

/** What a process with a BGP speaker answers. */
export interface BgpApi {
  'bgp.neighbors': Call<NoParams, readonly NeighborStatus[]>
  'bgp.routes': Call<RoutesRequest, RoutesPage>
  'bgp.route': Call<PrefixRequest, readonly RibPathDocument[]>
  'bgp.history': Call<PrefixRequest, readonly RouteHistoryEntry[]>
  'bgp.reset': Call<ResetRequest, null>
  'bgp.refresh': Call<RefreshRequest, null>
}

/** What reaches a node for a trace. */
export interface TraceApi {
  'trace.snapshot': Call<SnapshotRequest, NodeSnapshot>
  'trace.lookup': Call<LookupRequest, readonly LookupAnswer[]>
  'trace.arm': Call<ArmRequest, ArmAnswer>
  'trace.probe': Call<ProbeRequest, ProbeAnswer>
  'trace.collect': Call<CollectRequest, CollectAnswer>
  'trace.finish': Call<FinishRequest, FinishAnswer>
}

/** The socket of a node's agent. */
export interface AgentApi extends BgpApi, TraceApi, DebugApi {
  status: Call<NoParams, AgentStatus>
  /** A result for ADD, null for the others. */
  cni: Call<CniRequest, CniResult | null>
}

/** The socket of a bgpd. */
export interface BgpdApi extends BgpApi, DebugApi {
  /** A sentence for the person who asked. */
  'bgpd.reload': Call<NoParams, string>
  'bgpd.stop': Call<StopRequest, null>
}

/** The socket of the process that is a simulated lab. */
export interface LabHostApi {
  status: Call<NoParams, LabStatus>
  restart: Call<{ readonly node: string }, null>
  /** Runs a command of the simulated machine in a namespace: "server01", "default/network-5z4qp". */
  exec: Call<{ readonly where: string; readonly argv: readonly string[] }, CommandResult>
  /** Answered before it is done. */
  down: Call<NoParams, null>
}

/** A table of methods, as the ones above. */
export type Api<Table> = { readonly [M in keyof Table]: Call<unknown, unknown> }
export type Method<Table> = keyof Table & string
export type Params<Table extends Api<Table>, M extends keyof Table> = Table[M]['params']
export type Result<Table extends Api<Table>, M extends keyof Table> = Table[M]['result']

/** The calling side of a socket that serves `Table`. */
export interface Connection<Table extends Api<Table>> {
  /** Errors: those of RpcClient.call. */
  call<M extends Method<Table>>(
    method: M,
    params: Params<Table, M>,
    timeoutMilliseconds?: number,
  ): Promise<Result<Table, M>>
  close(): void
}

/** One node's agent. */
export type AgentConnection = Connection<AgentApi>

/** The serving side: one function a method, with parameters that have been checked. */
export type Handlers<Table extends Api<Table>> = {
  readonly [M in keyof Table]: (params: Params<Table, M>) => Promise<Result<Table, M>>
}
