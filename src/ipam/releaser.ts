import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import { type Block, isEmpty } from './block.ts'
import { type Released, releaseAddresses, releaseHandle } from './block-changes.ts'
import { counted, handleId } from './handle.ts'
import {
  blockWrite,
  handleWrite,
  type IpamStore,
  type Versioned,
  type Write,
} from './ipam-store.ts'
import type { ReleaseRequest } from './requests.ts'

/** etcd takes 128 operations in a transaction: a block and the handles of this many addresses fit. */
const AT_ONCE = 100

/** Takes addresses back. Doing it again changes nothing. */
export class Releaser {
  readonly #rows: IpamStore

  constructor(rows: IpamStore) {
    this.#rows = rows
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
    for (const cidr of Object.keys((await this.#rows.handle(id)).value.blocks) as Prefix[]) {
      const some = await this.#release(cidr, (block) => releaseHandle(block, id), id)
      released.push(...some.map(({ address }) => address))
    }
    return released
  }

  /**
   * Writes the block and every handle that is concerned at once. A block without addresses and owner is
   * deleted. Of `whole`, the handle that is released as such, the block is struck even if it had none there.
   */
  #release(
    cidr: Prefix,
    decide: (block: Block) => Released,
    whole?: string,
  ): Promise<Released['released']> {
    return this.#rows.retry(async () => {
      const before = await this.#rows.block(cidr)
      const result = before.value && decide(before.value)
      const released = result?.released ?? []
      const writes: Write[] = []
      if (result !== undefined && released.length > 0)
        writes.push(blockChange(cidr, before, result.block))
      const owners = new Set(
        released.flatMap(({ handle }) => (handle === undefined ? [] : [handle])),
      )
      if (whole !== undefined) owners.add(whole)
      writes.push(
        ...(await Promise.all(
          [...owners].map(async (id) => {
            const handle = await this.#rows.handle(id)
            const had = released.filter((item) => item.handle === id).length
            const less = id === whole ? Number.MAX_SAFE_INTEGER : had
            return handleWrite(id, handle, counted(handle.value, cidr, -less))
          }),
        )),
      )
      if (writes.length > 0 && !(await this.#rows.write(writes))) return undefined
      return released
    })
  }
}

function blockChange(cidr: Prefix, before: Versioned<Block | undefined>, after: Block): Write {
  return blockWrite(cidr, before, after.affinity === null && isEmpty(after) ? undefined : after)
}
