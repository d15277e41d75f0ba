import type { WorkloadEndpoint } from '../model/resource.ts'
import type { AgentStatus } from './agent-status.ts'

/**
 * What a lab will have made when it is up, written before anything is made: whenever the one who builds it
 * is killed, what is named here is all that there can be.
 */
export interface Journal {
  readonly version: 1
  readonly lab: string
  /** RFC 3339. */
  readonly startedAt: string
  /** Every namespace, in the order in which they are made. */
  readonly namespaces: readonly string[]
  readonly networks: readonly { readonly name: string; readonly namespace: string }[]
  readonly routers: readonly { readonly name: string; readonly namespace: string }[]
  readonly nodes: readonly {
    readonly name: string
    readonly namespace: string
    readonly address: string
  }[]
  readonly pods: readonly {
    readonly namespace: string
    readonly name: string
    readonly netns: string
    readonly node: string
  }[]
  /**
   * The most entries of the kernel's neighbor tables, ARP's and that of IPv6, that it has at one time;
   * journals of before have none.
   */
  readonly neighborEntries?: { readonly ipv4: number; readonly ipv6: number }
}

export interface RunningProgram {
  readonly pid: number
  /** "store", "agent server01", or the command line of what a person runs inside. */
  readonly what: string
}

/** How a lab is, as far as can be told from outside. */
export interface LabStatus {
  readonly lab: string
  /** Absent when `up` was stopped before it had written it. */
  readonly journal: Journal | undefined
  readonly programs: readonly RunningProgram[]
  /** Namespaces that the journal names and the machine does not have. */
  readonly missingNamespaces: readonly string[]
  readonly nodes: readonly NodeStatus[]
  /** As the store has them; none when it does not answer. */
  readonly endpoints: readonly WorkloadEndpoint[]
}

export interface NodeStatus {
  readonly name: string
  readonly namespace: string
  readonly address: string
  /** The agent's answer, or why there is none. */
  readonly agent: AgentStatus | { readonly error: string }
}
