import type { BfdSessionConfig } from '../bgp/bfd/bfd.ts'
import type { BgpdFile } from './config-schema.ts'

/**
 * The BFD sessions that a configuration asks for, by what they are: the same text, the same session.
 * Only neighbors with a local address can have one, since BFD is between two addresses.
 */
export function bfdSessions(file: BgpdFile): ReadonlyMap<string, BfdSessionConfig> {
  const found = new Map<string, BfdSessionConfig>()
  for (const { address, localAddress, bfd, multihopTtl } of file.neighbors ?? []) {
    if (bfd === undefined || bfd === false || localAddress === undefined) continue
    const { desiredMinTxMilliseconds, requiredMinRxMilliseconds, detectMultiplier } =
      bfd === true ? {} : bfd
    const config: BfdSessionConfig = {
      local: localAddress,
      remote: address,
      multihop: multihopTtl !== undefined,
      ...(desiredMinTxMilliseconds === undefined ? {} : { desiredMinTxMilliseconds }),
      ...(requiredMinRxMilliseconds === undefined ? {} : { requiredMinRxMilliseconds }),
      ...(detectMultiplier === undefined ? {} : { detectMultiplier }),
    }
    found.set(JSON.stringify(config), config)
  }
  return found
}
