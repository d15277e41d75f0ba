/**
 * What a container runtime and a CNI plugin say to each other (CNI specification 1.1.0), and what the
 * executable hands on to the node agent. Types and small tables only: the executable starts for every pod.
 */

/** Newest last; a result is written in the version that the network configuration asks for. */
export const CNI_VERSIONS = ['0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof CNI_VERSIONS)[number]

export const CNI_COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const
export type CniCommand = (typeof CNI_COMMANDS)[number]

/** First version of the specification that has the command. */
export const COMMAND_SINCE: Readonly<Record<CniCommand, CniVersion>> = {
  ADD: '0.3.1',
  DEL: '0.3.1',
  VERSION: '0.3.1',
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
}

/** CNI specification, "Parameters": what a container ID and the name of a network are made of. */
export const CNI_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

/** Error codes: CNI specification, "Error"; from 100 on they are the plugin's own. */
export const CNI_ERROR = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidConfiguration: 7,
  tryAgainLater: 11,
  notAvailable: 50,
  /** A container that is already attached, or a network that is not as ADD left it. */
  conflict: 100,
  noAddress: 101,
  internal: 999,
} as const

/** Thrown by whatever serves a request; the executable prints it as the specification's error object. */
export class CniError extends Error {
  override readonly name = 'CniError'
  /** One of {@link CNI_ERROR}. */
  readonly cniCode: number
  readonly details: string | undefined
  /** How it travels between agent and executable. */
  readonly code: string
  constructor(cniCode: number, message: string, details?: string) {
    super(message)
    this.cniCode = cniCode
    this.details = details
    this.code = `CNI${cniCode}`
  }
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

/** The network configuration of the runtime with the fields that Tortie reads; others are ignored. */
export interface NetworkConfiguration {
  readonly cniVersion: CniVersion
  /** The network's name. */
  readonly name: string
  readonly type: string
  /** Where the node agent serves; the default when absent. */
  readonly agentSocket?: string
  /** Octets of the pod's interface; the agent's choice when absent or 0. */
  readonly mtu?: number
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
  }[]
  readonly ips: readonly {
    readonly address: string
    readonly gateway?: string
    readonly interface?: number
  }[]
  readonly routes: readonly { readonly dst: string; readonly gw?: string }[]
  readonly dns: Readonly<Record<string, never>>
}
