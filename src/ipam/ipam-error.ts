import { UserError } from '../lib/errors.ts'

export type IpamErrorCode =
  /** No enabled pool is meant for this node, namespace or use. */
  | 'no-pools'
  /** A pool that was named is not there. */
  | 'no-such-pool'
  /** The node owns as many blocks as it may. */
  | 'block-limit'
  /** All addresses of the pools are taken. */
  | 'no-addresses'
  /** Somebody has the address already. */
  | 'taken'
  | 'not-in-a-pool'
  /** The block belongs to another node, and addresses are not lent. */
  | 'strict-affinity'
  /** The block belongs to another node. */
  | 'claimed-by-another'
  | 'not-empty'
  /** The address has another owner than the one that releases it. */
  | 'bad-handle'
  /** The address was released and given out again since. */
  | 'bad-sequence-number'
  /** Too many others wrote the same block or handle at the same time. */
  | 'busy'

/** An address or a block that could not be given, taken or released; nothing was changed. */
export class IpamError extends UserError {
  readonly code: IpamErrorCode
  constructor(code: IpamErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
