import type { CniResult, CniVersion } from '../api/cni-protocol.ts'

/** A result as the given version of the specification writes it. */
export function formatResult(result: CniResult, version: CniVersion): object {
  const old = version === '0.3.1' || version === '0.4.0'
  return {
    cniVersion: version,
    interfaces: result.interfaces.map(({ mtu, ...rest }) =>
      version === '1.1.0' && mtu !== undefined ? { ...rest, mtu } : rest,
    ),
    // Until 1.0.0 every address names its family.
    ips: result.ips.map((entry) =>
      old ? { version: entry.address.includes(':') ? '6' : '4', ...entry } : entry,
    ),
    routes: result.routes,
    dns: result.dns,
  }
}
