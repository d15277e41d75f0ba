/** What RFC 7606 section 2 does about an error, weakest first; `none` where there is none. */
export const TREATMENT = {
  none: 0,
  attributeDiscard: 1,
  treatAsWithdraw: 2,
  sessionReset: 3,
} as const

export type Treatment = (typeof TREATMENT)[keyof typeof TREATMENT]

/** An error found in an UPDATE, and how it is treated. */
export interface UpdateFault {
  readonly treatment: Treatment
  /** UPDATE_SUBCODE, for the NOTIFICATION should the session have to be reset. */
  readonly subcode: number
  /** Attribute type, or undefined if the error is elsewhere. */
  readonly attribute: number | undefined
  /** What was wrong, what was expected. */
  readonly message: string
  /** The attribute (flags, type, length, value), or what there is of it. */
  readonly data: Uint8Array
}
