import type { Clock } from '../lib/clock.ts'
import { RpcClient, type TextStream } from '../lib/rpc.ts'
import type { Api, Connection } from './methods.ts'
import { PROTOCOL } from './protocol.ts'

/**
 * A client of a socket that serves `Table`. Results are the program's own and are believed.
 *
 * @param peer what errors call the other side: "the agent of server01"
 */
export function connect<Table extends Api<Table>>(
  stream: TextStream,
  clock: Clock,
  peer: string,
  protocol = PROTOCOL,
): Connection<Table> {
  return new RpcClient(stream, clock, peer, protocol) as Connection<Table>
}
