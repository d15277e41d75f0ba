import type { Prefix } from '../../net/prefix.ts'
import { affinityKey, blockKey, handleKey, parseAffinityKey } from '../../model/ipam-keys.ts'
import type { Operation, Store } from '../../store/store.ts'
import { type Block, hostAffinity, isEmpty, newBlock } from '../block.ts'
import { assignNext, releaseHandle } from '../block-changes.ts'
import { decodeBlock, encodeBlock } from '../block-codec.ts'
import { blocksOf, counted, decodeHandle, EMPTY_HANDLE, encodeHandle, isUnused } from '../handle.ts'

interface Found<Value> {
  readonly value: Value
  readonly modRevision: number
}

/** The write lost against somebody else's; begin again. */
class Conflict extends Error {}

/**
 * An allocator that works as Calico does, one row at a time: claims go from pending to confirmed,
 * releases through pendingDeletion, a handle is counted before its block is written. Only for tests of
 * how both get along in one store.
 */
export class StepwiseAllocator {
  readonly #store: Store
  readonly #node: string
  readonly #blocks: readonly Prefix[]

  constructor(store: Store, node: string, blocks: readonly Prefix[]) {
    this.#store = store
    this.#node = node
    this.#blocks = blocks
  }

  /** One address, or undefined if there is none for this node. */
  async assign(handle: string): Promise<string | undefined> {
    for (;;) {
      const { rows } = await this.#store.list(`/calico/ipam/v2/host/${this.#node}/`)
      for (const row of rows) {
        const { cidr } = parseAffinityKey(row.key)!
        const address = await retry(() => this.#assignFrom(cidr, handle))
        if (address !== undefined) return address
      }
      const claimed = await this.#claimAny(
        new Set(rows.map(({ key }) => parseAffinityKey(key)!.cidr)),
      )
      if (!claimed) return undefined
    }
  }

