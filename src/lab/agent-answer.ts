import type { Prefix } from '../net/prefix.ts'
import type { LabAgent } from './lab-ports.ts'

/** What the lab reads of an agent's answer to `status`. */
export interface AgentAnswer {
  /** Why pods cannot be attached now; absent when they can. */
  readonly notReady?: string
  readonly blocks: readonly Prefix[]
  readonly pods: number
  readonly neighbors: readonly { readonly address: string; readonly state: string }[]
  /** What tunl0 is made of, or that there is VXLAN, and why; absent where nothing is tunnelled. */
  readonly tunnel?: {
    readonly kind: string
    readonly reason: string
    /** Octets inside, towards nodes to which the path is narrower, by their addresses. */
    readonly pathMtus?: Readonly<Record<string, number>>
    /** Packets that its programs dropped, by reason; absent where it has none. */
    readonly drops?: Readonly<Record<string, number>>
  }
  readonly packetFilter: {
    /** Why this kernel can neither masquerade nor drop forgeries; absent where it can. */
    readonly unavailable?: string
    /** Packets by name: "forged-ipip", "spoofed-source". */
    readonly counters: Readonly<Record<string, number>>
  }
  /** What the node should have and has not, one sentence each. */
  readonly lacking: readonly string[]
  /** All sessions are up and heard out, and all routes are in the kernel. */
  readonly converged: boolean
}

/** Errors: those of RpcClient.call. */
export async function askStatus(agent: LabAgent): Promise<AgentAnswer> {
  return (await agent.call('status', {})) as AgentAnswer
}
