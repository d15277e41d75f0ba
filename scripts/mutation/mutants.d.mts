/** One small mistake in one file. */
export interface Mutant {
  /** Stays the same when only other lines of the file change. */
  readonly id: string
  readonly path: string
  /** From 1. */
  readonly line: number
  readonly operator:
    | 'comparison'
    | 'arithmetic'
    | 'logic'
    | 'condition'
    | 'early end'
    | 'statement'
    | 'call'
    | 'constant'
  /** Where it stands in the text, in UTF-16 units. */
  readonly start: number
  readonly end: number
  readonly replacement: string
}

export function mutantsOf(path: string, text: string): Mutant[]
export function mutate(text: string, mutant: Mutant): string
export function sample(mutants: readonly Mutant[], count: number, seed: number): readonly Mutant[]
export function describeChange(text: string, mutant: Mutant): string[]
