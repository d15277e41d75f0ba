import { reassembleIpv4 } from '../../wire/packet/ipv4-fragments.ts'
import * as icmp from '../../wire/packet/icmp.ts'
import * as ipv4 from '../../wire/packet/ipv4.ts'
import type { Device } from './device.ts'
import { sendError } from './ip-output.ts'
import type { Namespace } from './namespace.ts'

/** Octets of incomplete packets that a namespace keeps (ipfrag_high_thresh). */
const MOST_OCTETS = 4 * 1024 * 1024

/** Adds a fragment; answers the whole packet when it was the last that was missing (ip_defrag). */
export function reassemble(
  namespace: Namespace,
  device: Device,
  fragment: Uint8Array,
): Uint8Array | undefined {
  const { counters, fragments } = namespace
  counters.add('Ip.ReasmReqds')
  const key = [
    ipv4.source(fragment),
    ipv4.destination(fragment),
    ipv4.protocol(fragment),
    ipv4.identification(fragment),
  ].join(' ')
  let queue = fragments.get(key)
  if (queue === undefined) {
    if (queuedOctets(namespace) + fragment.length > MOST_OCTETS) {
      counters.add('Ip.ReasmFails')
      return undefined
    }
    const started = { fragments: [] as Uint8Array[] }
    const seconds = namespace.sysctl.number('ipv4.ipfrag_time')
    namespace.machine.clock.after(seconds * 1000, () => {
      if (fragments.get(key) === started) expire(namespace, device, key)
    })
    fragments.set(key, started)
    queue = started
  }
  queue.fragments.push(fragment.slice())
  const whole = reassembleIpv4(queue.fragments)
  if (whole === undefined) return undefined
  fragments.delete(key)
  counters.add('Ip.ReasmOKs')
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
function expire(namespace: Namespace, device: Device, key: string): void {
  const queue = namespace.fragments.get(key)!
  namespace.fragments.delete(key)
  namespace.counters.add('Ip.ReasmFails')
  namespace.counters.add('Ip.ReasmTimeout')
  const first = queue.fragments.find((each) => ipv4.fragmentOffset(each) === 0)
  if (first !== undefined && device.up) {
    sendError(namespace, first, device, icmp.TYPE.timeExceeded, icmp.TIME_EXCEEDED.reassembly)
  }
}
