/** What was negotiated for one family, as the reader of UPDATEs must know it. */
export interface FamilyContext {
  /** Both sides announced the family (RFC 4760); routes of others are ignored. */
  readonly negotiated: boolean
  /** NLRI we receive carry path identifiers (RFC 7911). */
  readonly addPathReceive: boolean
  /** NLRI we send carry path identifiers (RFC 7911). */
  readonly addPathSend: boolean
  /** IPv4 routes may have IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean
}

/** What the codec must know of a session to read and write its UPDATEs. */
export interface CodecContext {
  /** AS numbers in AS_PATH and AGGREGATOR have four octets (RFC 6793). */
  readonly fourOctetAs: boolean
  /** The neighbor is in our own AS (iBGP). */
  readonly internal: boolean
  /** Largest message that we may send: 4096, or 65535 if the neighbor announced RFC 8654. */
  readonly messageOctetsMax: number
  readonly ipv4: FamilyContext
  readonly ipv6: FamilyContext
}
