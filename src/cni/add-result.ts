import type { CniDns, CniResult, CniRoute, NetworkConfiguration } from '../api/cni-protocol.ts'
import { addressBits, familyOf } from '../net/ip-address.ts'
import { POD_GATEWAY, POD_GATEWAY_PREFIX } from '../routes/desired-routes.ts'
import type { Attachment } from './attachment.ts'
import { destinationsOf } from './networking.ts'

/** What ADD has made, added to what plugins before it in the chain made. */
export function addResult(attachment: Attachment, configuration: NetworkConfiguration): CniResult {
  const { prevResult } = configuration
  const before = prevResult ?? NOTHING
  const own = before.interfaces.length + 1
  return {
    interfaces: [...before.interfaces, ...interfacesOf(attachment)],
    ips: [
      ...before.ips,
      ...attachment.addresses.map((address) => ({
        address: `${address}/${addressBits(familyOf(address))}`,
        gateway: POD_GATEWAY,
        interface: own,
      })),
    ],
    routes: [...before.routes, ...routesOf(attachment)],
    dns: dnsOf(configuration) ?? before.dns,
  }
}

const NOTHING: CniResult = { interfaces: [], ips: [], routes: [], dns: {} }

/** RT_SCOPE_LINK */
const SCOPE_LINK = 253

function interfacesOf(attachment: Attachment): CniResult['interfaces'] {
  const { hostInterfaceName, interfaceName, macAddress, mtu, networkNamespace } = attachment
  return [
    { name: hostInterfaceName },
    {
      name: interfaceName,
      ...(macAddress === undefined ? {} : { mac: macAddress }),
      mtu,
      sandbox: networkNamespace,
    },
  ]
}

function routesOf(attachment: Attachment): CniRoute[] {
  return [
    { dst: POD_GATEWAY_PREFIX, scope: SCOPE_LINK },
    ...destinationsOf(attachment).map((dst) => ({ dst, gw: POD_GATEWAY })),
  ]
}

/** What the runtime says goes before what the configuration does. */
function dnsOf({ runtimeConfig, dns }: NetworkConfiguration): CniDns | undefined {
  if (runtimeConfig?.dns === undefined) return dns
  const { servers, searches, ...rest } = runtimeConfig.dns
  return {
    ...dns,
    ...rest,
    ...(servers === undefined ? {} : { nameservers: servers }),
    ...(searches === undefined ? {} : { search: searches }),
  }
}
