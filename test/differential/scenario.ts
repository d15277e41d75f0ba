/** One world to be built on two kernels, and what is asked of it. Plain data, so that it prints and replays. */
export interface Scenario {
  readonly seed: number
  readonly family: 4 | 6
  /** What joins hosts besides cables. */
  readonly tunnel?: TunnelKind
  readonly nodes: readonly ScenarioNode[]
  readonly cables: readonly Cable[]
  readonly steps: readonly Step[]
  readonly probes: readonly Probe[]
  /** Destinations whose way every node is asked for without a packet. */
  readonly lookups: readonly string[]
}

/**
 * "ipip" is the kernel's own tunnel in all that it does, "programs" as much of it as Tortie's programs of
 * eBPF are meant to do alike; see docs/differential.md.
 */
export type TunnelKind = 'vxlan' | 'ipip' | 'programs'

export interface ScenarioNode {
  readonly name: string
  /** Written before links exist, so that links inherit: path and value. */
  readonly sysctls: readonly (readonly [string, string])[]
  /** Bridges of the node, by name. */
  readonly bridges: readonly string[]
}

/** A veth pair. */
export interface Cable {
  readonly near: End
  readonly far: End
  readonly mtu: number
}

export interface End {
  readonly node: string
  readonly link: string
  /** The kernel's choice when absent. */
  readonly mac?: string
  /** Bridge of the node that the link joins. */
  readonly bridge?: string
  /** Whether the link is brought up. */
  readonly up: boolean
}

/** Configuration, applied in order; what a kernel refuses must be refused by both, with one code. */
export type Step =
  | {
      readonly do: 'address'
      readonly node: string
      readonly link: string
      readonly address: string
    }
  | {
      readonly do: 'unaddress'
      readonly node: string
      readonly link: string
      readonly address: string
    }
  | {
      readonly do: 'route' | 'replace' | 'unroute'
      readonly node: string
      readonly route: StepRoute
    }
  | {
      readonly do: 'rule'
      readonly node: string
      readonly priority: number
      readonly table: number
      readonly source?: string
      readonly inputLink?: string
    }
  | { readonly do: 'sysctl'; readonly node: string; readonly path: string; readonly value: string }
  | {
      readonly do: 'link'
      readonly node: string
      readonly link: string
      readonly up?: boolean
      readonly mtu?: number
    }
  | {
      readonly do: 'neighbor'
      readonly node: string
      readonly link: string
      readonly address: string
      readonly mac: string
    }
  | VxlanStep
  /** A row of a VXLAN link's forwarding database; without a remote address it goes. */
  | {
      readonly do: 'forward'
      readonly node: string
      readonly link: string
      readonly mac: string
      readonly remote?: string
    }
  | IpipStep
  | { readonly do: 'remove'; readonly node: string; readonly link: string }

export interface VxlanStep {
  readonly do: 'vxlan'
  readonly node: string
  /** The link beneath. */
  readonly parent?: string
  readonly local?: string
  readonly vni: number
  readonly mac: string
  readonly mtu?: number
}

/** tunl0, of whatever a kernel makes it. */
export interface IpipStep {
  readonly do: 'ipip'
  readonly node: string
  readonly local: string
  /** Links by which other nodes' packets come in. */
  readonly underlays: readonly string[]
  /** Addresses of all nodes. */
  readonly nodes: readonly string[]
  readonly mtu: number
}

export interface StepRoute {
  readonly destination: string
  readonly type: 'unicast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw'
  readonly table: number
  readonly scope: 'global' | 'link'
  readonly priority: number
  readonly link?: string
  readonly gateway?: string
  /** More ways of the same route, equally good. */
  readonly others?: readonly {
    readonly link: string
    readonly gateway: string
    readonly weight: number
  }[]
  readonly onlink?: boolean
  readonly preferredSource?: string
  readonly mtu?: number
}

/** One packet that a node sends. */
export interface Probe {
  readonly node: string
  readonly protocol: 'echo' | 'udp' | 'unknown'
  /** The kernel's choice when absent. */
  readonly source?: string
  readonly destination: string
  readonly timeToLive: number
  /** 0 when absent. */
  readonly typeOfService?: number
  /** Octets behind the transport header. */
  readonly payload: number
  readonly dontFragment: boolean
}
