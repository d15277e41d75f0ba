import type { Clock } from '../../../lib/clock.ts'
import type { Kernel } from '../../kernel.ts'

/** What a simulated program printed, and how it ended. */
export interface CommandResult {
  readonly stdout: string
  readonly stderr: string
  readonly status: number
}

/** A program of the simulated machine: its arguments, without its name. */
export type SimulatedCommand = (
  kernel: Kernel,
  argv: readonly string[],
  clock: Clock,
) => CommandResult | Promise<CommandResult>
