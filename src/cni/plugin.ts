import { checkConfiguration, parseConfiguration } from './configuration.ts'
import { type Environment, readCommand, readParameters } from './environment.ts'
import {
  CNI_ERROR,
  CNI_VERSIONS,
  CniError,
  type CniRequest,
  type CniResult,
} from '../api/cni-protocol.ts'
import { formatResult } from './result.ts'

/** Where the agent of this machine serves when the configuration's `agentSocket` does not say. */
export const DEFAULT_AGENT_SOCKET = '/run/tortie/agent.sock'

export interface PluginInput {
  readonly environment: Environment
  readonly standardInput: string
  /** Hands a request to the agent at a unix socket; rejects with an error that has a `code`. */
  callAgent(socketPath: string, request: CniRequest): Promise<unknown>
}

export interface PluginOutput {
  /** One JSON document, or nothing. */
  readonly standardOutput: string
  readonly exitCode: 0 | 1
}

/** One run of the CNI executable: reads what the runtime said, asks the agent, says what it answered. */
export async function runPlugin(input: PluginInput): Promise<PluginOutput> {
  let cniVersion: string = CNI_VERSIONS.at(-1)!
  try {
    const command = readCommand(input.environment)
    const raw = parseConfiguration(input.standardInput)
    if (typeof raw['cniVersion'] === 'string') cniVersion = raw['cniVersion']
    if (command === 'VERSION') return print({ cniVersion, supportedVersions: CNI_VERSIONS }, 0)
    const configuration = checkConfiguration(raw, command)
    const request = { ...readParameters(input.environment, command), configuration }
    const result = await ask(input, configuration.agentSocket ?? DEFAULT_AGENT_SOCKET, request)
    return command === 'ADD'
      ? print(formatResult(result as CniResult, configuration.cniVersion), 0)
      : { standardOutput: '', exitCode: 0 }
  } catch (thrown) {
    const code = thrown instanceof CniError ? thrown.cniCode : CNI_ERROR.internal
    const msg = thrown instanceof Error ? thrown.message : String(thrown)
    const details = thrown instanceof CniError ? thrown.details : undefined
    return print({ cniVersion, code, msg, ...(details === undefined ? {} : { details }) }, 1)
  }
}

function print(value: object, exitCode: 0 | 1): PluginOutput {
  return { standardOutput: `${JSON.stringify(value)}\n`, exitCode }
}

const UNREACHABLE = ['ENOENT', 'ECONNREFUSED', 'ENOTCONN', 'ETIMEDOUT', 'EACCES']

/** Asks the agent. Its own errors keep their code; an agent that is not there means "try again later". */
async function ask(input: PluginInput, socketPath: string, request: CniRequest): Promise<unknown> {
  try {
    return await input.callAgent(socketPath, request)
  } catch (thrown) {
    const { code = '', message } = thrown as { code?: string; message: string }
    const own = /^CNI(\d+)$/.exec(code)
    if (own !== null) throw new CniError(Number(own[1]), message)
    if (code === 'EINVAL') throw new CniError(CNI_ERROR.invalidConfiguration, message)
    if (!UNREACHABLE.includes(code)) throw new CniError(CNI_ERROR.internal, message)
    throw new CniError(
      request.command === 'STATUS' ? CNI_ERROR.notAvailable : CNI_ERROR.tryAgainLater,
      `The node agent does not answer at ${socketPath}: does "tortie agent" run on this node?`,
      message,
    )
  }
}
