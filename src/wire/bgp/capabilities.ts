import { type ByteReader, type ByteWriter, ShortInput } from '../../lib/bytes.ts'
import { openError } from './bgp-error.ts'
import { type AfiSafi } from './families.ts'
import { CAPABILITY, OPEN_SUBCODE } from './iana.ts'

/** A family whose forwarding state was kept over a restart, RFC 4724 section 3. */
export interface RestartFamily extends AfiSafi {
  readonly forwardingPreserved: boolean
}

/** What one side of a session can do, RFC 5492. */
export type Capability =
  | ({ readonly kind: 'multiprotocol' } & AfiSafi)
  | { readonly kind: 'routeRefresh' }
  | { readonly kind: 'enhancedRouteRefresh' }
  | { readonly kind: 'extendedMessage' }
  | { readonly kind: 'fourOctetAs'; readonly asn: number }
  | {
      readonly kind: 'gracefulRestart'
      /** R: the sender has restarted. */
      readonly restarting: boolean
      /** N: NOTIFICATION and hold timer expiry also restart gracefully, RFC 8538. */
      readonly notification: boolean
      /** 0 to 4095. */
      readonly restartTimeSeconds: number
      readonly families: readonly RestartFamily[]
    }
  | {
      readonly kind: 'longLivedGracefulRestart'
      /** Stale time: 0 to 16777215. */
      readonly families: readonly (RestartFamily & { readonly staleTimeSeconds: number })[]
    }
  | {
      readonly kind: 'addPath'
      /** Modes of ADD_PATH_MODE; rows with any other mode are left out, RFC 7911 section 4. */
      readonly families: readonly (AfiSafi & { readonly mode: number })[]
    }
  | {
      readonly kind: 'extendedNextHop'
      readonly families: readonly (AfiSafi & { readonly nextHopAfi: number })[]
    }
  | { readonly kind: 'fqdn'; readonly hostName: string; readonly domainName: string }
  | { readonly kind: 'role'; readonly role: number }
  | { readonly kind: 'unknown'; readonly code: number; readonly octets: Uint8Array }

type Kind = Exclude<Capability['kind'], 'unknown'>

interface CapabilityCodec<K extends Kind> {
  readonly code: number
  decode(value: ByteReader): Extract<Capability, { kind: K }>
  encode(writer: ByteWriter, capability: Extract<Capability, { kind: K }>): void
}

function empty<K extends 'routeRefresh' | 'enhancedRouteRefresh' | 'extendedMessage'>(
  kind: K,
  code: number,
): CapabilityCodec<K> {
  return { code, decode: () => ({ kind }) as Extract<Capability, { kind: K }>, encode() {} }
}

/** Reads rows until the value is used up. */
function rows<Row>(value: ByteReader, row: () => Row): Row[] {
  const found: Row[] = []
  while (value.remaining > 0) found.push(row())
  return found
}

const FORWARDING_PRESERVED = 0x80

