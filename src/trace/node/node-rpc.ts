import type { Connection, Handlers, TraceApi } from '../../api/methods.ts'
import type { NodeAccess } from '../../api/node-access.ts'

/**
 * {@link NodeAccess} over requests by name: the agent serves `nodeMethods` on its socket, and whoever
 * holds a connection to it gets the port back from `remoteNode`.
 */
export function nodeMethods(access: NodeAccess): Handlers<TraceApi> {
  return {
    'trace.snapshot': (request) => access.snapshot(request),
    'trace.lookup': (request) => access.lookup(request),
    'trace.arm': (request) => access.arm(request),
    'trace.probe': (request) => access.probe(request),
    'trace.collect': (request) => access.collect(request),
    'trace.finish': (request) => access.finish(request),
  }
}

/** The port over a connection to the agent of `node`. */
export function remoteNode(
  node: string,
  connection: Pick<Connection<TraceApi>, 'call'>,
): NodeAccess {
  return {
    node,
    snapshot: (request) => connection.call('trace.snapshot', request),
    lookup: (request) => connection.call('trace.lookup', request),
    arm: (request) => connection.call('trace.arm', request),
    probe: (request) => connection.call('trace.probe', request),
    collect: (request) => connection.call('trace.collect', request),
    finish: (request) => connection.call('trace.finish', request),
  }
}
