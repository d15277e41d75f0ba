import type { IpAddress } from '../net/ip-address.ts'
import type { Allocation } from './block.ts'

/** What is known of the users of addresses. */
export interface Users {
  nodeExists(node: string): boolean
  /** Whether the pod is there and has the address. */
  podHas(namespace: string, pod: string, address: IpAddress): boolean
}

/**
 * Addresses given out that nobody uses: of pods that are gone or have another address, tunnel addresses
 * of nodes that are gone. An address whose attributes do not say whose it is counts as used.
 *
 * An address is given out before its pod is known, so what is found must be found again after a time of
 * grace, and be released with handle and sequence number: `ipam.releaseAddresses(leaks)`.
 */
export function findLeaks(allocations: readonly Allocation[], users: Users): Allocation[] {
  const unused = allocations.filter((allocation) => !isUsed(allocation, users))
  // All that a handle has is released together or not at all.
  const used = new Set(
    allocations.flatMap((allocation) =>
      unused.includes(allocation) || allocation.handle === undefined ? [] : [allocation.handle],
    ),
  )
  return unused.filter(({ handle }) => handle === undefined || !used.has(handle))
}

function isUsed({ address, attributes }: Allocation, users: Users): boolean {
  const { node, namespace, pod, type } = attributes
  if (type !== undefined && type.endsWith('TunnelAddress')) {
    return node === undefined || users.nodeExists(node)
  }
  if (namespace === undefined || pod === undefined) return true
  return users.podHas(namespace, pod, address)
}
