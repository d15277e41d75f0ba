import {
  CNI_ERROR,
  CniError,
  type CniRequest,
  type NetworkConfiguration,
} from '../api/cni-protocol.ts'
import { type IpAddress, parseIpAddress } from '../net/ip-address.ts'
import { type MacAddress, parseMacAddress } from '../net/mac-address.ts'
import { parseInterfaceAddress, type Prefix, prefixOf } from '../net/prefix.ts'
import type { Attachment } from './attachment.ts'
import { destinationsOf } from './networking.ts'
import { shownValue } from './shown-value.ts'

/** What a request is about, whether it was made or not. Its host end is named by who makes it. */
export type Subject = Omit<Attachment, 'hostInterfaceName'>

/** Who is attached, by the runtime's words. */
export function subjectOf(request: CniRequest): Subject {
  const { configuration, containerId, interfaceName, networkNamespace } = request
  const { K8S_POD_NAME: pod = '', K8S_POD_NAMESPACE: namespace = '' } = request.arguments
  // As in Calico: a workload is Kubernetes' only by both names, and else is known by its container.
  const isKubernetes = pod !== '' && namespace !== ''
  return {
    network: configuration.name,
    containerId,
    networkNamespace,
    interfaceName,
    orchestrator: isKubernetes ? 'k8s' : 'cni',
    namespace: isKubernetes ? namespace : 'default',
    pod: isKubernetes ? pod : containerId,
    labels: {},
    addresses: [],
    mtu: 0,
    state: 'adding',
  }
}

/** What ADD is to make, but for what is found out on the way. */
export function intendedAttachment(request: CniRequest, podMtu: number): Subject {
  const { mtu, args, container_settings: settings } = request.configuration
  const destinations = ownDestinations(request.configuration)
  const macAddress = requestedMac(request)
  return {
    ...subjectOf(request),
    labels: Object.fromEntries((args?.cni?.labels ?? []).map(({ key, value }) => [key, value])),
    mtu: mtu || podMtu,
    followsNodeMtu: !mtu,
    forwards: settings?.allow_ip_forwarding ?? false,
    ...(macAddress === undefined ? {} : { macAddress }),
    ...(destinations === undefined ? {} : { destinations }),
  }
}

function ownDestinations({
  ipam,
  include_default_routes: withDefault = false,
}: NetworkConfiguration): readonly Prefix[] | undefined {
  const own = (ipam?.routes ?? []).flatMap(({ dst }) => {
    const parsed = parseInterfaceAddress(dst)
    return parsed === undefined ? [] : [prefixOf(parsed.address, parsed.prefixLength)]
  })
  if (own.length === 0) return undefined
  return [...new Set(withDefault ? [...destinationsOf({}), ...own] : own)]
}

/**
 * Fixed addresses by the conventions, the first of which holds: the capability `ips`, `args.cni.ips`, IP
 * in CNI_ARGS. Errors: {@link CniError}.
 */
export function requestedAddresses({
  configuration: { runtimeConfig, args },
  arguments: { IP },
}: CniRequest): readonly IpAddress[] {
  const { code, where, texts } =
    [
      {
        code: CNI_ERROR.invalidConfiguration,
        where: 'runtimeConfig.ips',
        texts: runtimeConfig?.ips,
      },
      { code: CNI_ERROR.invalidConfiguration, where: 'args.cni.ips', texts: args?.cni?.ips },
      { code: CNI_ERROR.invalidEnvironment, where: 'IP in CNI_ARGS', texts: IP?.split(',') },
    ].find((way) => (way.texts ?? []).length > 0) ?? NO_ADDRESSES
  const addresses = texts!.map((text) => {
    const address = parseIpAddress(text.split('/')[0]!)
    if (address === undefined) {
      throw new CniError(code, `${where} has ${shownValue(text)}, which is no IP address`)
    }
    if (!address.includes(':')) return address
    throw new CniError(
      CNI_ERROR.unsupportedField,
      `${where} has ${shownValue(text)}, which is not supported: pods have no IPv6 addresses`,
    )
  })
  return [...new Set(addresses)]
}

const NO_ADDRESSES = { code: CNI_ERROR.invalidConfiguration, where: '', texts: [] as string[] }

function requestedMac({
  configuration: { runtimeConfig },
  arguments: { MAC },
}: CniRequest): MacAddress | undefined {
  const text = runtimeConfig?.mac ?? MAC
  if (text === undefined || text === '') return undefined
  const address = parseMacAddress(text)
  if (address !== undefined && Number.parseInt(address.slice(0, 2), 16) % 2 === 0) return address
  const [code, where] =
    runtimeConfig?.mac === undefined
      ? ([CNI_ERROR.invalidEnvironment, 'MAC in CNI_ARGS'] as const)
      : ([CNI_ERROR.invalidConfiguration, 'runtimeConfig.mac'] as const)
  const expected = 'expected the MAC address of one interface, such as 02:00:00:00:00:01'
  throw new CniError(code, `${where} is ${shownValue(text)}; ${expected}`)
}
