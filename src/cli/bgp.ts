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
  tortie bgp neighbors                            of the bgpd of this machine
  tortie bgp neighbors --node server01            of a node of the lab
  tortie bgp routes --within 10.0.0.0/8 --best    with why each is the best
  tortie bgp route 10.1.0.0/24                    every path of one route, in full
  tortie bgp history 10.1.0.0/24                  what became of it
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
    .option('--socket <path>', `of a bgpd; ${BGPD_SOCKET} when absent`)
}

/** A sub-command that asks a speaker: of a bgpd or of an agent. */
function asking(command: Command, name: string, description: string) {
  return askingBgpd(command, name, description)
    .option('--node <name>', "ask the agent of a lab's node instead")
    .option('--lab <name>', 'of --node; the only lab that is up when absent')
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
  asking(command, 'neighbors', 'Neighbors and their sessions; one of them in full.')
    .argument('[address]', 'of one neighbor')
    .option('--json', 'as JSON')
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
  asking(command, 'routes', 'Routes, each path on a line, with why the best is best.')
    .option('--within <prefix>', 'those in a prefix')
    .option('--from <address>', 'learned from a neighbor')
    .option('--to <address>', 'advertised to a neighbor')
    .option('-4, --ipv4', 'IPv4 only')
    .option('-6, --ipv6', 'IPv6 only')
    .option('--best', 'best paths only')
    .option('--limit <paths>', 'end after so many', '10000')
    .option('--json', 'as JSON')
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
  asking(command, 'route', 'Every path of one route, in full, with where each lost to the best.')
    .argument('<prefix>', 'such as 10.1.0.0/24, or an address for its /32 or /128')
    .option('--json', 'as JSON')
    .action(async (prefix, options) => {
      const wanted = prefixArgument(prefix)
      const paths = await ask(program, options, (one) => one.call('bgp.route', { prefix: wanted }))
      if (paths.length === 0) throw new UserError(`There is no route ${wanted}`)
      print(program.context, options.json, paths, pathDetails(paths))
    })
}

function defineHistory(command: Command, program: Program): void {
  asking(command, 'history', 'The latest changes of one route.')
    .argument('<prefix>', 'such as 10.1.0.0/24')
    .option('--json', 'as JSON')
    .action(async (prefix, options) => {
      const wanted = prefixArgument(prefix)
      const entries = await ask(program, options, (one) =>
        one.call('bgp.history', { prefix: wanted }),
      )
      print(program.context, options.json, entries, historyTable(entries))
    })
}

function defineReset(command: Command, program: Program): void {
  asking(command, 'reset', 'Ends the session with a neighbor and begins it anew.')
    .argument('<address>', 'of the neighbor')
    .option('-m, --message <text>', 'what the neighbor is told (RFC 9003)')
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
  asking(command, 'refresh', 'Asks a neighbor for its routes again, or sends ours again.')
    .argument('<address>', 'of the neighbor')
    .option('--out', 'send ours instead')
    .action(async (address, options) => {
      const direction = options.out === true ? 'out' : 'in'
      const neighbor = addressOption('The neighbor', address)
      await ask(program, options, (one) => one.call('bgp.refresh', { neighbor, direction }))
    })
}

function defineReload(command: Command, program: Program): void {
  askingBgpd(command, 'reload', 'Has a bgpd read its file again.').action(async (options) => {
    const message = await askBgpd(program, options, (one) => one.call('bgpd.reload', {}))
    program.context.out.write(`${message}\n`)
  })
}

function defineStop(command: Command, program: Program): void {
  askingBgpd(command, 'stop', 'Ends a bgpd.')
    .option('--graceful', 'neighbors and the kernel keep its routes until it is back (RFC 4724)')
    .option('-m, --message <text>', 'what neighbors are told (RFC 9003)')
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
  throw new UserError(`"${text}" is no prefix: expected such as 10.1.0.0/24, its host bits zero`)
}

function addressOption(option: string, text: string): IpAddress {
  const address = parseIpAddress(text)
  if (address !== undefined) return address
  throw new UserError(`${option} is "${text}": expected an IP address`)
}
