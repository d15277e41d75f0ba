import { BGPD_TOPICS, type DebugTopic } from '../lib/debug-topics.ts'
import type { DefineCommand } from './command-entry.ts'
import type { CommandContext } from './context.ts'
import { debugOption, LOG_HELP } from './debug-option.ts'

export interface BgpdOptions {
  /** Path of the configuration; "-" for standard input. */
  readonly config: string
  /** Only say whether the configuration is right. */
  readonly check: boolean
  /** The daemon before this one was killed and its neighbors keep its routes (RFC 4724). */
  readonly recover: boolean
  /** What is told of in the log from the start. */
  readonly debug: readonly DebugTopic[]
}

/** `tortie bgpd`: a plain BGP daemon. */
export function bgpdCommand(
  run: (options: BgpdOptions, context: CommandContext) => Promise<void>,
): DefineCommand {
  return (command, context) => {
    command
      .requiredOption('-c, --config <file>', 'YAML; its schema is schema/bgpd.schema.json')
      .option('--check', 'only say whether the file is right')
      .option('-R, --recover', 'come back after a crash: neighbors keep our routes (RFC 4724)')
      .addOption(debugOption(BGPD_TOPICS))
      .addHelpText('after', LOG_HELP + HELP)
      .action(({ config, check, recover, debug }) =>
        run({ config, check: check === true, recover: recover === true, debug }, context),
      )
  }
}

const HELP = `
Signals:
  SIGHUP            read the file again; only what differs changes, a file with mistakes changes nothing
  SIGTERM, SIGINT   tell neighbors, take our routes out of the kernel, end

Example of a file:
  localAs: 65000
  routerId: 10.0.0.1
  neighbors:
    - { address: 10.0.0.2, remoteAs: 65001, import: accept, export: accept }
  static:
    - { prefix: 192.0.2.0/24, communities: ["65000:100"] }

See what it does with tortie bgp; all fields are in docs/bgpd.md.
`
