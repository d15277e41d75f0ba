import { checkConfiguration, parseConfiguration } from './configuration.ts'
import { type Environment, readCommand, readParameters } from './environment.ts'
import {
  CNI_ERROR,
  CNI_VERSIONS,
  CniError,
  cniErrorCode,
  type CniRequest,
  type CniResult,
} from '../api/cni-protocol.ts'
import { formatResult } from './result.ts'

/** Where the agent of this machine serves when the configuration's `agentSocket` does not say. */
export const DEFAULT_AGENT_SOCKET = '/run/tortie/agent.sock'

export interface PluginInput {
  readonly environment: Environment
  /** All of it, as text. Errors: {@link CniError}. */
  standardInput(): Promise<string>
  /** Hands a request to the agent at a unix socket; rejects with an error that has a `code`. */
  callAgent(socketPath: string, request: CniRequest): Promise<unknown>
}

export interface PluginOutput {
  /** One JSON document, or nothing. */
  readonly standardOutput: string
  readonly exitCode: 0 | 1
}

/**
 * One run of the CNI executable: reads what the runtime said, asks the agent, says what it answered.
 * Whatever was said, the output is what the specification calls for.
 */
export async function runPlugin(input: PluginInput): Promise<PluginOutput> {
  let cniVersion: string = CNI_VERSIONS.at(-1)!
  try {
    const command = readCommand(input.environment)
    const text = await input.standardInput()
    if (command === 'VERSION') return printVersions(text)
    const parameters = readParameters(input.environment, command)
    const raw = parseConfiguration(text)
    const said = CNI_VERSIONS.find((known) => known === raw['cniVersion'])
    if (said !== undefined) cniVersion = said
    const configuration = checkConfiguration(raw, command)
    const result = await ask(input, configuration.agentSocket ?? DEFAULT_AGENT_SOCKET, {
      ...parameters,
      configuration,
    })
    return command === 'ADD'
      ? print(formatResult(result as CniResult, configuration.cniVersion), 0)
      : { standardOutput: '', exitCode: 0 }
  } catch (thrown) {
    const { cniCode: code, message: msg, details } = asError(thrown)
    return print({ cniVersion, code, msg, details }, 1)
  }
}

/** What the specification asks for, without asking what the input is good for: runtimes send none. */
function printVersions(text: string): PluginOutput {
  let cniVersion: unknown
  try {
    ;({ cniVersion } = parseConfiguration(text))
  } catch {
    // Said by nobody.
  }
  if (typeof cniVersion !== 'string') cniVersion = CNI_VERSIONS.at(-1)!
  return print({ cniVersion, supportedVersions: CNI_VERSIONS }, 0)
}

function asError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown
  return new CniError(CNI_ERROR.internal, thrown instanceof Error ? thrown.message : String(thrown))
}

function print(value: object, exitCode: 0 | 1): PluginOutput {
  return { standardOutput: `${JSON.stringify(value)}\n`, exitCode }
}

/**
 * Asks the agent. Its own errors keep their code; where it cannot be asked, and where it is busy, "try
 * again later" says so.
 */
async function ask(input: PluginInput, socketPath: string, request: CniRequest): Promise<unknown> {
  try {
    return await input.callAgent(socketPath, request)
  } catch (thrown) {
    const { code = '', message, details } = thrown as AgentFailure
    const own = cniErrorCode(code)
    if (own !== undefined) throw new CniError(own, message, details)
    if (code === 'EINVAL') throw new CniError(CNI_ERROR.invalidConfiguration, message)
    if (code === 'EIO') throw new CniError(CNI_ERROR.internal, message)
    throw new CniError(
      request.command === 'STATUS' ? CNI_ERROR.notAvailable : CNI_ERROR.tryAgainLater,
      `The node agent does not answer at ${socketPath}: does "tortie agent" run on this node?`,
      `${message}. ${UNREACHABLE[code] ?? 'See what the log of the agent says.'}`,
    )
  }
}

type AgentFailure = Error & { readonly code?: string; readonly details?: string }

/** What can be done where the agent cannot be asked, by the error's code. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ENOENT:
    'Nobody serves there: start "tortie agent", with this --socket. The field agentSocket of the network configuration says where the plugin asks.',
  ECONNREFUSED:
    'Nobody serves there any more: start "tortie agent", or see why it ended in its log.',
  EACCES: 'Plugins run as the container runtime does: start that as root.',
  EPROTO: 'Update plugin and agent to the same version of Tortie.',
}
