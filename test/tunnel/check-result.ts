/** What came of one check. */
export interface CheckResult {
  readonly milliseconds: number
  /** What was wrong; absent where nothing was. */
  readonly error?: string
}

/** Name of the row about the captures that tshark reads afterwards. */
export const CAPTURES = 'packets are captured at every point, by tcpdump and by us'
