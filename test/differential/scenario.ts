/** One world to be built on two kernels, and what is asked of it. Plain data, so that it prints and replays. */
export interface Scenario {
  readonly seed: number
  readonly family: 4 | 6
  readonly nodes: readonly ScenarioNode[]
  readonly cables: readonly Cable[]
  readonly steps: readonly Step[]
  readonly probes: readonly Probe[]
  /** Destinations whose way every node is asked for without a packet. */
  readonly lookups: readonly string[]
}

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
  /** Octets behind the transport header. */
  readonly payload: number
  readonly dontFragment: boolean
}
