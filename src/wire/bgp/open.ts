import { ByteWriter, type ByteReader, ShortInput } from '../../lib/bytes.ts'
import { type IpAddress, ipv4FromNumber, ipv4ToNumber } from '../../net/ip-address.ts'
import { openError } from './bgp-error.ts'
import { type Capability, decodeCapabilities, encodeCapability } from './capabilities.ts'
import { writeMessage } from './header.ts'
import { AS_TRANS, MESSAGE_TYPE, OPEN_SUBCODE, OPTIONAL_PARAMETER } from './iana.ts'

const VERSION = 4

/** OPEN, RFC 4271 section 4.2. */
export interface Open {
  readonly kind: 'open'
  /** The true AS number: that of the four-octet AS capability where there is one. */
  readonly asn: number
  /** 0 or 3 to 65535. */
  readonly holdTimeSeconds: number
  /** The BGP identifier; any number but 0 (RFC 6286), written like an IPv4 address. */
  readonly bgpIdentifier: IpAddress
  readonly capabilities: readonly Capability[]
}

/** Decodes and checks the body of an OPEN as far as it can be checked without configuration. Throws BgpError. */
export function decodeOpen(body: ByteReader): Open {
  const version = body.u8()
  if (version !== VERSION) {
    const message = `Expected BGP version ${VERSION}, found ${version}`
    throw openError(OPEN_SUBCODE.unsupportedVersionNumber, message, Uint8Array.of(0, VERSION))
  }
  const twoOctetAsn = body.u16()
  const holdTimeSeconds = body.u16()
  const identifier = body.u32()
  const capabilities = decodeParameters(body)
  const asn = trueAsn(twoOctetAsn, capabilities)
  if (holdTimeSeconds === 1 || holdTimeSeconds === 2) {
    const message = `Expected a hold time of 0 or at least 3 seconds, found ${holdTimeSeconds}`
    throw openError(OPEN_SUBCODE.unacceptableHoldTime, message)
  }
  if (identifier === 0) {
    throw openError(OPEN_SUBCODE.badBgpIdentifier, 'Expected a BGP identifier other than 0.0.0.0')
  }
  return {
    kind: 'open',
    asn,
    holdTimeSeconds,
    bgpIdentifier: ipv4FromNumber(identifier),
    capabilities,
  }
}

/** RFC 6793 section 4.1: the capability has the true number; AS 0 never is one (RFC 7607). */
function trueAsn(twoOctetAsn: number, capabilities: readonly Capability[]): number {
  const four = capabilities.find((capability) => capability.kind === 'fourOctetAs')
  const asn = four === undefined ? twoOctetAsn : four.asn
  if (asn === 0 || twoOctetAsn === 0) {
    throw openError(OPEN_SUBCODE.badPeerAs, 'Expected an AS number other than 0')
  }
  return asn
}

function decodeParameters(body: ByteReader): Capability[] {
  try {
    return readParameters(body)
  } catch (error) {
    if (!(error instanceof ShortInput)) throw error
    throw openError(
      OPEN_SUBCODE.unspecific,
      `Malformed optional parameters: ${error.message.toLowerCase()}`,
    )
  }
}

function readParameters(body: ByteReader): Capability[] {
  const shortLength = body.u8()
  // RFC 9072 section 2: 255 as first parameter type says that lengths have two octets.
  const isExtended =
    shortLength !== 0 &&
    body.remaining > 0 &&
    body.octets[body.at] === OPTIONAL_PARAMETER.extendedLength
  if (isExtended) body.skip(1)
  const length = isExtended ? body.u16() : shortLength
  if (length !== body.remaining) {
    throw openError(
      OPEN_SUBCODE.unspecific,
      `Expected ${length} octets of optional parameters, found ${body.remaining}`,
    )
  }
  const capabilities: Capability[] = []
  while (body.remaining > 0) {
    const type = body.u8()
    const value = body.fence(isExtended ? body.u16() : body.u8())
    if (type !== OPTIONAL_PARAMETER.capabilities) {
      const message = `Expected optional parameters of type 2 (capabilities), found type ${type}`
      throw openError(OPEN_SUBCODE.unsupportedOptionalParameter, message)
    }
    capabilities.push(...decodeCapabilities(value))
  }
  return capabilities
}

/**
 * Writes an OPEN. Each capability goes into a parameter of its own, which the oldest speakers read;
 * the extended format (RFC 9072) is used only when there are more than 255 octets of them.
 */
export function encodeOpen(writer: ByteWriter, open: Open): void {
  const each = open.capabilities.map((capability) => {
    const octets = new ByteWriter(64)
    encodeCapability(octets, capability)
    return octets.take()
  })
  const shortLength = each.reduce((sum, octets) => sum + 2 + octets.length, 0)
  const isExtended = shortLength > 255
  writeMessage(writer, MESSAGE_TYPE.open, () => {
    writer.u8(VERSION)
    writer.u16(open.asn > 0xffff ? AS_TRANS : open.asn)
    writer.u16(open.holdTimeSeconds)
    writer.u32(ipv4ToNumber(open.bgpIdentifier))
    writer.u8(isExtended ? 255 : shortLength)
    if (isExtended) {
      writer.u8(OPTIONAL_PARAMETER.extendedLength)
      writer.u16(shortLength + each.length)
    }
    for (const octets of each) {
      writer.u8(OPTIONAL_PARAMETER.capabilities)
      if (isExtended) writer.u16(octets.length)
      else writer.u8(octets.length)
      writer.bytes(octets)
    }
  })
}