const CODECS: { readonly [K in Kind]: CapabilityCodec<K> } = {
  multiprotocol: {
    code: CAPABILITY.multiprotocol,
    decode(value) {
      const afi = value.u16()
      value.skip(1) // reserved, to be ignored: RFC 4760 section 8
      return { kind: 'multiprotocol', afi, safi: value.u8() }
    },
    encode(writer, { afi, safi }) {
      writer.u16(afi)
      writer.u8(0)
      writer.u8(safi)
    },
  },
  routeRefresh: empty('routeRefresh', CAPABILITY.routeRefresh),
  enhancedRouteRefresh: empty('enhancedRouteRefresh', CAPABILITY.enhancedRouteRefresh),
  extendedMessage: empty('extendedMessage', CAPABILITY.extendedMessage),
  fourOctetAs: {
    code: CAPABILITY.fourOctetAs,
    decode: (value) => ({ kind: 'fourOctetAs', asn: value.u32() }),
    encode: (writer, { asn }) => writer.u32(asn),
  },
  gracefulRestart: {
    code: CAPABILITY.gracefulRestart,
    decode(value) {
      const word = value.u16()
      return {
        kind: 'gracefulRestart',
        restarting: (word & 0x8000) !== 0,
        notification: (word & 0x4000) !== 0,
        restartTimeSeconds: word & 0x0fff,
        families: rows(value, () => restartFamily(value)),
      }
    },
    encode(writer, capability) {
      const time = Math.min(4095, capability.restartTimeSeconds)
      const restarting = capability.restarting ? 0x8000 : 0
      writer.u16(restarting | (capability.notification ? 0x4000 : 0) | time)
      for (const family of capability.families) writeRestartFamily(writer, family)
    },
  },
  longLivedGracefulRestart: {
    code: CAPABILITY.longLivedGracefulRestart,
    decode: (value) => ({
      kind: 'longLivedGracefulRestart',
      families: rows(value, () => {
        const family = restartFamily(value)
        return { ...family, staleTimeSeconds: (value.u8() << 16) | value.u16() }
      }),
    }),
    encode(writer, capability) {
      for (const family of capability.families) {
        writeRestartFamily(writer, family)
        writer.u8(family.staleTimeSeconds >>> 16)
        writer.u16(family.staleTimeSeconds)
      }
    },
  },
  addPath: {
    code: CAPABILITY.addPath,
    decode: (value) => ({
      kind: 'addPath',
      families: rows(value, () => ({
        afi: value.u16(),
        safi: value.u8(),
        mode: value.u8(),
      })).filter(({ mode }) => mode >= 1 && mode <= 3),
    }),
    encode(writer, capability) {
      for (const { afi, safi, mode } of capability.families) {
        writer.u16(afi)
        writer.u8(safi)
        writer.u8(mode)
      }
    },
  },
  extendedNextHop: {
    code: CAPABILITY.extendedNextHop,
    decode: (value) => ({
      kind: 'extendedNextHop',
      families: rows(value, () => ({
        afi: value.u16(),
        safi: value.u16(), // two octets here, unlike everywhere else: RFC 8950 section 4
        nextHopAfi: value.u16(),
      })),
    }),
    encode(writer, capability) {
      for (const { afi, safi, nextHopAfi } of capability.families) {
        writer.u16(afi)
        writer.u16(safi)
        writer.u16(nextHopAfi)
      }
    },
  },
  fqdn: {
    code: CAPABILITY.fqdn,
    decode: (value) => ({
      kind: 'fqdn',
      hostName: readName(value),
      domainName: value.remaining > 0 ? readName(value) : '',
    }),
    encode(writer, { hostName, domainName }) {
      for (const name of [hostName, domainName]) {
        writer.counted8(() => writer.bytes(new TextEncoder().encode(name).subarray(0, 64)))
      }
    },
  },
  role: {
    code: CAPABILITY.role,
    decode: (value) => ({ kind: 'role', role: value.u8() }),
    encode: (writer, { role }) => writer.u8(role),
  },
}

const BY_CODE: ReadonlyMap<number, CapabilityCodec<Kind>> = new Map(
  Object.values(CODECS).map((codec) => [codec.code, codec as CapabilityCodec<Kind>]),
)

function restartFamily(value: ByteReader): RestartFamily {
  const afi = value.u16()
  const safi = value.u8()
  return { afi, safi, forwardingPreserved: (value.u8() & FORWARDING_PRESERVED) !== 0 }
}

function writeRestartFamily(writer: ByteWriter, family: RestartFamily): void {
  writer.u16(family.afi)
  writer.u8(family.safi)
  writer.u8(family.forwardingPreserved ? FORWARDING_PRESERVED : 0)
}

/** A name for logs: what is not UTF-8 or not printable is replaced. */
function readName(value: ByteReader): string {
  const octets = value.bytes(value.u8())
  return new TextDecoder().decode(octets).replaceAll(/\p{Cc}/gu, '\uFFFD')
}

/**
 * Reads capabilities until `list` is used up. A known one whose value does not fit its format is an error
 * (RFC 4271 section 6.2, subcode 0); what follows the format within a value is not looked at.
 */
export function decodeCapabilities(list: ByteReader): Capability[] {
  const found: Capability[] = []
  while (list.remaining > 0) {
    const code = list.u8()
    const value = list.fence(list.u8())
    const codec = BY_CODE.get(code)
    if (codec === undefined) {
      found.push({ kind: 'unknown', code, octets: value.copy(value.remaining) })
      continue
    }
    try {
      found.push(codec.decode(value))
    } catch (error) {
      if (!(error instanceof ShortInput)) throw error
      const length = value.end - value.at + error.left
      throw openError(
        OPEN_SUBCODE.unspecific,
        `Expected ${error.wanted} more octets in capability ${code}, found ${Math.min(length, error.left)}`,
      )
    }
  }
  return found
}

export function encodeCapability(writer: ByteWriter, capability: Capability): void {
  if (capability.kind === 'unknown') {
    writer.u8(capability.code)
    writer.counted8(() => writer.bytes(capability.octets))
    return
  }
  // The row under a kind takes that kind, which the compiler cannot see through the union.
  const codec = CODECS[capability.kind] as CapabilityCodec<Kind>
  writer.u8(codec.code)
  writer.counted8(() => codec.encode(writer, capability))
}
