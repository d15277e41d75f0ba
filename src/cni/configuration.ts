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

/** The JSON object on standard input. Errors: {@link CniError} decodingFailure. */
export function parseConfiguration(text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (thrown) {
    throw new CniError(
      CNI_ERROR.decodingFailure,
      'The network configuration on standard input is not JSON',
      (thrown as Error).message,
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const message = 'The network configuration on standard input is not a JSON object'
    throw new CniError(CNI_ERROR.decodingFailure, message)
  }
  return value as Record<string, unknown>
}

/** The configuration with the fields that Tortie reads checked. Errors: {@link CniError}. */
export function checkConfiguration(
  configuration: Record<string, unknown>,
  command: CniCommand,
): NetworkConfiguration {
  const cniVersion = checkVersion(configuration['cniVersion'] ?? '0.3.1', command)
  const { name, mtu = 0, agentSocket } = configuration
  if (typeof name !== 'string' || !CNI_ID.test(name)) {
    throw new CniError(
      CNI_ERROR.invalidConfiguration,
      `name is ${JSON.stringify(name)}; expected letters, digits, "_", "." and "-", a letter or digit first`,
    )
  }
  const valid = typeof mtu === 'number' && (mtu === 0 || (mtu >= 68 && mtu <= 65535))
  if (!valid || !Number.isInteger(mtu)) {
    throw new CniError(
      CNI_ERROR.invalidConfiguration,
      `mtu is ${JSON.stringify(mtu)}; expected 0 (the agent's choice) or 68 to 65535 octets`,
    )
  }
  if (
    agentSocket !== undefined &&
    (typeof agentSocket !== 'string' || !agentSocket.startsWith('/'))
  ) {
    throw new CniError(
      CNI_ERROR.invalidConfiguration,
      `agentSocket is ${JSON.stringify(agentSocket)}; expected the absolute path of the agent's socket`,
    )
  }
  return { ...configuration, cniVersion } as unknown as NetworkConfiguration
}

function checkVersion(value: unknown, command: CniCommand): CniVersion {
  const version = CNI_VERSIONS.find((known) => known === value)
  if (version === undefined) {
    throw new CniError(
      CNI_ERROR.incompatibleVersion,
      `cniVersion is ${JSON.stringify(value)}; expected one of ${CNI_VERSIONS.join(', ')}`,
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
