import { shownValue } from './shown-value.ts'
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
  if (command === undefined) throw invalid(`CNI_COMMAND is ${shownValue(value)}; ${expected}`)
  return command
}

/** The parameters of a command other than VERSION. Errors: {@link CniError} invalidEnvironment. */
export function readParameters(
  environment: Environment,
  command: Exclude<CniCommand, 'VERSION'>,
): Omit<CniRequest, 'configuration'> {
  const missing = NEEDS[command].filter((name) => (environment[name] ?? '') === '')
  if (missing.length > 0) {
    const are = missing.length === 1 ? 'is' : 'are'
    throw invalid(`${command} needs ${missing.join(', ')}, which ${are} not set`)
  }
  const containerId = environment['CNI_CONTAINERID'] ?? ''
  if (containerId !== '' && !CNI_ID.test(containerId)) {
    throw invalid(
      `CNI_CONTAINERID is ${shownValue(containerId)}; expected letters, digits, "_", "." and "-", a letter or digit first`,
    )
  }
  const interfaceName = environment['CNI_IFNAME'] ?? ''
  if (interfaceName !== '' && !isInterfaceName(interfaceName)) {
    throw invalid(
      `CNI_IFNAME is ${shownValue(interfaceName)}; expected 1 to 15 characters without "/", ":" or white space`,
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
  const pairs = text.split(';').filter((part) => part !== '')
  // Object.fromEntries makes a field of any key, "__proto__" too.
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const equals = pair.indexOf('=')
      if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)]
      throw invalid(
        `CNI_ARGS has ${shownValue(pair)}; expected KEY=VALUE pairs with ";" between them`,
      )
    }),
  )
}
