import type { FilterHook } from '../../packet-filter.ts'
import type { Device } from '../links/device.ts'
import type { Namespace } from '../namespace.ts'
import { describePacket, type PacketMeta } from './filtered-packet.ts'

/** Whether the namespace's filter lets a packet pass a hook; who sent one that is rejected is told. */
export function passes(
  namespace: Namespace,
  hook: FilterHook,
  octets: Uint8Array,
  input: Device | undefined,
  output: Device | undefined,
  meta: PacketMeta,
): boolean {
  const { packetFilter } = namespace
  if (!packetFilter.sees(hook)) return true
  const packet = describePacket(octets, input, output, meta)
  const verdict = packetFilter.decide(namespace, hook, packet)
  if (typeof verdict === 'object') namespace.reject(packet, verdict.reject)
  return verdict === 'accept'
}

/**
 * Notes that a packet came through all hooks: the connection that it begins is remembered.
 * @param octets the packet as it was described before source NAT
 */
export function confirm(
  namespace: Namespace,
  before: Uint8Array,
  octets: Uint8Array,
  meta: PacketMeta,
): void {
  if (meta.tracked?.state !== 'new') return
  namespace.packetFilter.connections.confirm(
    namespace,
    describePacket(before, undefined, undefined, meta),
    octets,
  )
}
