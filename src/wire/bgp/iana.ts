/** The numbers of BGP as IANA registers them; each table names its registry, each member its RFC. */

/** The TCP port of BGP, RFC 4271 section 8.1.3. */
export const BGP_PORT = 179

/** https://www.iana.org/assignments/bgp-parameters/#bgp-parameters-1 */
export const MESSAGE_TYPE = {
  open: 1, // RFC 4271
  update: 2, // RFC 4271
  notification: 3, // RFC 4271
  keepalive: 4, // RFC 4271
  routeRefresh: 5, // RFC 2918
} as const

/** https://www.iana.org/assignments/bgp-parameters/#bgp-parameters-2 */
export const ATTRIBUTE = {
  origin: 1, // RFC 4271
  asPath: 2, // RFC 4271
  nextHop: 3, // RFC 4271
  multiExitDisc: 4, // RFC 4271
  localPref: 5, // RFC 4271
  atomicAggregate: 6, // RFC 4271
  aggregator: 7, // RFC 4271
  communities: 8, // RFC 1997
  originatorId: 9, // RFC 4456
  clusterList: 10, // RFC 4456
  mpReachNlri: 14, // RFC 4760
  mpUnreachNlri: 15, // RFC 4760
  extendedCommunities: 16, // RFC 4360
  as4Path: 17, // RFC 6793
  as4Aggregator: 18, // RFC 6793
  largeCommunities: 32, // RFC 8092
  // 22 PMSI_TUNNEL (RFC 6514), 23 Tunnel Encapsulation (RFC 9012), 25 IPv6 Extended Communities
  // (RFC 5701), 26 AIGP (RFC 7311), 35 OTC (RFC 9234), 40 Prefix-SID (RFC 8669): kept as octets.
} as const

/** Attribute flags, RFC 4271 section 4.3. */
export const ATTRIBUTE_FLAG = {
  optional: 0x80,
  transitive: 0x40,
  partial: 0x20,
  extendedLength: 0x10,
} as const

/** https://www.iana.org/assignments/bgp-parameters/#bgp-parameters-3, and the cease registry below */
export const ERROR_CODE = {
  messageHeader: 1, // RFC 4271
  openMessage: 2, // RFC 4271
  updateMessage: 3, // RFC 4271
  holdTimerExpired: 4, // RFC 4271
  finiteStateMachine: 5, // RFC 4271
  cease: 6, // RFC 4271
  routeRefreshMessage: 7, // RFC 7313
  sendHoldTimerExpired: 8, // RFC 9687
} as const

/** RFC 4271 section 6.1. */
export const HEADER_SUBCODE = {
  unspecific: 0,
  connectionNotSynchronized: 1,
  badMessageLength: 2,
  badMessageType: 3,
} as const

/** RFC 4271 section 6.2, with later members. */
export const OPEN_SUBCODE = {
  unspecific: 0,
  unsupportedVersionNumber: 1,
  badPeerAs: 2,
  badBgpIdentifier: 3,
  unsupportedOptionalParameter: 4,
  // 5 was Authentication Failure, deprecated by RFC 4271
  unacceptableHoldTime: 6,
  unsupportedCapability: 7, // RFC 5492
  roleMismatch: 11, // RFC 9234
} as const

/** RFC 4271 section 6.3. */
export const UPDATE_SUBCODE = {
  unspecific: 0,
  malformedAttributeList: 1,
  unrecognizedWellKnownAttribute: 2,
  missingWellKnownAttribute: 3,
  attributeFlagsError: 4,
  attributeLengthError: 5,
  invalidOrigin: 6,
  // 7 was AS Routing Loop, deprecated by RFC 4271
  invalidNextHop: 8,
  optionalAttributeError: 9,
  invalidNetworkField: 10,
  malformedAsPath: 11,
} as const

/** RFC 6608 section 3. */
export const FSM_SUBCODE = {
  unspecified: 0,
  unexpectedMessageInOpenSent: 1,
  unexpectedMessageInOpenConfirm: 2,
  unexpectedMessageInEstablished: 3,
} as const

