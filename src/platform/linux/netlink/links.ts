import {
  type Kernel,
  KernelError,
  type Link,
  type LinkChange,
  type LinkSpec,
  type VxlanSettings,
  isKernelError,
} from '../../../kernel/kernel.ts'
import { ByteReader } from '../../../lib/bytes.ts'
import { macFromOctets, macOctets, type MacAddress } from '../../../net/mac-address.ts'
import {
  ARPHRD,
  IFF,
  linkBody,
  type LinkMessage,
  type LinkRequest,
  SKIP_STATISTICS,
  vethData,
  vxlanData,
} from '../../../wire/netlink/link.ts'
import { encoded } from '../../../wire/netlink/codec.ts'
import { type NetlinkMessage, NLM_F, RTM } from '../../../wire/netlink/message.ts'
import type { Context } from './context.ts'
import { createTun } from './tun.ts'

/** The descriptor of another kernel's namespace; throws for a kernel that is not of this machine. */
export type NamespaceOf = (kernel: Kernel) => number

export function listLinks({ netlink, name }: Context): Link[] {
  const body = { extendedMask: SKIP_STATISTICS }
  return netlink.dump(
    {
      type: RTM.getLink,
      body: (to) => linkBody.encode(to, body),
      what: () => `List links on ${name}`,
    },
    decodeLink,
  )
}

export function findLink({ netlink, name }: Context, linkName: string): Link | undefined {
  const body = { name: linkName, extendedMask: SKIP_STATISTICS }
  try {
    return netlink.ask(
      {
        type: RTM.getLink,
        body: (to) => linkBody.encode(to, body),
        what: () => `Look up link ${linkName} on ${name}`,
      },
      decodeLink,
    )
  } catch (thrown) {
    // ERANGE is a name longer than any link's.
    if (isKernelError(thrown, 'ENODEV', 'ERANGE')) return undefined
    throw thrown
  }
}

export function createLink(context: Context, spec: LinkSpec, namespaceOf: NamespaceOf): Link {
  if (spec.kind === 'ipip' && spec.name === 'tunl0') return createFallbackTunnel(context, spec)
  if (spec.kind === 'tun') createTun(context, spec.name)
  else requestLink(context, spec, namespaceOf)
  const link = findLink(context, spec.name)
  if (link === undefined) {
    throw new KernelError('ENODEV', `${describe(context, spec)}: gone as soon as it was made`)
  }
  if (spec.kind !== 'tun' || spec.mtu === undefined) return link
  changeLink(context, link.index, { mtu: spec.mtu }, namespaceOf)
  return { ...link, mtu: spec.mtu }
}

function requestLink(context: Context, spec: LinkSpec, namespaceOf: NamespaceOf): void {
  const body: LinkRequest = {
    name: spec.name,
    mtu: spec.mtu,
    info: { kind: spec.kind },
    ...(spec.kind === 'veth' ? vethRequest(spec, namespaceOf) : {}),
    ...(spec.kind === 'vxlan' ? vxlanRequest(spec) : {}),
  }
  context.netlink.execute({
    type: RTM.newLink,
    flags: NLM_F.create | NLM_F.exclusive,
    body: (to) => linkBody.encode(to, body),
    what: () => describe(context, spec),
  })
}

function vethRequest(
  spec: Extract<LinkSpec, { kind: 'veth' }>,
  namespaceOf: NamespaceOf,
): LinkRequest {
  const { peer } = spec
  const data = vethData({
    name: peer.name,
    mtu: spec.mtu,
    address: peer.macAddress === undefined ? undefined : macOctets(peer.macAddress),
    namespaceFd: peer.kernel === undefined ? undefined : namespaceOf(peer.kernel),
  })
  return {
    address: spec.macAddress === undefined ? undefined : macOctets(spec.macAddress),
    info: { kind: 'veth', data },
  }
}

function vxlanRequest({ macAddress, vxlan }: Extract<LinkSpec, { kind: 'vxlan' }>): LinkRequest {
  const { vni, port, localAddress, parentIndex, learning } = vxlan
  const isVersion6 = localAddress?.includes(':') === true
  const data = encoded((to) =>
    vxlanData.encode(to, {
      vni,
      link: parentIndex,
      [isVersion6 ? 'local6' : 'local']: localAddress,
      learning: learning ? 1 : 0,
      port,
    }),
  )
  return {
    address: macAddress === undefined ? undefined : macOctets(macAddress),
    info: { kind: 'vxlan', data },
  }
}

/**
 * The ipip module makes tunl0 itself in every namespace, and a request for any ipip link loads the
 * module; so the device is there after the request whatever the request answered.
 */
