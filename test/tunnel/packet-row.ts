import type { IpPacket, Transport } from '../../src/wire/packet/dissect.ts'

/** What can be said of one packet by whoever reads it: every field that two readers can compare. */
export interface PacketRow {
  /** Outermost first. */
  readonly headers: readonly HeaderRow[]
  /** "icmp", "tcp", "udp", and the fields of that, by name. */
  readonly transport: Readonly<Record<string, string | number | boolean | undefined>>
}

export interface HeaderRow {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly timeToLive: number
  readonly identification: number
  readonly typeOfService: number
  readonly dontFragment: boolean
  readonly moreFragments: boolean
  readonly fragmentOffset: number
  readonly totalLength: number
  readonly checksumValid: boolean
}

/** A packet as our own codec reads it. */
export function packetRow(packet: IpPacket): PacketRow {
  const header: HeaderRow = {
    source: packet.source,
    destination: packet.destination,
    protocol: packet.protocol,
    timeToLive: packet.timeToLive,
    identification: packet.identification,
    typeOfService: packet.typeOfService,
    dontFragment: packet.dontFragment,
    moreFragments: packet.moreFragments,
    fragmentOffset: packet.fragmentOffset,
    totalLength: packet.totalLength,
    checksumValid: packet.headerChecksumValid === true,
  }
  const { payload } = packet
  if (payload.kind === 'ipip' || payload.kind === 'vxlan') {
    const { headers, transport } = packetRow(payload.inner)
    return { headers: [header, ...headers], transport }
  }
  return { headers: [header], transport: payload.kind === 'other' ? {} : transportRow(payload) }
}

function transportRow(transport: Transport): PacketRow['transport'] {
  if (transport.kind !== 'icmp') return { ...transport }
  const { kind, type, code, identifier, sequence, checksumValid } = transport
  return { kind, type, code, identifier, sequence, checksumValid }
}
