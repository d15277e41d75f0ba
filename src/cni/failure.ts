import { CNI_ERROR, CniError } from '../api/cni-protocol.ts'
import { IpamError, type IpamErrorCode } from '../ipam/ipam-error.ts'
import { isKernelError } from '../kernel/kernel.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { ResourceAlreadyExists, UpdateConflict } from '../store/resource-errors.ts'
import { StoreUnavailable } from '../store/store.ts'

/** What IPAM refuses, in CNI's codes. */
const OF_IPAM: Readonly<Record<IpamErrorCode, keyof typeof CNI_ERROR>> = {
  'no-pools': 'noAddress',
  'no-such-pool': 'invalidConfiguration',
  'block-limit': 'noAddress',
  'no-addresses': 'noAddress',
  taken: 'noAddress',
  'not-in-a-pool': 'invalidConfiguration',
  'strict-affinity': 'noAddress',
  'claimed-by-another': 'tryAgainLater',
  'not-empty': 'tryAgainLater',
  'bad-handle': 'tryAgainLater',
  'bad-sequence-number': 'tryAgainLater',
  busy: 'tryAgainLater',
}

/**
 * Whatever made a command fail as what the runtime is told: never a defect (999) for what a machine,
 * a datastore or a person may cause.
 */
export function asCniError(thrown: unknown): CniError {
  if (thrown instanceof CniError) return thrown
  const message = messageOf(thrown)
  if (thrown instanceof StoreUnavailable) {
    return new CniError(CNI_ERROR.tryAgainLater, `The datastore does not answer: ${message}`)
  }
  if (thrown instanceof IpamError) return new CniError(CNI_ERROR[OF_IPAM[thrown.code]], message)
  if (thrown instanceof UpdateConflict || thrown instanceof ResourceAlreadyExists) {
    return new CniError(CNI_ERROR.tryAgainLater, `Somebody else was faster: ${message}`)
  }
  if (isKernelError(thrown, 'EEXIST')) return new CniError(CNI_ERROR.conflict, message)
  if (isKernelError(thrown) || isSystemError(thrown)) {
    return new CniError(CNI_ERROR.ioFailure, message)
  }
  // What stands in the datastore is not as it must be, and says so itself.
  if (thrown instanceof UserError) return new CniError(CNI_ERROR.conflict, message, STORED)
  return new CniError(CNI_ERROR.internal, message)
}

const STORED =
  'Correct what is named in the datastore, for example by "tortie apply", and try again.'

/** Of a file: a disk that is full, a permission that is missing. */
function isSystemError(thrown: unknown): boolean {
  return thrown instanceof Error && 'errno' in thrown && 'syscall' in thrown
}