function createFallbackTunnel(context: Context, spec: Extract<LinkSpec, { kind: 'ipip' }>): Link {
  try {
    requestLink(context, spec, () => -1)
  } catch (thrown) {
    if (!isKernelError(thrown, 'EEXIST')) throw thrown
  }
  const link = findLink(context, spec.name)
  if (link?.kind !== 'ipip') {
    throw new KernelError('EEXIST', `${describe(context, spec)}: another kind of link has the name`)
  }
  if (spec.mtu !== undefined) changeLink(context, link.index, { mtu: spec.mtu }, () => -1)
  return { ...link, mtu: spec.mtu ?? link.mtu }
}

export function changeLink(
  { netlink, name }: Context,
  index: number,
  change: LinkChange,
  namespaceOf: NamespaceOf,
): void {
  const body: LinkRequest = {
    index,
    flags: change.up === true ? IFF.up : 0,
    change: change.up === undefined ? 0 : IFF.up,
    mtu: change.mtu,
    gsoIpv4MaxSize: change.segmentOctets,
    name: change.name,
    address: change.macAddress === undefined ? undefined : macOctets(change.macAddress),
    master: change.masterIndex === null ? 0 : change.masterIndex,
    namespaceFd: change.kernel === undefined ? undefined : namespaceOf(change.kernel),
  }
  netlink.execute({
    type: RTM.newLink,
    body: (to) => linkBody.encode(to, body),
    what: () => `Change link ${index} on ${name} (${Object.keys(change).join(', ')})`,
  })
}

/**
 * Lets a link that was just brought up send from now on, and the other end of its pair too. Linux takes
 * note of carrier in a work queue; until that has run, the end that was up first drops what it sends,
 * whatever IFF_LOWER_UP says. A request about a single link does that work first (rtnl_getlink calls
 * linkwatch_sync_dev); before Linux 6.8 it does not, and some milliseconds remain in which packets are
 * lost.
 */
export function settleCarrier({ netlink, name }: Context, index: number): void {
  const ask = (body: LinkRequest): LinkMessage =>
    netlink.ask(
      {
        type: RTM.getLink,
        body: (to) => linkBody.encode(to, { extendedMask: SKIP_STATISTICS, ...body }),
        what: () => `Look up link ${body.index} on ${name}`,
      },
      ({ body }) => linkBody.decode(body),
    )
  try {
    const own = ask({ index })
    if (own.info?.kind !== 'veth' || own.link === undefined) return
    const { link: peer, linkNamespaceId: targetNamespaceId } = own
    ask({ index: peer, ...(targetNamespaceId === undefined ? {} : { targetNamespaceId }) })
  } catch (thrown) {
    // It is gone, or this process may not ask about the other end: the link is up all the same.
    if (!isKernelError(thrown)) throw thrown
  }
}

export function deleteLink({ netlink, name }: Context, index: number): void {
  netlink.execute({
    type: RTM.deleteLink,
    body: (to) => linkBody.encode(to, { index }),
    what: () => `Delete link ${index} on ${name}`,
  })
}

function describe({ name }: Context, spec: LinkSpec): string {
  return `Create link ${spec.name} (${spec.kind}) on ${name}`
}

export function decodeLink(message: NetlinkMessage): Link {
  return linkFrom(linkBody.decode(message.body))
}

export function linkFrom(link: LinkMessage): Link {
  const kind = link.type === ARPHRD.loopback ? 'loopback' : (link.info?.kind ?? '')
  return {
    index: link.index,
    name: link.name ?? '',
    kind,
    mtu: link.mtu ?? 0,
    ...(link.gsoIpv4MaxSize === undefined ? {} : { segmentOctets: link.gsoIpv4MaxSize }),
    macAddress: macFrom(link.address),
    up: (link.flags & IFF.up) !== 0,
    carrier: (link.flags & IFF.lowerUp) !== 0,
    masterIndex: link.master === 0 ? undefined : link.master,
    peerIndex: kind === 'veth' ? link.link : undefined,
    ...(kind === 'vxlan' && link.info?.data !== undefined
      ? { vxlan: vxlanFrom(link.info.data) }
      : {}),
  }
}

function vxlanFrom(octets: Uint8Array): VxlanSettings {
  const data = vxlanData.decode(new ByteReader(octets))
  return {
    vni: data.vni ?? 0,
    port: data.port ?? 0,
    localAddress: data.local ?? data.local6,
    parentIndex: data.link === 0 ? undefined : data.link,
    learning: data.learning === 1,
  }
}

export function macFrom(octets: Uint8Array | undefined): MacAddress | undefined {
  return octets?.length === 6 ? macFromOctets(octets) : undefined
}
