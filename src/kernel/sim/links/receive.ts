import { ETHER_TYPE } from '../../../wire/packet/protocols.ts'
import { receiveArp } from '../ip/arp-input.ts'
import type { Device, Frame } from './device.ts'
import { bridgeInput } from './drivers.ts'
import { receiveIpv4, receiveIpv6 } from '../ip/ip-input.ts'

/** A frame has come in by a link (netif_receive_skb): captures see it, then bridge, ARP or IP have it. */
export function receiveFrame(device: Device, frame: Frame): void {
  if (!device.up) {
    device.statistics.rxDropped++
    return
  }
  device.statistics.rxPackets++
  const isLooped = frame.looped === true
  if (!isLooped) for (const tap of device.taps) tap.see('in', frame)
  if (frame.discarded === true) return
  const { master } = device
  if (master !== undefined && !isLooped) {
    if (bridgeInput(master, device, frame)) receiveFrame(master, frame)
    return
  }
  const { namespace } = device
  switch (frame.etherType) {
    case ETHER_TYPE.ipv4:
      receiveIpv4(namespace, device, frame)
      break
    case ETHER_TYPE.ipv6:
      receiveIpv6(namespace, device, frame)
      break
    case ETHER_TYPE.arp:
      receiveArp(namespace, device, frame)
      break
    default:
      device.statistics.rxDropped++
  }
}
