import type { ProtocolVersions } from '../lib/protocol-versions.ts'

/**
 * The versions of `methods.ts` that this program speaks; the newest and the one before, so that agent,
 * plugin, command line and daemon can be updated one after another.
 *
 *     1   without a version in the first exchange
 *     2   with one
 */
export const PROTOCOL: ProtocolVersions = { from: 1, to: 2 }
