import { CNI_ERROR, CniError, type CniRequest } from '../api/cni-protocol.ts'
import { messageOf } from '../lib/errors.ts'
import { attachmentKey, handleOf } from './attachment.ts'
import type { CniServiceNeeds } from './cni-ports.ts'
import type { PodRemover } from './pod-remover.ts'
import type { OneAtATime } from '../lib/one-at-a-time.ts'

const NO_VALID_ATTACHMENTS =
  'GC has no cni.dev/valid-attachments in the network configuration; expected a list of {"containerID": …, "ifname": …}, which names every attachment that stays'

/**
 * Takes away what of a network the runtime does not name, and nothing else, as far as it can be.
 * Errors: {@link CniError} without a list; the first one met, after all is tried.
 */
export async function collectGarbage(
  { configuration }: CniRequest,
  needs: CniServiceNeeds,
  remover: PodRemover,
  turns: OneAtATime,
): Promise<void> {
  const { name, 'cni.dev/valid-attachments': list } = configuration
  // Without it every pod would be one that the runtime no longer knows.
  if (list === undefined) throw new CniError(CNI_ERROR.invalidConfiguration, NO_VALID_ATTACHMENTS)
  const valid = new Set(
    list.map(({ containerID, ifname }) =>
      attachmentKey({ containerId: containerID, interfaceName: ifname }),
    ),
  )
  for (const attachment of needs.attachments.list()) {
    if (attachment.network !== name || valid.has(attachmentKey(attachment))) continue
    await turns.run(attachment.containerId, () => remover.undoOrLater(attachment))
  }
  const named = new Set(
    list.map(({ containerID }) => handleOf({ network: name, containerId: containerID })),
  )
  await releaseStale(name, named, needs)
}

/** Gives back what no attachment has. */
async function releaseStale(
  network: string,
  named: ReadonlySet<string>,
  { attachments, addresses, log }: CniServiceNeeds,
): Promise<void> {
  const failures: unknown[] = []
  for (const handle of await addresses.handles()) {
    // An ADD may have begun meanwhile: it is remembered before it has an address.
    const isLive = attachments.list().some((row) => handleOf(row) === handle)
    if (!handle.startsWith(`${network}.`) || named.has(handle) || isLive) continue
    await addresses.release(handle, []).catch((thrown: unknown) => {
      failures.push(thrown)
      log.error('Failed to release addresses', { handle, error: messageOf(thrown) })
    })
  }
  if (failures.length > 0) throw failures[0]
}
