import { addressFromOctets, addressOctets } from '../../../net/ip-address.ts'
import { type Prefix, prefixAddress, prefixLength, prefixOf } from '../../../net/prefix.ts'
import type { Context } from '../netlink/context.ts'
import { type BpfMap, createArrayMap, createPrefixTrieMap, mapsOfProgram } from '../ebpf/bpf.ts'
import { attachedProgram } from '../netlink/traffic-control.ts'

/** Names of attached programs begin so. The number changes with what the programs do. */
export const PROGRAM_PREFIX = 'tortie ipip 5: '

const PREFIX_KEY_OCTETS = 8
const PRESENT = Uint8Array.of(1)
/** Keys are prefixes of IPv4; present is all that a value says. */
const SENDERS = {
  name: 'tortie_senders',
  keyOctets: PREFIX_KEY_OCTETS,
  valueOctets: 1,
  entries: 65_536,
} as const
/** One counter for each reason to drop a packet, with room for more reasons. */
const COUNTERS = { name: 'tortie_drops', keyOctets: 4, valueOctets: 8, entries: 32 } as const

/** What the programs and the agent share. Lives in the kernel as long as a program refers to it. */
export interface TunnelMaps {
  /** From whom packets are taken out of their outer header. */
  readonly senders: BpfMap
  readonly counters: BpfMap
  /** Numbers of both, which differ from those of any other maps. */
  readonly id: string
  setSenders(prefixes: readonly Prefix[]): void
  count(index: number): number
  close(): void
}

/**
 * The maps of the program that hangs at a link already, so that nothing is forgotten; else new ones. They
 * are found by way of the attached program: no file system has to be mounted for them to survive, nor can
 * a file outlive its tunnel.
 */
export function openTunnelMaps(context: Context, linkIndex: number): TunnelMaps {
  const { libc } = context
  const found = mapsOfTunnel(context, linkIndex)
  const senders = found.get(SENDERS.name) ?? createPrefixTrieMap(libc, SENDERS)
  const counters = found.get(COUNTERS.name) ?? createArrayMap(libc, COUNTERS)
  return {
    senders,
    counters,
    id: `${senders.id()} ${counters.id()}`,
    setSenders: (prefixes) => setSenders(senders, prefixes),
    count(index) {
      const key = Buffer.alloc(COUNTERS.keyOctets)
      key.writeUInt32LE(index)
      const value = counters.get(key)
      return value === undefined ? 0 : Number(Buffer.from(value).readBigUInt64LE())
    },
    close() {
      for (const map of new Set([...found.values(), senders, counters])) map.close()
    },
  }
}

/** By name. */
function mapsOfTunnel(context: Context, linkIndex: number): ReadonlyMap<string, BpfMap> {
  const attached = attachedProgram(context, linkIndex, 'ingress')
  if (attached === undefined || !attached.name.startsWith(PROGRAM_PREFIX)) return new Map()
  return mapsOfProgram(context.libc, attached.programId)
}

/** Those that stay are never missing meanwhile. */
function setSenders(map: BpfMap, prefixes: readonly Prefix[]): void {
  const wanted = new Set(prefixes.filter((prefix) => !prefix.includes(':')))
  for (const key of map.keys()) if (!wanted.delete(prefixOfKey(key))) map.delete(key)
  for (const prefix of wanted) map.set(keyOfPrefix(prefix), PRESENT)
}

/** struct bpf_lpm_trie_key. */
function keyOfPrefix(prefix: Prefix): Uint8Array {
  const key = Buffer.alloc(PREFIX_KEY_OCTETS)
  key.writeUInt32LE(prefixLength(prefix))
  key.set(addressOctets(prefixAddress(prefix)), 4)
  return key
}

function prefixOfKey(key: Uint8Array): Prefix {
  return prefixOf(addressFromOctets(key.subarray(4)), Buffer.from(key).readUInt32LE())
}
