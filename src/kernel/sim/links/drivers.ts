import * as ethernet from '../../../wire/packet/ethernet.ts'
import { ETHER_TYPE } from '../../../wire/packet/protocols.ts'
import type { Device, Frame, LinkDriver } from './device.ts'

/** The loopback link: what is sent arrives. */
export const loopbackDriver: LinkDriver = {
  kind: 'loopback',
  transmit(device, frame) {
    device.namespace.machine.deliver(device, frame)
  },
}

/** A cable: what one end sends the other receives, by way of the sending end's impairment. */
export const vethDriver: LinkDriver = {
  kind: 'veth',
  transmit(device, frame) {
    const { peer } = device
    if (peer === undefined || !peer.up) {
      device.statistics.txDropped++
      return
    }
    if (!fits(peer, frame)) {
      peer.statistics.rxDropped++
      return
    }
    const { machine } = device.namespace
    const trouble = device.impairment
    if (trouble === undefined) {
      machine.deliver(peer, frame)
      return
    }
    const isLost =
      trouble.cut === true ||
      (trouble.loss !== undefined && machine.random.fraction() < trouble.loss)
    if (isLost) {
      device.statistics.txDropped++
      return
    }
    const jitter = trouble.jitterMilliseconds ?? 0
    const delay =
      (trouble.latencyMilliseconds ?? 0) + (jitter === 0 ? 0 : jitter * machine.random.fraction())
    const arriving = trouble.corrupt === true ? corrupted(frame) : frame
    if (delay === 0) machine.deliver(peer, arriving)
    else machine.clock.after(delay, () => machine.deliver(peer, arriving))
  },
}

/** Of IPv4 packets only: else no neighbor would be found, and no packet sent. */
function corrupted(frame: Frame): Frame {
  if (frame.etherType !== ETHER_TYPE.ipv4) return frame
  const octets = frame.octets.slice()
  octets[octets.length - 1]! ^= 1
  return { ...frame, octets, shared: false }
}

/** is_skb_forwardable: a link drops what its MTU and a VLAN tag cannot hold, without a word. */
function fits(device: Device, frame: Frame): boolean {
  return frame.octets.length <= device.mtu + VLAN_TAG_OCTETS
}

const VLAN_TAG_OCTETS = 4

/** A layer-3 device without a process at its other side: it takes packets and nothing comes of them. */
export const tunDriver: LinkDriver = {
  kind: 'tun',
  transmit(device) {
    device.statistics.txDropped++
  },
}

/** A learning switch (net/bridge) without spanning tree. Sending by the bridge itself is switching too. */
export const bridgeDriver: LinkDriver = {
  kind: 'bridge',
  transmit(device, frame) {
    forward(device, undefined, frame)
  },
}

function forward(bridge: Device, from: Device | undefined, frame: Frame): void {
  const { ports, learned } = bridge.bridge!
  const known = ethernet.isMulticast(frame.destination) ? undefined : learned.get(frame.destination)
  if (known !== undefined) {
    if (known !== from && fits(known, frame)) known.send(frame)
    return
  }
  for (const port of ports) {
    if (port === from || !port.up || !port.carrier || !fits(port, frame)) continue
    frame.shared = true
    port.send({ ...frame })
  }
}

/** A frame came in by a port: learns where its sender is, passes it on, and answers whether the bridge itself is meant. */
export function bridgeInput(bridge: Device, port: Device, frame: Frame): boolean {
  const state = bridge.bridge!
  if (!bridge.up) return false
  if (!ethernet.isMulticast(frame.source)) state.learned.set(frame.source, port)
  const isOwn =
    frame.destination === bridge.mac || state.ports.some((each) => each.mac === frame.destination)
  if (isOwn) return true
  const isGroup = ethernet.isMulticast(frame.destination)
  if (isGroup) frame.shared = true
  forward(bridge, port, frame)
  return isGroup
}
