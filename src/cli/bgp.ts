import { LAB_HELP } from './option-help.ts'
import type { Command } from '@commander-js/extra-typings'
import type { RibPathDocument, RoutesRequest } from '../api/bgp-documents.ts'
import type { BgpApi, BgpdApi, Connection } from '../api/methods.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { RpcError } from '../lib/rpc.ts'
import { type IpAddress, parseIpAddress } from '../net/ip-address.ts'
import { hostPrefix, parsePrefix, type Prefix } from '../net/prefix.ts'
import {
  historyTable,
  neighborDetails,
  neighborsTable,
  pathDetails,
  pathsTable,
} from './bgp-tables.ts'
import type { DefineCommand } from './command-entry.ts'
import type { CommandContext } from './context.ts'

/** Where a bgpd answers unless its configuration says otherwise. */
export const BGPD_SOCKET = '/run/tortie/bgpd.sock'

export type ConnectBgpd = (socketPath: string) => Promise<Connection<BgpdApi>>

interface TargetOptions {
  readonly socket?: string | undefined
  readonly node?: string | undefined
  readonly lab?: string | undefined
}

/** `tortie bgp`: what a speaker knows, and a word with it. */
export function bgpCommand(connect: ConnectBgpd): DefineCommand {
  return (command, context) => {
    const program: Program = { context, connect }
    command.addHelpText('after', EXAMPLES)
    defineNeighbors(command, program)
    defineRoutes(command, program)
    defineRoute(command, program)
    defineHistory(command, program)
    defineReset(command, program)
    defineRefresh(command, program)
    defineReload(command, program)
    defineStop(command, program)
  }
}

const EXAMPLES = `
Examples:
  tortie bgp neighbors                            neighbors of this machine's bgpd
  tortie bgp neighbors --node server01            neighbors of a node of the lab
  tortie bgp routes --within 10.0.0.0/8 --best    best paths, and why they are
  tortie bgp route 10.1.0.0/24                    every path of one route, in full
  tortie bgp history 10.1.0.0/24                  its recent changes
`

interface Program {
  readonly context: CommandContext
  readonly connect: ConnectBgpd
}

/** A sub-command that asks a bgpd. */
function askingBgpd(command: Command, name: string, description: string) {
  return command
    .command(name)
    .description(description)
    .option('--socket <path>', `socket of a bgpd (default: ${BGPD_SOCKET})`)
}

/** A sub-command that asks a speaker: of a bgpd or of an agent. */
function asking(command: Command, name: string, description: string) {
  return askingBgpd(command, name, description)
    .option('--node <name>', 'ask the agent of this node instead')
    .option('--lab <name>', `with --node: ${LAB_HELP}`)
}

/** Asks the speaker of a bgpd, or with --node that of a node's agent. */
async function ask<Result>(
  program: Program,
  { socket, node, lab }: TargetOptions,
  use: (connection: Pick<Connection<BgpApi>, 'call'>) => Promise<Result>,
): Promise<Result> {
  if (node === undefined) return askBgpd(program, { socket }, use)
  if (socket !== undefined) throw new UserError('Expected --socket or --node, found both')
  const { agents, close } = await program.context.openAgents({ lab }, [node])
  return answered(use(agents[0]!), close)
}

async function askBgpd<Result>(
  { connect }: Program,
  { socket = BGPD_SOCKET }: { readonly socket?: string | undefined },
  use: (connection: Connection<BgpdApi>) => Promise<Result>,
): Promise<Result> {
  const connection = await connect(socket).catch((thrown: unknown) => {
    throw new UserError(`No bgpd answers at ${socket}: ${messageOf(thrown)}`)
  })
  return answered(use(connection), () => connection.close())
}

async function answered<Result>(answer: Promise<Result>, close: () => void): Promise<Result> {
  try {
    return await answer
  } catch (thrown) {
    if (thrown instanceof RpcError) throw new UserError(thrown.message)
    throw thrown
  } finally {
    close()
  }
}

function print(
  context: CommandContext,
  json: boolean | undefined,
  value: unknown,
  text: string,
): void {
  context.out.write(json === true ? `${JSON.stringify(value, undefined, 2)}\n` : text)
}

function defineNeighbors(command: Command, program: Program): void {
  asking(command, 'neighbors', 'Show neighbors and their sessions, or one of them in full.')
    .argument('[address]', 'address of one neighbor (default: all)')
    .option('--json', 'print JSON')
    .action(async (address, options) => {
      const all = await ask(program, options, (one) => one.call('bgp.neighbors', {}))
      const now = program.context.clock.wallTime()
      if (address === undefined) {
        return print(program.context, options.json, all, neighborsTable(all, now))
      }
      const found = all.find((neighbor) => neighbor.address === parseIpAddress(address))
      if (found === undefined) throw new UserError(`There is no neighbor ${address}`)
      print(program.context, options.json, found, neighborDetails(found, now))
    })
}

