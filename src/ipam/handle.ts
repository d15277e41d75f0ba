import { parseJson, sortedKeys, stringifyJson } from '../model/json.ts'
import { parsePrefix, type Prefix } from '../net/prefix.ts'

/** How many addresses an owner has in which block. */
export interface Handle {
  readonly blocks: Readonly<Record<string, number>>
  /** Fields that this program does not know, kept. */
  readonly rest: Readonly<Record<string, unknown>>
}

export const EMPTY_HANDLE: Handle = { blocks: {}, rest: {} }

export function encodeHandle({ blocks, rest }: Handle): string {
  return stringifyJson({ block: sortedKeys(blocks), deleted: false, ...rest })
}

export function decodeHandle(text: string): Handle {
  const {
    block,
    deleted: _,
    ...rest
  } = parseJson(text) as { block?: Readonly<Record<string, number>> | null; deleted?: boolean }
  return { blocks: block ?? {}, rest }
}

/** The blocks in which it has addresses. What is no block is left alone: nobody can have an address in it. */
export function blocksOf({ blocks }: Handle): readonly Prefix[] {
  return Object.keys(blocks).flatMap((text) => parsePrefix(text) ?? [])
}

/** The handle with `change` addresses more (or fewer) in a block; a block without any is left out. */
export function counted(handle: Handle, block: Prefix, change: number): Handle {
  const { [block]: before = 0, ...others } = handle.blocks
  const after = before + change
  return { ...handle, blocks: after > 0 ? { ...others, [block]: after } : others }
}

export function isUnused(handle: Handle): boolean {
  return Object.keys(handle.blocks).length === 0
}

/** What Calico makes of an identifier: nothing from the first carriage return on. */
export function handleId(text: string): string {
  const end = text.indexOf('\r')
  return end < 0 ? text : text.slice(0, end)
}