/** https://www.iana.org/assignments/bgp-parameters/#bgp-parameters-8 */
export const CEASE_SUBCODE = {
  unspecified: 0,
  maximumPrefixesReached: 1, // RFC 4486
  administrativeShutdown: 2, // RFC 4486, RFC 9003
  peerDeconfigured: 3, // RFC 4486
  administrativeReset: 4, // RFC 4486, RFC 9003
  connectionRejected: 5, // RFC 4486
  otherConfigurationChange: 6, // RFC 4486
  connectionCollisionResolution: 7, // RFC 4486
  outOfResources: 8, // RFC 4486
  hardReset: 9, // RFC 8538
  bfdDown: 10, // RFC 9384
} as const

/** RFC 7313 section 5. */
export const ROUTE_REFRESH_SUBCODE = { invalidMessageLength: 1 } as const

/** Message subtypes of ROUTE-REFRESH, RFC 7313 section 3.2. */
export const ROUTE_REFRESH_SUBTYPE = {
  request: 0, // RFC 2918
  beginning: 1, // BoRR
  end: 2, // EoRR
} as const

/** https://www.iana.org/assignments/capability-codes/ */
export const CAPABILITY = {
  multiprotocol: 1, // RFC 4760
  routeRefresh: 2, // RFC 2918
  extendedNextHop: 5, // RFC 8950
  extendedMessage: 6, // RFC 8654
  role: 9, // RFC 9234
  gracefulRestart: 64, // RFC 4724
  fourOctetAs: 65, // RFC 6793
  addPath: 69, // RFC 7911
  enhancedRouteRefresh: 70, // RFC 7313
  longLivedGracefulRestart: 71, // RFC 9494
  fqdn: 73, // draft-walton-bgp-hostname-capability
  // 3 ORF (RFC 5291), 8 Multiple Labels (RFC 8277), 66 and 75 (vendor, software version): kept as octets.
} as const

/** https://www.iana.org/assignments/bgp-parameters/#bgp-parameters-11 */
export const OPTIONAL_PARAMETER = {
  capabilities: 2, // RFC 5492
  extendedLength: 255, // RFC 9072
} as const

/** https://www.iana.org/assignments/address-family-numbers/ */
export const AFI = { ipv4: 1, ipv6: 2 } as const

/** https://www.iana.org/assignments/safi-namespace/ */
export const SAFI = { unicast: 1 } as const

/** RFC 4271 section 5.1.1. */
export const ORIGIN = { igp: 0, egp: 1, incomplete: 2 } as const

/** Path segment types: RFC 4271 section 4.3, RFC 5065 section 3. */
export const AS_SEGMENT = { set: 1, sequence: 2, confedSequence: 3, confedSet: 4 } as const

/** Modes of ADD-PATH, RFC 7911 section 4. */
export const ADD_PATH_MODE = { receive: 1, send: 2, both: 3 } as const

/** https://www.iana.org/assignments/as-numbers-special/ */
export const AS_TRANS = 23456 // RFC 6793

/** https://www.iana.org/assignments/bgp-well-known-communities/ */
export const WELL_KNOWN_COMMUNITY = {
  gracefulShutdown: 0xffff0000, // RFC 8326
  llgrStale: 0xffff0006, // RFC 9494
  noLlgr: 0xffff0007, // RFC 9494
  blackhole: 0xffff029a, // RFC 7999
  noExport: 0xffffff01, // RFC 1997
  noAdvertise: 0xffffff02, // RFC 1997
  noExportSubconfed: 0xffffff03, // RFC 1997
  noPeer: 0xffffff04, // RFC 3765
} as const

/** The name of a number in one of the tables above; "unknown" with the number if it has none. */
export function registeredName(table: Readonly<Record<string, number>>, value: number): string {
  for (const [name, number] of Object.entries(table)) if (number === value) return name
  return `unknown (${value})`
}