  async #assignFrom(cidr: Prefix, handle: string): Promise<string | undefined> {
    const affinity = await this.#affinity(cidr)
    if (affinity === undefined) return undefined
    let block = await this.#block(cidr)
    if (block === undefined) {
      const revision = await this.#setState(cidr, affinity.modRevision, 'pending')
      return (await this.#finishClaim(cidr, revision)) ? this.#assignFrom(cidr, handle) : undefined
    }
    if (block.value.affinity !== hostAffinity(this.#node)) {
      await this.#put(affinityKey(this.#node, cidr), affinity.modRevision, undefined)
      return undefined
    }
    if (affinity.value !== 'confirmed') {
      const pending = await this.#setState(cidr, affinity.modRevision, 'pending')
      block = {
        value: next(block.value),
        modRevision: await this.#writeBlock(cidr, block, block.value),
      }
      await this.#setState(cidr, pending, 'confirmed')
    }
    const { block: after, addresses } = assignNext(
      block.value,
      1,
      { handle, attributes: {} },
      () => true,
    )
    if (addresses.length === 0) return undefined
    await this.#count(handle, cidr, 1)
    try {
      await this.#writeBlock(cidr, block, after)
    } catch (thrown) {
      await this.#count(handle, cidr, -1)
      throw thrown
    }
    return addresses[0]
  }

  async #claimAny(owned: ReadonlySet<Prefix>): Promise<boolean> {
    for (const cidr of this.#blocks) {
      if (owned.has(cidr) || (await this.#block(cidr)) !== undefined) continue
      if (await retry(() => this.#claim(cidr))) return true
    }
    return false
  }

  async #claim(cidr: Prefix): Promise<boolean> {
    const found = await this.#affinity(cidr)
    if (found?.value === 'confirmed') return this.#finishClaim(cidr, found.modRevision)
    return this.#finishClaim(cidr, await this.#setState(cidr, found?.modRevision ?? 0, 'pending'))
  }

  async #finishClaim(cidr: Prefix, pending: number): Promise<boolean> {
    const sequenceNumber = BigInt(pending) * 1_000_000n
    const fresh = newBlock({
      cidr,
      node: this.#node,
      claimTime: '2019-01-16T06:46:19Z',
      sequenceNumber,
    })
    const created = await this.#write(blockKey(cidr), 0, {
      put: blockKey(cidr),
      value: encodeBlock(fresh),
    })
    if (created === undefined) {
      const block = await this.#block(cidr)
      if (block === undefined) throw new Conflict()
      if (block.value.affinity !== hostAffinity(this.#node)) {
        await this.#put(affinityKey(this.#node, cidr), pending, undefined)
        return false
      }
    }
    const confirmed = await this.#write(affinityKey(this.#node, cidr), pending, {
      put: affinityKey(this.#node, cidr),
      value: '{"state":"confirmed","deleted":false}',
    })
    if (confirmed === undefined && (await this.#affinity(cidr))?.value !== 'confirmed')
      throw new Conflict()
    return true
  }

  async releaseByHandle(handle: string): Promise<void> {
    const { row } = await this.#store.get(handleKey(handle))
    for (const cidr of row === undefined ? [] : blocksOf(decodeHandle(row.value))) {
      const count = await retry(async () => {
        const block = await this.#block(cidr)
        if (block === undefined) return 0
        const { block: after, released } = releaseHandle(block.value, handle)
        if (released.length === 0) return 0
        const gone = after.affinity === null && isEmpty(after)
        await this.#writeBlock(cidr, block, gone ? undefined : after)
        return released.length
      })
      if (count > 0) await this.#count(handle, cidr, -count)
    }
  }

  async releaseAffinities(): Promise<void> {
    const { rows } = await this.#store.list(`/calico/ipam/v2/host/${this.#node}/`)
    for (const { key } of rows) await retry(() => this.#release(parseAffinityKey(key)!.cidr))
  }

  async #release(cidr: Prefix): Promise<void> {
    const affinity = await this.#affinity(cidr)
    if (affinity === undefined) return
    const block = await this.#block(cidr)
    if (block?.value.affinity !== hostAffinity(this.#node)) {
      await this.#put(affinityKey(this.#node, cidr), affinity.modRevision, undefined)
      return
    }
    const leaving = await this.#setState(cidr, affinity.modRevision, 'pendingDeletion')
    const { affinityClaimTime: _, ...others } = block.value
    const free = { ...others, affinity: null, affinityClaimTime: undefined }
    await this.#writeBlock(cidr, block, isEmpty(block.value) ? undefined : free)
    await this.#write(affinityKey(this.#node, cidr), leaving, {
      delete: affinityKey(this.#node, cidr),
    })
  }

  async #affinity(cidr: Prefix): Promise<Found<string> | undefined> {
    const { row } = await this.#store.get(affinityKey(this.#node, cidr))
    if (row === undefined) return undefined
    const { state } = JSON.parse(row.value) as { state: string }
    return { value: state, modRevision: row.modRevision }
  }

  async #block(cidr: Prefix): Promise<Found<Block> | undefined> {
    const { row } = await this.#store.get(blockKey(cidr))
    return row && { value: decodeBlock(row.key, row.value), modRevision: row.modRevision }
  }

  #setState(cidr: Prefix, modRevision: number, state: string): Promise<number> {
    return this.#put(
      affinityKey(this.#node, cidr),
      modRevision,
      `{"state":"${state}","deleted":false}`,
    )
  }

  #writeBlock(cidr: Prefix, before: Found<Block>, after: Block | undefined): Promise<number> {
    return this.#put(blockKey(cidr), before.modRevision, after && encodeBlock(next(after)))
  }

  async #count(handle: string, cidr: Prefix, change: number): Promise<void> {
    const key = handleKey(handle)
    await retry(async () => {
      const { row } = await this.#store.get(key)
      const after = counted(
        row === undefined ? EMPTY_HANDLE : decodeHandle(row.value),
        cidr,
        change,
      )
      if (row === undefined && isUnused(after)) return
      await this.#put(key, row?.modRevision ?? 0, isUnused(after) ? undefined : encodeHandle(after))
    })
  }

  /** One row, if it is still as it was read; the revision. Throws Conflict. */
  async #put(key: string, modRevision: number, value: string | undefined): Promise<number> {
    const operation = value === undefined ? { delete: key } : { put: key, value }
    const revision = await this.#write(key, modRevision, operation)
    if (revision === undefined) throw new Conflict()
    return revision
  }

  async #write(
    key: string,
    modRevision: number,
    operation: Operation,
  ): Promise<number | undefined> {
    const transaction = { compare: [{ key, modRevision }], success: [operation] }
    const { succeeded, revision } = await this.#store.transact(transaction)
    return succeeded ? revision : undefined
  }
}

const next = (block: Block): Block => ({ ...block, sequenceNumber: block.sequenceNumber + 1n })

async function retry<Result>(attempt: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await attempt()
    } catch (thrown) {
      if (!(thrown instanceof Conflict)) throw thrown
    }
  }
}
