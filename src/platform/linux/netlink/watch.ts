import type { KernelEvent } from '../../../kernel/kernel.ts'
import type { Closable } from '../../../lib/closable.ts'
import { eachMessage, type NetlinkMessage, RTM, RTNLGRP } from '../../../wire/netlink/message.ts'
import { linkBody } from '../../../wire/netlink/link.ts'
import { neighborBody } from '../../../wire/netlink/neighbor.ts'
import { settingsBody } from '../../../wire/netlink/settings.ts'
import { trafficControlPlace } from '../../../wire/netlink/traffic-control.ts'
import { decodeAddress } from './addresses.ts'
import { AF, type Context } from './context.ts'
import { ERRNO } from '../process/errno.ts'
import { FdWatcher } from '../process/fd-watcher.ts'
import { checked } from '../process/libc.ts'
import { forwardingFrom } from './forwarding.ts'
import { linkFrom } from './links.ts'
import { neighborFrom } from './neighbors.ts'
import type { OpenHandles } from '../process/open-handles.ts'
import { decodeRoute } from './routes.ts'
import { decodeRule } from './rules.ts'
import { setOption, SOCK } from '../sockets/socket-options.ts'
import { watchPacketFilter } from '../nftables/watch-packet-filter.ts'

const AF_NETLINK = 16
const NETLINK_ROUTE = 0
const SOCKADDR_NL_OCTETS = 12
const MSG_TRUNC = 0x20
/** Of memory in the kernel; a notification takes about 1 KiB of it. */
const BUFFER_OCTETS = 16 * 1024 * 1024
/** Datagrams read in one turn of the event loop, so that a flood does not stop everything else. */
const DATAGRAMS_PER_TURN = 500

/** All that a type of notification becomes; undefined says that it is of no interest. */
const EVENTS: Readonly<Record<number, (message: NetlinkMessage) => KernelEvent | undefined>> = {
  [RTM.newLink]: (message) => linkEvent('set', message),
  [RTM.deleteLink]: (message) => linkEvent('removed', message),
  [RTM.newAddress]: (message) => addressEvent('set', message),
  [RTM.deleteAddress]: (message) => addressEvent('removed', message),
  [RTM.newRoute]: (message) => routeEvent('set', message),
  [RTM.deleteRoute]: (message) => routeEvent('removed', message),
  [RTM.newRule]: (message) => ruleEvent('set', message),
  [RTM.deleteRule]: (message) => ruleEvent('removed', message),
  [RTM.newNeighbor]: (message) => neighborEvent('set', message),
  [RTM.deleteNeighbor]: (message) => neighborEvent('removed', message),
  [RTM.newQueueDiscipline]: trafficControlEvent,
  [RTM.deleteQueueDiscipline]: trafficControlEvent,
  [RTM.newFilter]: trafficControlEvent,
  [RTM.deleteFilter]: trafficControlEvent,
  [RTM.newSettings]: settingsEvent,
}

type Change = 'set' | 'removed'

function linkEvent(change: Change, message: NetlinkMessage): KernelEvent | undefined {
  const link = linkBody.decode(message.body)
  // A bridge tells of its ports in messages that look like those of links.
  return link.family === AF.unspecified ? { kind: 'link', change, link: linkFrom(link) } : undefined
}

function addressEvent(change: Change, message: NetlinkMessage): KernelEvent {
  return { kind: 'address', change, address: decodeAddress(message) }
}

function routeEvent(change: Change, message: NetlinkMessage): KernelEvent | undefined {
  const route = decodeRoute(message)
  return route && { kind: 'route', change, route }
}

function ruleEvent(change: Change, message: NetlinkMessage): KernelEvent {
  return { kind: 'rule', change, rule: decodeRule(message) }
}

function neighborEvent(change: Change, message: NetlinkMessage): KernelEvent | undefined {
  const body = neighborBody.decode(message.body)
  const neighbor = neighborFrom(body)
  if (neighbor !== undefined) return { kind: 'neighbor', change, neighbor }
  const entry = forwardingFrom(body)
  return entry && { kind: 'forwarding', change, entry }
}

function trafficControlEvent(message: NetlinkMessage): KernelEvent {
  return { kind: 'trafficControl', linkIndex: trafficControlPlace.decode(message.body).index }
}

function settingsEvent(message: NetlinkMessage): KernelEvent | undefined {
  const { family, index } = settingsBody.decode(message.body)
  if (family !== AF.inet && family !== AF.inet6) return undefined
  const linkIndex = index === undefined || index < 0 ? undefined : index
  return { kind: 'settings', family: family === AF.inet ? 4 : 6, linkIndex }
}

/** Subscribes to every multicast group of rtnetlink that the port has an event for, and to nftables'. */
export function watch(
  context: Context,
  resources: OpenHandles,
  listener: (event: KernelEvent) => void,
): Closable {
  const { libc, name } = context
  const what = `Watch ${name}`
  const type = SOCK.raw | SOCK.cloexec | SOCK.nonblock
  const fd = context.inside(() => checked(what, libc.socket(AF_NETLINK, type, NETLINK_ROUTE)))
  try {
    setOption(libc, what, fd, 'receiveBufferForce', BUFFER_OCTETS)
    checked(what, libc.bind(fd, groupsAddress()))
  } catch (thrown) {
    libc.close(fd)
    throw thrown
  }
  const buffer = Buffer.allocUnsafeSlow(256 * 1024)
  let closed = false
  // Once it lost something the kernel drops everything until its queue is empty, and says so only
  // once (net/netlink/af_netlink.c, netlink_overrun). Who lists again before that misses changes; so
  // what is still queued, all of it older than the list to come, is thrown away first.
  let overrun = false
  const watcher = new FdWatcher(fd, 'readable', () => {
    for (let count = 0; (overrun || count < DATAGRAMS_PER_TURN) && !closed; count++) {
      const length = libc.receive(fd, buffer, MSG_TRUNC)
      if (length === -ERRNO.EAGAIN) {
        if (overrun) listener({ kind: 'overrun' })
        overrun = false
        return
      }
      overrun ||= length === -ERRNO.ENOBUFS || length > buffer.length
      if (overrun) continue
      for (const event of eventsOf(length, buffer, what)) {
        if (!closed) listener(event)
      }
    }
  })
  const packetFilter = watchPacketFilter(context, () => listener({ kind: 'packetFilter' }))
  const watching: Closable = {
    close() {
      if (closed) return
      closed = true
      watcher.close()
      packetFilter?.close()
      libc.close(fd)
      resources.forget(watching)
    },
  }
  return resources.keep(watching)
}

function eventsOf(length: number, buffer: Buffer, what: string): KernelEvent[] {
  if (length === -ERRNO.EINTR) return []
  const datagram = buffer.subarray(0, checked(what, length))
  return [...eachMessage(datagram)]
    .map((message) => EVENTS[message.type]?.(message))
    .filter((event) => event !== undefined)
}

/** struct sockaddr_nl with the groups as bits. */
function groupsAddress(): Uint8Array {
  const address = Buffer.alloc(SOCKADDR_NL_OCTETS)
  address.writeUInt16LE(AF_NETLINK)
  const bits = Object.values(RTNLGRP).reduce((all, group) => all | (1 << (group - 1)), 0)
  address.writeUInt32LE(bits >>> 0, 8)
  return address
}
