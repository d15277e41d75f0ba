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

/** PATH_MAX of Linux. */
const PATH_MAX = 4096
const CONTAINER_ID_MAX = 4096
const ARGUMENTS_MAX = 65_536

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
  if (containerId.length > CONTAINER_ID_MAX) {
    throw invalid(
      `CNI_CONTAINERID has ${containerId.length} characters; expected ${CONTAINER_ID_MAX} at most`,
    )
  }
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
    networkNamespace: readNamespace(environment['CNI_NETNS'] ?? '', command),
    interfaceName,
    arguments: parseArguments(environment['CNI_ARGS'] ?? ''),
  }
}

/** The agent is another process, with a working directory of its own. DEL does without what it cannot use. */
function readNamespace(path: string, command: CniCommand): string {
  if (path === '' || (path.startsWith('/') && path.length <= PATH_MAX)) return path
  if (command === 'DEL') return ''
  throw invalid(
    `CNI_NETNS is ${shownValue(path)}; expected the absolute path of a network namespace`,
  )
}

function parseArguments(text: string): Record<string, string> {
  if (text.length > ARGUMENTS_MAX) {
    throw invalid(`CNI_ARGS has ${text.length} characters; expected ${ARGUMENTS_MAX} at most`)
  }
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
