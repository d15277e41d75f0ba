/**
 * What a container runtime and a CNI plugin say to each other (CNI specification 1.1.0), and what the
 * executable hands on to the node agent. Types and small tables only: the executable starts for every pod.
 */

/** Newest last; a result is written in the version that the network configuration asks for. */
export const CNI_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof CNI_VERSIONS)[number]

export const CNI_COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const
export type CniCommand = (typeof CNI_COMMANDS)[number]

/** First version of the specification that has the command. */
export const COMMAND_SINCE: Readonly<Record<CniCommand, CniVersion>> = {
  ADD: '0.1.0',
  DEL: '0.1.0',
  VERSION: '0.1.0',
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
}

/** CNI specification, "Parameters": what a container ID and the name of a network are made of. */
export const CNI_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

/** Error codes: CNI specification, "Error", and 8 of its library; from 100 on they are the plugin's own. */
export const CNI_ERROR = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidConfiguration: 7,
  /** CNI_NETNS is the namespace of the node itself (containernetworking/cni, pkg/skel). */
  invalidNamespace: 8,
  tryAgainLater: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  /** A container that is already attached, or a network that is not as ADD left it. */
  conflict: 100,
  /** All addresses that the request may have are taken. */
  noAddress: 101,
  internal: 999,
} as const
export type CniErrorCode = (typeof CNI_ERROR)[keyof typeof CNI_ERROR]

/** What whoever meets an error of a code can do: its `details`, where the place of the error knows no better. */
const REMEDIES: Readonly<Record<CniErrorCode, string>> = {
  1: 'Set cniVersion in the network configuration to a version that runtime and plugin know; CNI_COMMAND=VERSION lists those of the plugin.',
  2: 'Remove the field from the network configuration, or give it a value that is supported; docs/cni.md lists all fields.',
  3: 'Nothing needs to be cleaned up. If the container should have this network, ADD it.',
  4: 'The container runtime sets these variables: correct what it was told of this container, and try again.',
  5: 'Mend what is named (a full disk, a permission, a device) on this node, and try again.',
  6: 'Correct the network configuration (usually under /etc/cni/net.d), so that it is one JSON object, and try again.',
  7: 'Correct the field in the network configuration (usually under /etc/cni/net.d), and try again.',
  8: 'Give the container a network namespace of its own, or start it without this network.',
  11: 'Nothing needs to be changed for this request: try again when the cause is gone.',
  50: 'ADD fails until the cause is gone; containers that run keep their network.',
  51: 'ADD fails until the cause is gone, and containers that run may not be reached.',
  100: 'Remove what is in the way, for an attachment by DEL, and try again.',
  101: 'Give addresses back, or add an IPPool or make one larger, and try again.',
  999: 'This is a defect of Tortie: please report it with what the log of the agent says.',
}

/** Thrown by whatever serves a request; the executable prints it as the specification's error object. */
export class CniError extends Error {
  override readonly name = 'CniError'
  readonly cniCode: CniErrorCode
  /** What can be done about it. */
  readonly details: string
  /** How it travels between agent and executable. */
  readonly code: string
  /** @param message what was wrong, where, and what was expected */
  constructor(cniCode: CniErrorCode, message: string, details: string = REMEDIES[cniCode]) {
    super(message)
    this.cniCode = cniCode
    this.details = details
    this.code = `CNI${cniCode}`
  }
}

/** The code that travelled as {@link CniError.code}, undefined if it is none. */
export function cniErrorCode(code: string): CniErrorCode | undefined {
  const number = Number(/^CNI(\d+)$/.exec(code)?.[1])
  return Object.values(CNI_ERROR).find((known) => known === number)
}

/** What the executable hands on: the runtime's environment and the configuration as it came. */
export interface CniRequest {
  readonly command: Exclude<CniCommand, 'VERSION'>
  readonly containerId: string
  /** Path of the network namespace; may be empty or gone on DEL. */
  readonly networkNamespace: string
  readonly interfaceName: string
  /** CNI_ARGS, split at ";" and "=". */
  readonly arguments: Readonly<Record<string, string>>
  readonly configuration: NetworkConfiguration
}

/** What Tortie obeys of the network configuration: nothing else, such as keys and tokens, leaves the executable. */
export interface NetworkConfiguration {
  readonly cniVersion: CniVersion
  /** The network's name. */
  readonly name: string
  readonly type: string
  /** Where the node agent serves; the default when absent. */
  readonly agentSocket?: string
  /** Octets of the pod's interface; the agent's choice when absent or 0. */
  readonly mtu?: number
  /** Each must be the name of the agent's Node. */
  readonly nodename?: string
  readonly hostname?: string
  readonly kubernetes?: { readonly node_name?: string }
  readonly ipam?: {
    readonly type?: string
    /** "usePodCidr" */
    readonly subnet?: string
    readonly ranges?: readonly unknown[]
    /** Names or CIDRs. */
    readonly ipv4_pools?: readonly string[]
    readonly routes?: readonly { readonly dst: string }[]
  }
  readonly include_default_routes?: boolean
  readonly container_settings?: { readonly allow_ip_forwarding?: boolean }
  readonly policy?: { readonly type?: string }
  readonly dns?: CniDns
  /** What the runtime fills in for capabilities. */
  readonly runtimeConfig?: {
    readonly ips?: readonly string[]
    readonly mac?: string
    readonly dns?: {
      readonly servers?: readonly string[]
      readonly domain?: string
      readonly searches?: readonly string[]
      readonly options?: readonly string[]
    }
  }
  /** Conventions for dynamic configuration: fixed addresses and labels. */
  readonly args?: {
    readonly cni?: {
      readonly ips?: readonly string[]
      readonly labels?: readonly { readonly key: string; readonly value: string }[]
    }
  }
  readonly prevResult?: CniResult
  readonly 'cni.dev/valid-attachments'?: readonly {
    readonly containerID: string
    readonly ifname: string
  }[]
}

/** A result in the shape of version 1.1.0, from which the older shapes are made. */
export interface CniResult {
  readonly interfaces: readonly {
    readonly name: string
    readonly mac?: string
    readonly mtu?: number
    readonly sandbox?: string
    readonly socketPath?: string
    readonly pciID?: string
  }[]
  readonly ips: readonly {
    readonly address: string
    readonly gateway?: string
    readonly interface?: number
  }[]
  readonly routes: readonly CniRoute[]
  readonly dns: CniDns
}

export interface CniRoute {
  readonly dst: string
  readonly gw?: string
  readonly mtu?: number
  readonly advmss?: number
  readonly priority?: number
  readonly table?: number
  readonly scope?: number
}

export interface CniDns {
  readonly nameservers?: readonly string[]
  readonly domain?: string
  readonly search?: readonly string[]
  readonly options?: readonly string[]
}
