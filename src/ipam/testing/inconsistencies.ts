import type { Prefix } from '../../net/prefix.ts'
import { parseAffinityKey, parseBlockKey } from '../../model/ipam-keys.ts'
import type { MemoryStore } from '../../store/memory-store.ts'
import { allocationsOf, isEmpty, nodeOf } from '../block.ts'
import { decodeBlock } from '../block-codec.ts'
import { decodeHandle } from '../handle.ts'

/**
 * What in the store contradicts itself, one sentence each: blocks, handles and affinities must agree. Where
 * somebody died in the middle of a change, a claim may be half made, and a handle may count too much.
 */
export function inconsistencies(store: MemoryStore, { died = false } = {}): string[] {
  const found: string[] = []
  const owners = new Map<Prefix, string | undefined>()
  const counts = new Map<string, number>()
  for (const { key, value } of store.rowsFrom('/calico/ipam/v2/assignment/')) {
    const block = decodeBlock(key, value)
    if (parseBlockKey(key) !== block.cidr) found.push(`${key} holds block ${block.cidr}`)
    if (block.affinity === null && isEmpty(block)) found.push(`${block.cidr} is empty and nobody's`)
    owners.set(block.cidr, nodeOf(block))
    for (const { handle } of allocationsOf(block)) {
      const counter = `${handle} ${block.cidr}`
      counts.set(counter, (counts.get(counter) ?? 0) + 1)
    }
  }
  for (const { key, value } of store.rowsFrom('/calico/ipam/v2/host/')) {
    const { node, cidr } = parseAffinityKey(key)!
    const { state } = JSON.parse(value) as { readonly state: string }
    if (state !== 'confirmed' && !died) found.push(`${node} claims ${cidr}: ${state}`)
    if (owners.get(cidr) === node) owners.delete(cidr)
    else if (state === 'confirmed' || !died)
      found.push(`${node} claims ${cidr} of ${owners.get(cidr)}`)
  }
  for (const [cidr, node] of owners) {
    if (node !== undefined) found.push(`${cidr} is of ${node}, which has no claim`)
  }
  for (const { key, value } of store.rowsFrom('/calico/ipam/v2/handle/')) {
    const id = key.slice('/calico/ipam/v2/handle/'.length)
    for (const [cidr, count] of Object.entries(decodeHandle(value).blocks)) {
      const counter = `${id} ${cidr}`
      const had = counts.get(counter) ?? 0
      if (died ? count < had : count !== had) found.push(`${counter}: ${count}, not ${had}`)
      counts.delete(counter)
    }
  }
  for (const counter of counts.keys()) found.push(`${counter} is in no handle`)
  return found
}
