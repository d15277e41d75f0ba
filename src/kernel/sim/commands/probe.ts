import type { Clock } from '../../../lib/clock.ts'
import { addressOctets, familyOf, type IpAddress, ipv4ToNumber } from '../../../net/ip-address.ts'
import { writeTransportChecksum } from '../../../wire/packet/checksum.ts'
import { dissect, type IpPacket } from '../../../wire/packet/dissect.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import * as ipv6 from '../../../wire/packet/ipv6.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import * as udp from '../../../wire/packet/udp.ts'
import type { Kernel } from '../../kernel.ts'

/** One packet that asks for an answer. */
export interface Probe {
  readonly destination: IpAddress
  readonly source: IpAddress
  /** UDP to this port, or an echo request. */
  readonly udpPort?: number
  /** Identifier of echo messages, source port of UDP. */
  readonly identifier: number
  readonly sequence: number
  readonly ttl: number
  readonly dataOctets: number
  readonly dontFragment: boolean
}

export interface PingAnswer {
  /** Undefined when nothing came in time. */
  readonly packet: IpPacket | undefined
  readonly milliseconds: number
}

/** Sends a probe and waits for its reply, or for the error about it. Errors: KernelError of sending. */
export async function sendProbe(
  kernel: Kernel,
  clock: Clock,
  probe: Probe,
  timeoutMilliseconds: number,
): Promise<PingAnswer> {
  const sent = clock.now()
  return new Promise((resolve, reject) => {
    const captures = kernel.links().map(({ index }) =>
      kernel.capture({ linkIndex: index, snapOctets: 65_535 }, ({ octets, direction }) => {
        const packet = direction === 'in' ? dissect(octets) : undefined
        if (packet !== undefined && answers(packet, probe)) end(packet)
      }),
    )
    const close = (): void => {
      timer.cancel()
      for (const capture of captures) capture.close()
    }
    const end = (packet: IpPacket | undefined): void => {
      close()
      resolve({ packet, milliseconds: clock.now() - sent })
    }
    const timer = clock.after(timeoutMilliseconds, () => end(undefined))
    try {
      kernel.sendPacket(encode(probe))
    } catch (thrown) {
      close()
      reject(thrown)
    }
  })
}

/** The type of the answer to an echo request, by family. */
const ECHO_REPLY = { 4: icmp.TYPE.echoReply, 6: icmpv6.TYPE.echoReply } as const

export function isEchoReply(packet: IpPacket): boolean {
  return packet.payload.kind === 'icmp' && packet.payload.type === ECHO_REPLY[packet.family]
}

function answers({ destination, family, payload }: IpPacket, probe: Probe): boolean {
  if (destination !== probe.source || payload.kind !== 'icmp') return false
  if (payload.type === ECHO_REPLY[family]) {
    return payload.identifier === probe.identifier && payload.sequence === probe.sequence
  }
  const about = payload.about
  if (about === undefined || about.destination !== probe.destination) return false
  if (about.payload.kind === 'udp') {
    const { sourcePort, destinationPort } = about.payload
    return sourcePort === probe.identifier && destinationPort === probe.udpPort
  }
  if (about.payload.kind !== 'icmp') return false
  const { identifier, sequence } = about.payload
  return identifier === probe.identifier && sequence === probe.sequence
}

function encode(probe: Probe): Uint8Array {
  return familyOf(probe.destination) === 4 ? encode4(probe) : encode6(probe)
}

function datagram({ identifier, udpPort = 0, dataOctets }: Probe): Uint8Array {
  const body = new Uint8Array(dataOctets)
  return udp.encode({ sourcePort: identifier, destinationPort: udpPort }, body)
}

function encode4(probe: Probe): Uint8Array {
  const { identifier, sequence, udpPort, dataOctets } = probe
  const isUdp = udpPort !== undefined
  const body = new Uint8Array(dataOctets)
  const echo = { type: icmp.TYPE.echoRequest, code: 0, first: identifier, second: sequence, body }
  const packet = ipv4.encode(
    {
      identification: sequence,
      dontFragment: probe.dontFragment,
      timeToLive: probe.ttl,
      protocol: isUdp ? IP_PROTOCOL.udp : IP_PROTOCOL.icmp,
      source: ipv4ToNumber(probe.source),
      destination: ipv4ToNumber(probe.destination),
    },
    isUdp ? datagram(probe) : icmp.encode(echo),
  )
  if (isUdp) {
    writeTransportChecksum(packet, 0, IP_PROTOCOL.udp, ipv4.HEADER_OCTETS, packet.length)
  }
  return packet
}

function encode6(probe: Probe): Uint8Array {
  const { identifier, sequence, udpPort, dataOctets } = probe
  const isUdp = udpPort !== undefined
  const body = new Uint8Array(dataOctets)
  const word = ((identifier << 16) | sequence) >>> 0
  const nextHeader = isUdp ? IP_PROTOCOL.udp : IP_PROTOCOL.icmpv6
  const packet = ipv6.encode(
    {
      source: addressOctets(probe.source),
      destination: addressOctets(probe.destination),
      nextHeader,
      hopLimit: probe.ttl,
    },
    isUdp ? datagram(probe) : icmpv6.encode({ type: icmpv6.TYPE.echoRequest, code: 0, word, body }),
  )
  writeTransportChecksum(packet, 0, nextHeader, ipv6.HEADER_OCTETS, packet.length)
  return packet
}
