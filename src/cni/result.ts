import type { CniResult, CniVersion } from '../api/cni-protocol.ts'

type Ip = CniResult['ips'][number]
type Shape = (result: CniResult, cniVersion: CniVersion) => object

/** How each version of the specification writes the result of ADD. */
const SHAPES: Readonly<Record<CniVersion, Shape>> = {
  '0.1.0': asTwoAddresses,
  '0.2.0': asTwoAddresses,
  '0.3.0': withVersionedAddresses,
  '0.3.1': withVersionedAddresses,
  '0.4.0': withVersionedAddresses,
  '1.0.0': withoutMtus,
  '1.1.0': (result, cniVersion) => ({ cniVersion, ...result }),
}

/** A result as the given version of the specification writes it. */
export function formatResult(result: CniResult, version: CniVersion): object {
  return SHAPES[version](result, version)
}

function withoutMtus(result: CniResult, cniVersion: CniVersion): object {
  const interfaces = result.interfaces.map(({ name, mac, sandbox }) => ({
    name,
    ...(mac === undefined ? {} : { mac }),
    ...(sandbox === undefined ? {} : { sandbox }),
  }))
  const routes = result.routes.map(destinationAndGateway)
  return { cniVersion, ...result, interfaces, routes }
}

/** Until 1.0.0 every address names its family. */
function withVersionedAddresses(result: CniResult, cniVersion: CniVersion): object {
  const ips = result.ips.map((row) => ({ version: String(familyOfIp(row)), ...row }))
  return { ...withoutMtus(result, cniVersion), ips }
}

/** Before 0.3.0: no interfaces, and an address of each family at most, with its routes. */
function asTwoAddresses({ ips, routes, dns }: CniResult, cniVersion: CniVersion): object {
  const of = (family: 4 | 6): object => {
    const row = ips.find((each) => familyOfIp(each) === family)
    if (row === undefined) return {}
    const own = routes.filter(({ dst }) => dst.includes(':') === (family === 6))
    const { address, gateway } = row
    return {
      [`ip${family}`]: {
        ip: address,
        ...(gateway === undefined ? {} : { gateway }),
        ...(own.length === 0 ? {} : { routes: own.map(destinationAndGateway) }),
      },
    }
  }
  return { cniVersion, ...of(4), ...of(6), dns }
}

function destinationAndGateway({ dst, gw }: CniResult['routes'][number]): object {
  return { dst, ...(gw === undefined ? {} : { gw }) }
}

function familyOfIp({ address }: Ip): 4 | 6 {
  return address.includes(':') ? 6 : 4
}
