import type { RpcClient } from '../lib/rpc.ts'
import type { Api, Connection } from './methods.ts'

/** A client of a socket that serves `Table`. Results are the program's own and are believed. */
export function connect<Table extends Api<Table>>(client: RpcClient): Connection<Table> {
  return client as Connection<Table>
}
