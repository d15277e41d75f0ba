import type { ChainImage, LookupImage, RuleImage, TableImage } from '../../../kernel/filter-plan.ts'
import type { FilterFieldType } from '../../../kernel/packet-filter.ts'
import type { KeyOctets } from './key-octets.ts'

/** A table as the kernel has it, with what the kernel calls its parts. */
export interface LiveTable extends TableImage {
  readonly chains: Map<string, LiveChain>
  readonly lookups: Map<string, LiveLookup>
  readonly counters: Set<string>
  readonly flowtables: Map<string, string>
}

export interface LiveChain extends ChainImage {
  readonly rules: readonly LiveRule[]
}

export interface LiveRule extends RuleImage {
  /** Undefined of a rule that was made since the chain was read. */
  readonly handle: bigint | undefined
}

export interface LiveLookup extends LookupImage {
  /** Undefined of one whose key this program would not make. */
  readonly types: readonly FilterFieldType[] | undefined
  readonly elements: Map<string, string>
  /** How the kernel knows each element. */
  readonly keys: Map<string, KeyOctets>
}
