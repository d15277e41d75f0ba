import { checkConfiguration, parseConfiguration } from './configuration.ts'
import { type Environment, readCommand, readParameters } from './environment.ts'
import {
  CNI_ERROR,
  CNI_VERSIONS,
  CniError,
  cniErrorCode,
  type CniCommand,
  type CniRequest,
  type CniResult,
  type CniVersion,
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
  /** Lines for whoever reads the log of the runtime, as `log_level` asks for them. */
  readonly standardError: string
  readonly exitCode: 0 | 1
}

/**
 * One run of the CNI executable: reads what the runtime said, asks the agent, says what it answered.
 * Whatever was said, the output is what the specification calls for.
 */
export async function runPlugin(input: PluginInput): Promise<PluginOutput> {
  const said: Said = { cniVersion: CNI_VERSIONS.at(-1)!, logLevel: '' }
  try {
    const command = readCommand(input.environment)
    if (command === 'VERSION') return printVersions(await input.standardInput())
    const result = await serve(input, command, said)
    const { CNI_CONTAINERID: container = '', CNI_IFNAME: name = '' } = input.environment
    const addresses = result?.ips.map(({ address }) => address).join(', ') ?? ''
    const line = `${command} ${container} ${name} ${addresses}`
    const standardError = TELLS_OF_ALL.has(said.logLevel) ? logLine(line) : ''
    return result === undefined
      ? { standardOutput: '', standardError, exitCode: 0 }
      : { ...print(formatResult(result, said.cniVersion), 0), standardError }
  } catch (thrown) {
    const { cniCode: code, message: msg, details } = asError(thrown)
    const standardError = TELLS_OF_ERRORS.has(said.logLevel) ? logLine(`${code}: ${msg}`) : ''
    return { ...print({ cniVersion: said.cniVersion, code, msg, details }, 1), standardError }
  }
}

/** How the runtime is answered, as soon as it has said so. */
interface Said {
  cniVersion: CniVersion
  logLevel: string
}

const TELLS_OF_ALL: ReadonlySet<string> = new Set(['debug', 'info'])
const TELLS_OF_ERRORS: ReadonlySet<string> = new Set([...TELLS_OF_ALL, 'warn', 'warning', 'error'])

function logLine(text: string): string {
  return `tortie-cni: ${text.trim().replaceAll(/\s+/g, ' ')}\n`
}

async function serve(
  input: PluginInput,
  command: Exclude<CniCommand, 'VERSION'>,
  said: Said,
): Promise<CniResult | undefined> {
  const parameters = readParameters(input.environment, command)
  const raw = parseConfiguration(await input.standardInput())
  said.cniVersion = CNI_VERSIONS.find((known) => known === raw['cniVersion']) ?? said.cniVersion
  if (typeof raw['log_level'] === 'string') said.logLevel = raw['log_level'].toLowerCase()
  const configuration = checkConfiguration(raw, command)
  said.cniVersion = configuration.cniVersion
  const socketPath = configuration.agentSocket ?? DEFAULT_AGENT_SOCKET
  const result = await ask(input, socketPath, { ...parameters, configuration })
  return command === 'ADD' ? (result as CniResult) : undefined
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
  return { standardOutput: `${JSON.stringify(value)}\n`, standardError: '', exitCode }
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
    if (code === 'EINVAL' || code === 'EMSGSIZE') {
      throw new CniError(CNI_ERROR.invalidConfiguration, message)
    }
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
