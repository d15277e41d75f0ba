import type { ChainImage, LookupImage, RuleImage, TableImage } from '../../../kernel/filter-plan.ts'
import type { FilterFieldType } from '../../../kernel/packet-filter.ts'
import type { KeyOctets } from './key-octets.ts'

/** A table as the kernel has it, with what the kernel calls its parts. */
export interface KernelTable extends TableImage {
  readonly chains: Map<string, KernelChain>
  readonly lookups: Map<string, KernelLookup>
  readonly counters: Set<string>
  readonly flowtables: Map<string, string>
}

export interface KernelChain extends ChainImage {
  readonly rules: readonly KernelRule[]
}

export interface KernelRule extends RuleImage {
  /** Undefined of a rule that was made since the chain was read. */
  readonly handle: bigint | undefined
}

export interface KernelLookup extends LookupImage {
  /** Undefined of one whose key this program would not make. */
  readonly types: readonly FilterFieldType[] | undefined
  readonly elements: Map<string, string>
  /** How the kernel knows each element. */
  readonly keys: Map<string, KeyOctets>
}
