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
      .requiredOption('-c, --config <file>', 'YAML file (schema: schema/bgpd.schema.json)')
      .option('--check', 'check the file and exit')
      .option(
        '-R, --recover',
        'restart gracefully after a crash: neighbors kept our routes (RFC 4724)',
      )
      .addOption(debugOption(BGPD_TOPICS))
      .addHelpText('after', LOG_HELP + HELP)
      .action(({ config, check, recover, debug }) =>
        run({ config, check: check === true, recover: recover === true, debug }, context),
      )
  }
}

const HELP = `
Signals:
  SIGHUP            reload the file; only differences are applied, and a file with errors changes nothing
  SIGTERM, SIGINT   notify neighbors, withdraw our routes from the kernel, exit

Example of a file:
  localAs: 65000
  routerId: 10.0.0.1
  neighbors:
    - { address: 10.0.0.2, remoteAs: 65001, import: accept, export: accept }
  static:
    - { prefix: 192.0.2.0/24, communities: ["65000:100"] }

Inspect it with tortie bgp. docs/bgpd.md documents every field.
`
