import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { BlockOwners } from '../../ipam/block-owners.ts'
import { ip } from '../../net/ip-address.ts'
import { type Prefix, prefix } from '../../net/prefix.ts'
import type { RemoteNode } from '../../routes/encapsulation.ts'
import { RemoteBlocks } from './remote-blocks.ts'

const names = fc.constantFrom('me', 'b', 'c')
const change = fc.oneof(
  fc.record({
    block: fc.constantFrom('10.0.0.0/26', '10.0.0.64/26'),
    node: fc.option(names, { nil: undefined }),
    borrower: fc.option(names, { nil: undefined }),
    gone: fc.boolean(),
  }),
  fc.array(fc.tuple(names, fc.integer({ min: 1, max: 3 })), { maxLength: 3 }),
)

it('tells at every change exactly the prefixes that go elsewhere', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
      const blocks = new RemoteBlocks('me')
      const said = new Map<string, BlockOwners>()
      let nodes = new Map<string, RemoteNode>()
      for (const each of changes) {
        const before = new Map(blocks.rows)
        const told = Array.isArray(each)
          ? blocks.setNodes((nodes = new Map(each.map(([name, at]) => [name, nodeAt(at)]))))
          : blocks.setBlock(prefix(each.block), take(said, each))
        expect(new Map(blocks.rows)).toEqual(wanted(said, nodes))
        const keys = new Set([...before.keys(), ...blocks.rows.keys()])
        const changed = [...keys].filter((key) => !same(before.get(key), blocks.rows.get(key)))
        expect(new Set(told)).toEqual(new Set(changed))
      }
    }),
  )
})

const nodeAt = (at: number): RemoteNode => ({
  address: ip(`192.0.2.${at}`),
  tunnelAddress: at === 3 ? undefined : ip(`10.0.9.${at}`),
})

interface BlockChange {
  readonly block: string
  readonly node: string | undefined
  readonly borrower: string | undefined
  readonly gone: boolean
}

function take(said: Map<string, BlockOwners>, change: BlockChange): BlockOwners | undefined {
  const { block, node, borrower, gone } = change
  said.delete(block)
  if (gone) return undefined
  const single = prefix(block.replace(/\d+\/26/, (tail) => `${Number.parseInt(tail) + 5}/32`))
  const lends = borrower !== undefined && borrower !== node
  const owners: BlockOwners = {
    cidr: prefix(block),
    node,
    borrowed: lends ? [{ prefix: single, node: borrower }] : [],
  }
  said.set(block, owners)
  return owners
}

function wanted(
  said: ReadonlyMap<string, BlockOwners>,
  nodes: ReadonlyMap<string, RemoteNode>,
): Map<Prefix, RemoteNode> {
  const rows = new Map<Prefix, RemoteNode>()
  const add = (key: Prefix, name: string | undefined): void => {
    const node = nodes.get(name ?? '')
    if (node !== undefined && name !== 'me') rows.set(key, node)
  }
  for (const { cidr, node, borrowed } of said.values()) {
    add(cidr, node)
    for (const { prefix: single, node: user } of borrowed) add(single, user)
  }
  return rows
}

function same(a: RemoteNode | undefined, b: RemoteNode | undefined): boolean {
  return a?.address === b?.address && a?.tunnelAddress === b?.tunnelAddress
}
