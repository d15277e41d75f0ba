import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import { allocationsOf, type Block, isEmpty } from './block.ts'
import { type Released, releaseAddresses, releaseHandle } from './block-changes.ts'
import { blocksOf, counted, handleId } from './handle.ts'
import type { IpamStore, ObjectStep } from './ipam-store.ts'
import type { ReleaseRequest } from './requests.ts'
import { blockStep, handleStep, retry, takeSteps } from './steps.ts'

/** etcd takes 128 operations in a transaction: a block and the handles of this many addresses fit. */
const AT_ONCE = 100

/**
 * Takes addresses back: out of the block, then out of the handle, so that a handle never counts too few.
 * Doing it again changes nothing, and finishes what a process that died in between has left.
 */
export class Releaser {
  readonly #store: IpamStore

  constructor(store: IpamStore) {
    this.#store = store
  }

  /** Addresses of one block; gives those that nobody had. Throws IpamError if an owner is not as demanded. */
  async fromBlock(cidr: Prefix, requests: readonly ReleaseRequest[]): Promise<IpAddress[]> {
    const free: IpAddress[] = []
    for (let at = 0; at < requests.length; at += AT_ONCE) {
      const some = requests.slice(at, at + AT_ONCE)
      const released = await this.#release(cidr, (block) => releaseAddresses(block, some))
      const had = new Set(released.map(({ address }) => address))
      free.push(...some.flatMap(({ address }) => (had.has(address) ? [] : [address])))
    }
    return free
  }

  /** Everything that a handle has, in all blocks; gives the addresses. */
  async byHandle(handle: string): Promise<IpAddress[]> {
    const id = handleId(handle)
    const released: IpAddress[] = []
    for (const cidr of blocksOf((await this.#store.handle(id)).value)) {
      const some = await this.#release(cidr, (block) => releaseHandle(block, id), id)
      released.push(...some.map(({ address }) => address))
    }
    return released
  }

  /** Makes a handle count what it has: one that a process that died has left may count more. */
  async settle(handle: string): Promise<void> {
    const { value } = await this.#store.handle(handle)
    for (const cidr of blocksOf(value)) await this.#settle(handle, cidr)
  }

  /**
   * Writes the block, and then every handle that is concerned. A block without addresses and owner is
   * deleted. Of `whole`, the handle that is released as such, the block is struck even if it had none there.
   */
  #release(
    cidr: Prefix,
    decide: (block: Block) => Released,
    whole?: string,
  ): Promise<Released['released']> {
    return retry(async () => {
      const before = await this.#store.block(cidr)
      const result = before.value && decide(before.value)
      const released = result?.released ?? []
      const handles = await this.#handleSteps(cidr, released, whole)
      const steps = [...handles]
      if (result !== undefined && (released.length > 0 || handles.length > 0)) {
        // Written also if it stays as it is: who has counted an address and is about to take it must notice.
        steps.unshift(blockStep(cidr, before, kept(result.block)))
      }
      if (steps.length === 0) return released
      const taken = await takeSteps(this.#store, steps)
      if (taken.length === 0) return undefined
      for (const step of steps.slice(taken.length)) {
        if (step.kind === 'handle') await this.#settle(step.id, cidr)
      }
      return released
    })
  }

  /** What becomes of the handles that had addresses; nothing of one that does not count the block. */
  async #handleSteps(
    cidr: Prefix,
    released: Released['released'],
    whole: string | undefined,
  ): Promise<readonly ObjectStep[]> {
    const owners = new Set(released.flatMap(({ handle }) => handle ?? []))
    if (whole !== undefined) owners.add(whole)
    const steps = [...owners].map(async (id) => {
      const handle = await this.#store.handle(id)
      const count = handle.value.blocks[cidr]
      if (count === undefined) return []
      const had = released.filter((item) => item.handle === id).length
      return [handleStep(id, handle, counted(handle.value, cidr, id === whole ? -count : -had))]
    })
    return (await Promise.all(steps)).flat()
  }

  /**
   * Makes a handle count what the block says. The block is written too: who has counted an address and is
   * about to take it must notice, and count it anew.
   */
  #settle(id: string, cidr: Prefix): Promise<true> {
    return retry(async () => {
      const [handle, block] = await Promise.all([this.#store.handle(id), this.#store.block(cidr)])
      const { value } = block
      const had = value === undefined ? 0 : allocationsOf(value).filter(isOf(id)).length
      const change = had - (handle.value.blocks[cidr] ?? 0)
      if (handle.revision === undefined && change === 0) return true
      // Written also if it is right: of what was read apart, only a write tells that it was so at once.
      const steps = [handleStep(id, handle, counted(handle.value, cidr, change))]
      if (value !== undefined) steps.unshift(blockStep(cidr, block, value))
      return (await takeSteps(this.#store, steps)).length === steps.length ? true : undefined
    })
  }
}

function isOf(id: string): (allocation: { readonly handle: string | undefined }) => boolean {
  return ({ handle }) => handle === id
}

function kept(block: Block): Block | undefined {
  return block.affinity === null && isEmpty(block) ? undefined : block
}
