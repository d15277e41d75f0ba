import { UserError } from '../lib/errors.ts'
import { parseJson, sortedKeys, stringifyJson } from '../model/json.ts'
import { parsePrefix, type Prefix } from '../net/prefix.ts'
import { type AllocationAttributes, type Block, blockSize } from './block.ts'
import type { Attributes } from './requests.ts'

/** The JSON of a block as Calico writes it; sequence numbers are 64-bit. */
export function encodeBlock(block: Block): string {
  const before = fieldsOf({
    cidr: block.cidr,
    affinity: block.affinity,
    ...(block.affinityClaimTime !== undefined && { affinity_claim_time: block.affinityClaimTime }),
    allocations: block.allocations,
    unallocated: block.unallocated,
    attributes: block.attributes.map(encodeAttributes),
  })
  // 64-bit numbers by hand: the writer of JSON that knows them is a slow one, and this is most of an ADD.
  const sequenceNumbers = Object.entries(sortedKeys(block.sequenceNumberForAllocation))
    .map(([ordinal, value]) => `${JSON.stringify(ordinal)}:${value}`)
    .join()
  const numbers = `"sequenceNumber":${block.sequenceNumber},"sequenceNumberForAllocation":{${sequenceNumbers}}`
  return `{${before},${numbers},${fieldsOf({ deleted: false, ...block.rest })}}`
}

/** The JSON of an object that is not empty, without its braces. */
function fieldsOf(fields: object): string {
  return stringifyJson(fields).slice(1, -1)
}

function encodeAttributes({ handle, secondary, releasedAt, rest }: AllocationAttributes): object {
  return {
    ...(handle !== undefined && { handle_id: handle }),
    ...(Object.keys(secondary).length > 0 && { secondary: sortedKeys(secondary) }),
    ...rest,
    ...(releasedAt !== undefined && { releasedAt }),
  }
}

interface StoredBlock {
  readonly cidr?: unknown
  readonly affinity?: string | null
  readonly affinity_claim_time?: string | null
  readonly allocations?: unknown
  readonly unallocated?: unknown
  readonly attributes?: readonly StoredAttributes[] | null
  readonly sequenceNumber?: number | bigint
  readonly sequenceNumberForAllocation?: Readonly<Record<string, number | bigint>> | null
  readonly deleted?: boolean
  /** Of old versions, instead of `affinity`. */
  readonly hostAffinity?: string | null
}

interface StoredAttributes {
  readonly handle_id?: string | null
  readonly secondary?: Attributes | null
  readonly releasedAt?: string | null
}

/** Throws UserError that names the block and what is wrong with it. */
export function decodeBlock(key: string, text: string): Block {
  const stored = parseJson(text) as StoredBlock
  const {
    cidr: cidrText,
    affinity,
    affinity_claim_time: claimTime,
    allocations,
    unallocated,
    attributes,
    sequenceNumber = 0,
    sequenceNumberForAllocation,
    deleted: _deleted,
    hostAffinity,
    ...rest
  } = stored
  const cidr = typeof cidrText === 'string' ? parsePrefix(cidrText) : undefined
  if (cidr === undefined) throw broken(key, 'cidr', 'expected a CIDR without host bits')
  const block: Block = {
    cidr,
    affinity: affinity ?? (hostAffinity ? `host:${hostAffinity}` : null),
    affinityClaimTime: claimTime ?? undefined,
    allocations: ordinals(key, 'allocations', allocations, true),
    unallocated: ordinals(key, 'unallocated', unallocated, false) as number[],
    attributes: (attributes ?? []).map(decodeAttributes),
    sequenceNumber: BigInt(sequenceNumber),
    sequenceNumberForAllocation: Object.fromEntries(
      Object.entries(sequenceNumberForAllocation ?? {}).map(([at, value]) => [at, BigInt(value)]),
    ),
    rest,
  }
  demandConsistent(key, block)
  return block
}

function decodeAttributes(stored: StoredAttributes): AllocationAttributes {
  const { handle_id: handle, secondary, releasedAt, ...rest } = stored
  return {
    handle: handle ?? undefined,
    secondary: secondary ?? {},
    releasedAt: releasedAt ?? undefined,
    rest,
  }
}

function ordinals(
  key: string,
  field: string,
  value: unknown,
  nullable: boolean,
): (number | null)[] {
  const fine = (item: unknown): boolean =>
    (nullable && item === null) || (typeof item === 'number' && Number.isInteger(item) && item >= 0)
  if (Array.isArray(value) && value.every(fine)) return value as (number | null)[]
  throw broken(key, field, 'expected a list of ordinals')
}

function demandConsistent(key: string, block: Block): void {
  const size = sizeOf(key, block.cidr)
  const { allocations, unallocated, attributes } = block
  if (allocations.length !== size) throw broken(key, 'allocations', `expected ${size} entries`)
  if (allocations.some((index) => index !== null && index >= attributes.length)) {
    throw broken(key, 'allocations', 'expected indices into attributes')
  }
  if (unallocated.some((ordinal) => allocations[ordinal] !== null)) {
    throw broken(key, 'unallocated', 'expected ordinals that nobody has')
  }
}

function sizeOf(key: string, cidr: Prefix): number {
  try {
    return blockSize(cidr)
  } catch (thrown) {
    throw broken(key, 'cidr', (thrown as Error).message)
  }
}

function broken(key: string, field: string, expected: string): UserError {
  return new UserError(`stored block ${key} cannot be used: ${field}: ${expected}`)
}
