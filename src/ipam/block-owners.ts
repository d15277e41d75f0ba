import { hostPrefix, type Prefix } from '../net/prefix.ts'
import { allocationsOf, type Block, nodeOf } from './block.ts'

/** Which node has a block. */
export interface BlockOwner {
  readonly cidr: Prefix
  /** Undefined for a block that nobody has any more. */
  readonly node: string | undefined
}

/** Which node packets to the addresses of a block go to. */
export interface BlockOwners extends BlockOwner {
  /** Single addresses that another node uses. */
  readonly borrowed: readonly { readonly prefix: Prefix; readonly node: string }[]
}

/** An address whose user is not told is taken to be at the node of the block. */
export function blockOwners(block: Block): BlockOwners {
  const node = nodeOf(block)
  return {
    cidr: block.cidr,
    node,
    borrowed: allocationsOf(block).flatMap(({ address, attributes }) => {
      const user = attributes['node']
      return user === undefined || user === node
        ? []
        : [{ prefix: hostPrefix(address), node: user }]
    }),
  }
}
