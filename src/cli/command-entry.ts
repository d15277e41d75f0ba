import type { Command } from '@commander-js/extra-typings'
import type { CommandContext } from './context.ts'

/** Adds arguments, options, sub-commands and the action to an empty command of the right name. */
export type DefineCommand = (command: Command, context: CommandContext) => void

/** One row of the table of commands: what help says of it, and how the rest is loaded when it is asked for. */
export interface CommandEntry {
  readonly name: string
  /** One line, lower case, no full stop. */
  readonly summary: string
  readonly group: 'Lab' | 'Look' | 'Change' | 'Run' | 'BGP'
  load(): Promise<DefineCommand>
}
