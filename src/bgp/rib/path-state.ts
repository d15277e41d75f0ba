/** Bits of `pathFlags`. */
export const PATH_FLAG = {
  /** Retained from a session that went down (RFC 4724). */
  stale: 1,
  /** Retained beyond the restart time, least preferred (RFC 9494). */
  longLivedStale: 2,
  /** Of a session that is over; waits to be removed. */
  doomed: 4,
  /** Not received again since the neighbor began to repeat its routes (RFC 7313). */
  refreshing: 8,
} as const

/** Why a path cannot be used; 0 if it can. */
export const PATH_STATUS = {
  eligible: 0,
  rejectedByPolicy: 1,
  ownAsInPath: 2,
  ownOriginator: 3,
  ownCluster: 4,
  ownNextHop: 5,
  noPolicy: 6,
  martian: 7,
  outsideRanges: 8,
} as const
export type PathStatus = (typeof PATH_STATUS)[keyof typeof PATH_STATUS]