function defineRoutes(command: Command, program: Program): void {
  asking(command, 'routes', 'Show routes, one path per line, with why the best is best.')
    .option('--within <prefix>', 'only routes inside this prefix')
    .option('--from <address>', 'only paths received from this neighbor')
    .option('--to <address>', 'only routes advertised to this neighbor')
    .option('-4, --ipv4', 'IPv4 only')
    .option('-6, --ipv6', 'IPv6 only')
    .option('--best', 'best paths only')
    .option('--limit <paths>', 'maximum number of paths', '10000')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const limit = Number(options.limit)
      if (!Number.isInteger(limit) || limit < 1) {
        throw new UserError(`--limit is "${options.limit}": expected a number of paths`)
      }
      const { within, from, to, best, ipv4, ipv6 } = options
      const query: RoutesRequest = {
        ...(within === undefined ? {} : { within: prefixArgument(within) }),
        ...(from === undefined ? {} : { from: addressOption('--from', from) }),
        ...(to === undefined ? {} : { to: addressOption('--to', to) }),
        ...(best === true ? { bestOnly: true } : {}),
        ...(ipv4 === ipv6 ? {} : { family: ipv4 === true ? 4 : 6 }),
      }
      const { paths, isWhole } = await ask(program, options, (one) => list(one, query, limit))
      const more = isWhole ? '' : `\nand more than these ${limit}; see --limit and --within\n`
      print(program.context, options.json, paths, pathsTable(paths) + more)
    })
}

async function list(
  connection: Pick<Connection<BgpApi>, 'call'>,
  query: RoutesRequest,
  limit: number,
): Promise<{ paths: RibPathDocument[]; isWhole: boolean }> {
  const paths: RibPathDocument[] = []
  let params = query
  for (;;) {
    const page = await connection.call('bgp.routes', params)
    for (const path of page.paths) paths.push(path)
    if (paths.length > limit) return { paths: paths.slice(0, limit), isWhole: false }
    if (page.next === undefined) return { paths, isWhole: true }
    params = { next: page.next }
  }
}

function defineRoute(command: Command, program: Program): void {
  asking(
    command,
    'route',
    'Show every path of one route in full, with the step of the decision that ruled it out.',
  )
    .argument('<prefix>', 'such as 10.1.0.0/24; an address stands for its /32 or /128')
    .option('--json', 'print JSON')
    .action(async (prefix, options) => {
      const wanted = prefixArgument(prefix)
      const paths = await ask(program, options, (one) => one.call('bgp.route', { prefix: wanted }))
      if (paths.length === 0) throw new UserError(`There is no route ${wanted}`)
      print(program.context, options.json, paths, pathDetails(paths))
    })
}

function defineHistory(command: Command, program: Program): void {
  asking(command, 'history', 'Show the latest changes of one route.')
    .argument('<prefix>', 'such as 10.1.0.0/24')
    .option('--json', 'print JSON')
    .action(async (prefix, options) => {
      const wanted = prefixArgument(prefix)
      const entries = await ask(program, options, (one) =>
        one.call('bgp.history', { prefix: wanted }),
      )
      print(program.context, options.json, entries, historyTable(entries))
    })
}

function defineReset(command: Command, program: Program): void {
  asking(command, 'reset', 'Restart the session with a neighbor.')
    .argument('<address>', 'address of the neighbor')
    .option('-m, --message <text>', 'shutdown communication for the neighbor (RFC 9003)')
    .action(async (address, options) => {
      const { message } = options
      const neighbor = addressOption('The neighbor', address)
      await ask(program, options, (one) =>
        one.call('bgp.reset', {
          neighbor,
          ...(message === undefined ? {} : { communication: message }),
        }),
      )
    })
}

function defineRefresh(command: Command, program: Program): void {
  asking(command, 'refresh', 'Send ROUTE-REFRESH (RFC 2918) to a neighbor, or resend our routes.')
    .argument('<address>', 'address of the neighbor')
    .option('--out', 'resend our routes instead')
    .action(async (address, options) => {
      const direction = options.out === true ? 'out' : 'in'
      const neighbor = addressOption('The neighbor', address)
      await ask(program, options, (one) => one.call('bgp.refresh', { neighbor, direction }))
    })
}

function defineReload(command: Command, program: Program): void {
  askingBgpd(command, 'reload', 'Make a bgpd reload its configuration file.').action(
    async (options) => {
      const message = await askBgpd(program, options, (one) => one.call('bgpd.reload', {}))
      program.context.out.write(`${message}\n`)
    },
  )
}

function defineStop(command: Command, program: Program): void {
  askingBgpd(command, 'stop', 'Stop a bgpd.')
    .option(
      '--graceful',
      'let neighbors and the kernel keep its routes until it is back (RFC 4724)',
    )
    .option('-m, --message <text>', 'shutdown communication for neighbors (RFC 9003)')
    .action(async (options) => {
      const { graceful, message } = options
      await askBgpd(program, options, (one) =>
        one.call('bgpd.stop', {
          graceful: graceful === true,
          ...(message === undefined ? {} : { communication: message }),
        }),
      )
    })
}

function prefixArgument(text: string): Prefix {
  const address = parseIpAddress(text)
  const prefix = address === undefined ? parsePrefix(text) : hostPrefix(address)
  if (prefix !== undefined) return prefix
  throw new UserError(
    `"${text}" is not a prefix: expected a form like 10.1.0.0/24 with zero host bits`,
  )
}

function addressOption(option: string, text: string): IpAddress {
  const address = parseIpAddress(text)
  if (address !== undefined) return address
  throw new UserError(`${option} is "${text}": expected an IP address`)
}
