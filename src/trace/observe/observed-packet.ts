import { fromHex } from '../../lib/bytes.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import { dissect, type IpPacket } from '../../wire/packet/dissect.ts'
import type { CapturePoint, Sighting } from '../../api/node-access.ts'
import type { Leg, OuterHeader } from '../predict/prediction.ts'
import type { ProbeIdentity } from './probe-packet.ts'

/** A sighting that is known to be the trace's, and what it says. */
export interface ObservedPacket extends CapturePoint {
  readonly node: string
  /** Packet clock of the node's machine. */
  readonly machine: string
  readonly atMicroseconds: number
  readonly direction: 'in' | 'out'
  readonly leg: Leg
  /** Number of the try, from 1; of an error, that of the packet it is about. */
  readonly sequence: number
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly ttl: number
  readonly identification: number
  readonly outer?: OuterHeader & { readonly identification: number }
  /** Octets from the network header on, the outer one included. */
  readonly octets: number
  /** Of all headers that could be checked; undefined where none could. */
  readonly checksumValid: boolean | undefined
  /** It is not the probe but an error about it. */
  readonly error?: ErrorAbout
}

export interface ErrorAbout {
  readonly family: 4 | 6
  readonly type: number
  readonly code: number
  readonly mtu: number | undefined
}

/** What a sighting says of the trace; undefined if it is of another packet. */
export function observePacket(
  sighting: Sighting,
  at: CapturePoint & { readonly node: string; readonly machine: string },
  probe: ProbeIdentity,
  vxlanPorts?: readonly number[],
): ObservedPacket | undefined {
  const whole = dissect(fromHex(sighting.octets), 0, vxlanPorts)
  if (whole === undefined) return undefined
  const inner = innermost(whole)
  const { payload } = inner
  if (payload.kind !== 'icmp') return undefined
  const about = payload.about === undefined ? undefined : innermost(payload.about)
  const found = identify(about ?? inner, probe)
  if (found === undefined) return undefined
  const { node, machine, netns, link } = at
  const { type, code, mtu } = payload
  const outer = whole === inner ? undefined : outerHeader(whole)
  return {
    node,
    machine,
    netns,
    link,
    atMicroseconds: sighting.atMicroseconds,
    direction: sighting.direction,
    ...found,
    source: inner.source,
    destination: inner.destination,
    ttl: inner.timeToLive,
    identification: inner.identification,
    ...(outer === undefined ? {} : { outer }),
    octets: sighting.length,
    checksumValid: checksums(whole),
    ...(about === undefined ? {} : { error: { family: inner.family, type, code, mtu } }),
  }
}

function innermost(packet: IpPacket): IpPacket {
  const { payload } = packet
  return 'inner' in payload ? innermost(payload.inner) : packet
}

function outerHeader(packet: IpPacket): OuterHeader & { readonly identification: number } {
  const { source, destination, timeToLive: ttl, protocol, identification, payload } = packet
  const vxlan =
    payload.kind === 'vxlan'
      ? { vxlan: { port: payload.destinationPort, vni: payload.vni } }
      : undefined
  return { source, destination, ttl, protocol, ...vxlan, identification }
}

const ECHO_REQUEST = [8, 128]
const ECHO_REPLY = [0, 129]

/**
 * By the ICMP identifier, and one of the two addresses where it should be: the other may have been
 * translated, which is a thing to find and not to overlook. The marker was looked for by the node.
 */
function identify(
  { payload, source, destination }: IpPacket,
  probe: ProbeIdentity,
): { leg: Leg; sequence: number } | undefined {
  if (payload.kind !== 'icmp' || payload.identifier !== probe.identifier) return undefined
  const sequence = payload.sequence ?? 0
  const isBetween = (a: IpAddress, b: IpAddress): boolean => source === a || destination === b
  if (ECHO_REQUEST.includes(payload.type) && isBetween(probe.source, probe.destination)) {
    return { leg: 'forward', sequence }
  }
  if (ECHO_REPLY.includes(payload.type) && isBetween(probe.destination, probe.source)) {
    return { leg: 'return', sequence }
  }
  return undefined
}

function checksums(packet: IpPacket): boolean | undefined {
  const { payload } = packet
  const within =
    // The checksum of a datagram around a packet is mostly left to the network card.
    'inner' in payload
      ? checksums(payload.inner)
      : payload.kind === 'other'
        ? undefined
        : payload.checksumValid
  const all = [packet.headerChecksumValid, within].filter((valid) => valid !== undefined)
  return all.length === 0 ? undefined : all.every(Boolean)
}

const UNREACHABLE: Readonly<Record<number, string>> = {
  0: 'network unreachable',
  1: 'host unreachable',
  2: 'protocol unreachable',
  3: 'port unreachable',
  4: 'fragmentation needed',
  9: 'network administratively prohibited',
  10: 'host administratively prohibited',
  13: 'communication administratively prohibited',
}
const UNREACHABLE_V6: Readonly<Record<number, string>> = {
  0: 'no route to destination',
  1: 'administratively prohibited',
  3: 'address unreachable',
  4: 'port unreachable',
}

/** "host unreachable", "fragmentation needed (mtu 1400)", "time exceeded". */
export function errorText({ family, type, code, mtu }: ErrorAbout): string {
  const size = mtu === undefined || mtu === 0 ? '' : ` (mtu ${mtu})`
  if (family === 4) {
    if (type === 3) return `${UNREACHABLE[code] ?? `unreachable, code ${code}`}${size}`
    if (type === 11) return 'time exceeded'
    return `ICMP type ${type} code ${code}`
  }
  if (type === 1) return UNREACHABLE_V6[code] ?? `unreachable, code ${code}`
  if (type === 2) return `packet too big${size}`
  return type === 3 ? 'time exceeded' : `ICMPv6 type ${type} code ${code}`
}
