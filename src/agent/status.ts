import type { SessionState } from '../bgp/status.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'

/** How an agent is, as it answers on its socket. */
export interface AgentStatus {
  readonly node: string
  /** Why pods cannot be attached now; absent when they can. */
  readonly notReady?: string
  readonly blocks: readonly Prefix[]
  readonly pods: number
  readonly neighbors: readonly {
    readonly address: IpAddress
    /** Name of the node or BGPPeer. */
    readonly description: string | undefined
    readonly remoteAs: number
    readonly state: SessionState
    /** Wall time, milliseconds since 1970. */
    readonly since: number
    readonly lastError: string | undefined
    readonly endOfRibReceived: boolean
    readonly received: number
  }[]
  readonly learnedRoutes: number
  /** What the node should have and has not, one sentence each: links of pods, routes. */
  readonly lacking: readonly string[]
  /** Ready, all sessions up and heard out, all routes installed. */
  readonly converged: boolean
}
