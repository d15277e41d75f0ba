import { ByteReader, ByteWriter } from '../../lib/bytes.ts'

/** BFD control packets, RFC 5880 section 4.1. */

export const BFD_STATE = { AdminDown: 0, Down: 1, Init: 2, Up: 3 } as const
export type BfdState = keyof typeof BFD_STATE

const STATES = Object.keys(BFD_STATE) as readonly BfdState[]

/** Why a session last left Up, by its number on the wire (RFC 5880 section 4.1, RFC 9763 none). */
export const BFD_DIAGNOSTICS = [
  'No Diagnostic',
  'Control Detection Time Expired',
  'Echo Function Failed',
  'Neighbor Signaled Session Down',
  'Forwarding Plane Reset',
  'Path Down',
  'Concatenated Path Down',
  'Administratively Down',
  'Reverse Concatenated Path Down',
] as const

export interface BfdControlPacket {
  /** 0..31; see {@link BFD_DIAGNOSTICS}. */
  readonly diagnostic: number
  readonly state: BfdState
  readonly poll: boolean
  readonly final: boolean
  readonly controlPlaneIndependent: boolean
  readonly demand: boolean
  /** 1..255 */
  readonly detectMultiplier: number
  readonly myDiscriminator: number
  /** 0 while the other side's is unknown. */
  readonly yourDiscriminator: number
  readonly desiredMinTxMicroseconds: number
  /** 0: the sender does not want to receive periodic packets. */
  readonly requiredMinRxMicroseconds: number
  readonly requiredMinEchoRxMicroseconds: number
  /** Type of the authentication section, if there is one. */
  readonly authenticationType: number | undefined
}

export type BfdDecoded =
  | { readonly ok: true; readonly packet: BfdControlPacket }
  | { readonly ok: false; readonly problem: string }

const VERSION = 1
const MANDATORY_OCTETS = 24
const AUTHENTICATION_HEADER_OCTETS = 2
const FLAG = { poll: 0x20, final: 0x10, independent: 0x08, authentication: 0x04, demand: 0x02, multipoint: 0x01 } // prettier-ignore

/** @param octets the UDP payload. Makes the checks of RFC 5880 section 6.8.6 that need no session. */
export function decodeBfdControlPacket(octets: Uint8Array): BfdDecoded {
  if (octets.length < MANDATORY_OCTETS) {
    return problem(`expected at least ${MANDATORY_OCTETS} octets, found ${octets.length}`)
  }
  const reader = new ByteReader(octets)
  const first = reader.u8()
  const flags = reader.u8()
  const detectMultiplier = reader.u8()
  const length = reader.u8()
  const authenticated = (flags & FLAG.authentication) !== 0
  const least = MANDATORY_OCTETS + (authenticated ? AUTHENTICATION_HEADER_OCTETS : 0)
  if (first >> 5 !== VERSION) return problem(`expected version ${VERSION}, found ${first >> 5}`)
  if (length < least || length > octets.length) {
    return problem(`expected a length of ${least} to ${octets.length}, found ${length}`)
  }
  const packet: BfdControlPacket = {
    diagnostic: first & 0x1f,
    state: STATES[flags >> 6]!,
    poll: (flags & FLAG.poll) !== 0,
    final: (flags & FLAG.final) !== 0,
    controlPlaneIndependent: (flags & FLAG.independent) !== 0,
    demand: (flags & FLAG.demand) !== 0,
    detectMultiplier,
    myDiscriminator: reader.u32(),
    yourDiscriminator: reader.u32(),
    desiredMinTxMicroseconds: reader.u32(),
    requiredMinRxMicroseconds: reader.u32(),
    requiredMinEchoRxMicroseconds: reader.u32(),
    authenticationType: authenticated ? reader.u8() : undefined,
  }
  const fault = faultOf(packet, flags)
  return fault === undefined ? { ok: true, packet } : problem(fault)
}

function faultOf(packet: BfdControlPacket, flags: number): string | undefined {
  if (packet.detectMultiplier === 0) return 'Detect Mult is zero'
  if ((flags & FLAG.multipoint) !== 0) return 'the Multipoint bit is set'
  if (packet.myDiscriminator === 0) return 'My Discriminator is zero'
  const early = packet.state === 'Down' || packet.state === 'AdminDown'
  if (packet.yourDiscriminator === 0 && !early) {
    return `Your Discriminator is zero in state ${packet.state}`
  }
  return undefined
}

function problem(text: string): BfdDecoded {
  return { ok: false, problem: text }
}

/** The 24 octets of a packet without authentication. */
export function encodeBfdControlPacket(
  packet: Omit<BfdControlPacket, 'authenticationType'>,
): Uint8Array {
  const writer = new ByteWriter(MANDATORY_OCTETS)
  writer.u8((VERSION << 5) | packet.diagnostic)
  writer.u8(
    (BFD_STATE[packet.state] << 6) |
      (packet.poll ? FLAG.poll : 0) |
      (packet.final ? FLAG.final : 0) |
      (packet.controlPlaneIndependent ? FLAG.independent : 0) |
      (packet.demand ? FLAG.demand : 0),
  )
  writer.u8(packet.detectMultiplier)
  writer.u8(MANDATORY_OCTETS)
  writer.u32(packet.myDiscriminator)
  writer.u32(packet.yourDiscriminator)
  writer.u32(packet.desiredMinTxMicroseconds)
  writer.u32(packet.requiredMinRxMicroseconds)
  writer.u32(packet.requiredMinEchoRxMicroseconds)
  return writer.take()
}
