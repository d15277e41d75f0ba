import { reassembleIpv4 } from '../../../wire/packet/ipv4-fragments.ts'
import { fragmentKey, reassembleIpv6 } from '../../../wire/packet/ipv6-fragments.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import type { Device } from '../links/device.ts'
import { sendError } from './ip-output.ts'
import type { Namespace } from '../namespace.ts'

/** Octets of incomplete packets that a namespace keeps (ipfrag_high_thresh). */
const MOST_OCTETS = 4 * 1024 * 1024

/** Adds a fragment; answers the whole packet when it was the last that was missing (ip_defrag). */
export function reassemble(
  namespace: Namespace,
  device: Device,
  fragment: Uint8Array,
): Uint8Array | undefined {
  const key = [
    ipv4.source(fragment),
    ipv4.destination(fragment),
    ipv4.protocol(fragment),
    ipv4.identification(fragment),
  ].join(' ')
  return gather(namespace, device, key, fragment, IPV4)
}

/** {@link reassemble} for IPv6 (ipv6_frag_rcv). */
export function reassemble6(
  namespace: Namespace,
  device: Device,
  fragment: Uint8Array,
  identification: number,
): Uint8Array | undefined {
  return gather(namespace, device, fragmentKey(fragment, identification), fragment, IPV6)
}

/** What the families do not share. */
interface Kind {
  readonly group: 'Ip' | 'Ip6'
  whole(fragments: readonly Uint8Array[]): Uint8Array | undefined
  isFirst(fragment: Uint8Array): boolean
  /** Type and code of the error that a packet has taken too long. */
  readonly late: readonly [type: number, code: number]
}

const IPV4: Kind = {
  group: 'Ip',
  whole: reassembleIpv4,
  isFirst: (fragment) => ipv4.fragmentOffset(fragment) === 0,
  late: [icmp.TYPE.timeExceeded, icmp.TIME_EXCEEDED.reassembly],
}

const IPV6: Kind = {
  group: 'Ip6',
  whole: reassembleIpv6,
  isFirst: (fragment) => ipv6.payload(fragment)?.fragment?.offset === 0,
  late: [icmpv6.TYPE.timeExceeded, 1],
}

function gather(
  namespace: Namespace,
  device: Device,
  key: string,
  fragment: Uint8Array,
  kind: Kind,
): Uint8Array | undefined {
  const { counters, fragments } = namespace
  counters.add(`${kind.group}.ReasmReqds`)
  let queue = fragments.get(key)
  if (queue === undefined) {
    if (queuedOctets(namespace) + fragment.length > MOST_OCTETS) {
      counters.add(`${kind.group}.ReasmFails`)
      return undefined
    }
    const started = { fragments: [] as Uint8Array[] }
    const seconds = kind.group === 'Ip' ? namespace.sysctl.number('ipv4.ipfrag_time') : 60
    namespace.machine.clock.after(seconds * 1000, () => {
      if (fragments.get(key) === started) expire(namespace, device, key, kind)
    })
    fragments.set(key, started)
    queue = started
  }
  queue.fragments.push(fragment.slice())
  const whole = kind.whole(queue.fragments)
  if (whole === undefined) return undefined
  fragments.delete(key)
  counters.add(`${kind.group}.ReasmOKs`)
  return whole
}

function queuedOctets(namespace: Namespace): number {
  let octets = 0
  for (const queue of namespace.fragments.values()) {
    for (const fragment of queue.fragments) octets += fragment.length
  }
  return octets
}

/** ip_expire: the rest did not come; the first fragment's sender is told. */
function expire(namespace: Namespace, device: Device, key: string, kind: Kind): void {
  const queue = namespace.fragments.get(key)!
  namespace.fragments.delete(key)
  namespace.counters.add(`${kind.group}.ReasmFails`)
  namespace.counters.add(`${kind.group}.ReasmTimeout`)
  const first = queue.fragments.find((each) => kind.isFirst(each))
  if (first !== undefined && device.up) sendError(namespace, first, device, ...kind.late)
}
