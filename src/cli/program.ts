import { Command, CommanderError } from '@commander-js/extra-typings'
import { UserError } from '../lib/errors.ts'
import { printableLines } from '../lib/printable.ts'
import type { CommandEntry } from './command-entry.ts'
import type { CommandContext } from './context.ts'
import { StoreUnavailable } from '../store/store.ts'

const NEXT = `
What to type first (as root, on Linux):
  tortie lab up seed                          three nodes, five pods, real BGP, in seconds
  tortie get workloadendpoint -A              the pods, their addresses and interfaces
  tortie trace network-5z4qp network-mngxw    every hop of a packet, both ways
  tortie lab down                             remove everything

Environment: TORTIE_LOG is the level of logs (debug, info, warn, error; info when absent), TORTIE_DEBUG the
debug topics that agents and bgpds log from their start, such as netlink,routes (tortie debug --help).

Help for one command: tortie <command> --help
`

/**
 * Runs one command line, without the program's own name, and answers the exit status. Only the module
 * of the command that is asked for is loaded; the others are a line in the help.
 */
export async function runProgram(
  argv: readonly string[],
  entries: readonly CommandEntry[],
  context: CommandContext,
  version: string,
): Promise<number> {
  const program = new Command('tortie')
    .description("A pod network in pure layer 3, in which you can see every packet's way.")
    .version(version, '-V, --version')
    .helpCommand('help [command]', 'show help for a command')
    .addHelpText('after', NEXT)
    .enablePositionalOptions() // so that `lab exec` can pass options on
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.out.write(text),
      writeErr: (text) => context.err.write(text),
      getOutHelpWidth: () => context.out.columns ?? 100,
      getErrHelpWidth: () => context.err.columns ?? 100,
      outputError: (text, write) => write(printableLines(text).replace(/^error: /, 'tortie: ')),
    })
  const wanted = commandNamed(argv)
  for (const entry of entries) {
    program.commandsGroup(`${entry.group}:`)
    const command = program.command(entry.name).summary(entry.summary).description(sentence(entry))
    command.enablePositionalOptions()
    if (entry.name === wanted) (await entry.load())(command, context)
  }
  try {
    await program.parseAsync(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' })
    return 0
  } catch (thrown) {
    return exitStatus(thrown, context)
  }
}

/** The first word that is no option; after "help", the second. */
function commandNamed(argv: readonly string[]): string | undefined {
  const words = argv.filter((word) => !word.startsWith('-'))
  return words[0] === 'help' ? words[1] : words[0]
}

function sentence({ summary }: CommandEntry): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
}

/** A person's mistake is one message; anything else is a defect, and its stack goes with the report. */
function exitStatus(thrown: unknown, { err }: CommandContext): number {
  if (thrown instanceof CommanderError) return thrown.exitCode
  if (thrown instanceof UserError) {
    err.write(`tortie: ${printableLines(thrown.message)}\n`)
    return thrown.exitCode
  }
  if (thrown instanceof StoreUnavailable) {
    err.write(`tortie: the datastore does not answer: ${printableLines(thrown.message)}\n`)
    return 1
  }
  if (isSystemError(thrown)) {
    err.write(`tortie: ${printableLines(thrown.message)}\n`)
    return 1
  }
  const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  err.write(`tortie: internal error; please report it with the command you typed\n${stack}\n`)
  return 70 // EX_SOFTWARE of sysexits.h
}

/** The machine refused something: a folder that cannot be made, a socket that cannot be opened. */
function isSystemError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'syscall' in thrown && 'code' in thrown
}
