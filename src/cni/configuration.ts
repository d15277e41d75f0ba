import {
  CNI_ERROR,
  CNI_ID,
  CNI_VERSIONS,
  type CniCommand,
  CniError,
  type CniVersion,
  COMMAND_SINCE,
  type NetworkConfiguration,
} from '../api/cni-protocol.ts'
import { shownValue } from './shown-value.ts'

/** The JSON object on standard input. Errors: {@link CniError} decodingFailure. */
export function parseConfiguration(text: string): Record<string, unknown> {
  const undecodable = (what: string): CniError =>
    new CniError(CNI_ERROR.decodingFailure, `The network configuration on standard input ${what}`)
  if (text.trim() === '') throw undecodable('is empty; expected a JSON object')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    throw undecodable(`is not JSON: ${placeOf(thrown as Error, text)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw undecodable('is not a JSON object')
  }
  return value as Record<string, unknown>
}

/** Where a text stops being JSON. Not what stands there, which may be a key or a token. */
function placeOf({ message }: Error, text: string): string {
  const [, position] = /position (\d+)/.exec(message) ?? []
  if (message.includes('end of JSON')) return 'it ends too early'
  if (position === undefined) return 'something in it is not expected there'
  const lines = text.slice(0, Number(position)).split('\n')
  return `what stands at line ${lines.length}, column ${lines.at(-1)!.length + 1} is not expected there`
}

/** The configuration with the fields that Tortie reads checked. Errors: {@link CniError}. */
export function checkConfiguration(
  configuration: Record<string, unknown>,
  command: CniCommand,
): NetworkConfiguration {
  const cniVersion = checkVersion(configuration['cniVersion'] ?? VERSION_UNSAID, command)
  const { name, mtu = 0, agentSocket } = configuration
  if (typeof name !== 'string' || !CNI_ID.test(name)) {
    throw new CniError(
      CNI_ERROR.invalidConfiguration,
      `name is ${shownValue(name)}; expected letters, digits, "_", "." and "-", a letter or digit first`,
    )
  }
  const valid = typeof mtu === 'number' && (mtu === 0 || (mtu >= 68 && mtu <= 65535))
  if (!valid || !Number.isInteger(mtu)) {
    throw new CniError(
      CNI_ERROR.invalidConfiguration,
      `mtu is ${shownValue(mtu)}; expected 0 (the agent's choice) or 68 to 65535 octets`,
    )
  }
  if (
    agentSocket !== undefined &&
    (typeof agentSocket !== 'string' || !agentSocket.startsWith('/'))
  ) {
    throw new CniError(
      CNI_ERROR.invalidConfiguration,
      `agentSocket is ${shownValue(agentSocket)}; expected the absolute path of the agent's socket`,
    )
  }
  return {
    ...configuration,
    cniVersion,
    ...(command === 'GC' ? { [VALID_ATTACHMENTS]: validAttachments(configuration) } : {}),
  } as unknown as NetworkConfiguration
}

const VALID_ATTACHMENTS = 'cni.dev/valid-attachments'
/** What the first text of CNI 1.1 called it. */
const FORMER_VALID_ATTACHMENTS = 'cni.dev/attachments'

type ValidAttachments = NonNullable<NetworkConfiguration[typeof VALID_ATTACHMENTS]>

/** What stays at GC. It must be said: without it every pod would be one that the runtime no longer knows. */
function validAttachments(configuration: Record<string, unknown>): ValidAttachments {
  const list = configuration[VALID_ATTACHMENTS] ?? configuration[FORMER_VALID_ATTACHMENTS]
  const isRow = (row: unknown): boolean => {
    const { containerID, ifname } = (row ?? {}) as Record<string, unknown>
    return typeof containerID === 'string' && typeof ifname === 'string'
  }
  if (Array.isArray(list) && list.every(isRow)) return list as ValidAttachments
  const expected =
    'expected the list of attachments that stay, {"containerID": "…", "ifname": "…"} each'
  throw new CniError(
    CNI_ERROR.invalidConfiguration,
    `${VALID_ATTACHMENTS} is ${list === undefined ? 'missing' : shownValue(list)}; ${expected}`,
    'Nothing was removed. The container runtime must name what it still has; an empty list if nothing.',
  )
}

/** As Calico's plugin reads a configuration that does not say. */
const VERSION_UNSAID = '0.2.0'

function checkVersion(value: unknown, command: CniCommand): CniVersion {
  const version = CNI_VERSIONS.find((known) => known === value)
  if (version === undefined) {
    throw new CniError(
      CNI_ERROR.incompatibleVersion,
      `cniVersion is ${shownValue(value)}; expected one of ${CNI_VERSIONS.join(', ')}`,
    )
  }
  const since = COMMAND_SINCE[command]
  if (CNI_VERSIONS.indexOf(version) < CNI_VERSIONS.indexOf(since)) {
    throw new CniError(
      CNI_ERROR.incompatibleVersion,
      `${command} needs cniVersion ${since} or later; the network configuration has ${version}`,
    )
  }
  return version
}
