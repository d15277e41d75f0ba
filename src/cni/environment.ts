import { isInterfaceName } from '../net/interface-name.ts'
import {
  CNI_COMMANDS,
  CNI_ERROR,
  CNI_ID,
  type CniCommand,
  CniError,
  type CniRequest,
} from '../api/cni-protocol.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The variables that each command must have (CNI specification, "Parameters"). */
const NEEDS: Readonly<Record<Exclude<CniCommand, 'VERSION'>, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  GC: [],
  STATUS: [],
}

const invalid = (message: string): CniError => new CniError(CNI_ERROR.invalidEnvironment, message)

/** CNI_COMMAND. Errors: {@link CniError} invalidEnvironment. */
export function readCommand(environment: Environment): CniCommand {
  const value = environment['CNI_COMMAND'] ?? ''
  const expected = `expected one of ${CNI_COMMANDS.join(', ')}`
  if (value === '') {
    throw invalid(`CNI_COMMAND is not set: a container runtime starts this program; ${expected}`)
  }
  const command = CNI_COMMANDS.find((name) => name === value)
  if (command === undefined) throw invalid(`CNI_COMMAND is "${value}"; ${expected}`)
  return command
}

/** The parameters of a command other than VERSION. Errors: {@link CniError} invalidEnvironment. */
export function readParameters(
  environment: Environment,
  command: Exclude<CniCommand, 'VERSION'>,
): Omit<CniRequest, 'configuration'> {
  for (const name of NEEDS[command]) {
    if ((environment[name] ?? '') === '')
      throw invalid(`${command} needs ${name}, which is not set`)
  }
  const containerId = environment['CNI_CONTAINERID'] ?? ''
  if (containerId !== '' && !CNI_ID.test(containerId)) {
    throw invalid(`CNI_CONTAINERID is "${containerId}"; expected letters, digits, "_", "." and "-"`)
  }
  const interfaceName = environment['CNI_IFNAME'] ?? ''
  if (interfaceName !== '' && !isInterfaceName(interfaceName)) {
    throw invalid(
      `CNI_IFNAME is "${interfaceName}"; expected 1 to 15 characters without "/", ":" or white space`,
    )
  }
  return {
    command,
    containerId,
    networkNamespace: environment['CNI_NETNS'] ?? '',
    interfaceName,
    arguments: parseArguments(environment['CNI_ARGS'] ?? ''),
  }
}

function parseArguments(text: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const pair of text.split(';').filter((part) => part !== '')) {
    const equals = pair.indexOf('=')
    if (equals <= 0) {
      throw invalid(`CNI_ARGS has "${pair}"; expected KEY=VALUE pairs with ";" between them`)
    }
    found[pair.slice(0, equals)] = pair.slice(equals + 1)
  }
  return found
}
