import { connect } from '../api/connect.ts'
import type { BgpdApi } from '../api/methods.ts'
import { bgpCommand } from '../cli/bgp.ts'
import { RpcClient } from '../lib/rpc.ts'
import { systemClock } from '../platform/node/clock.ts'
import { connectUnix } from '../platform/node/unix-socket.ts'

/** `tortie bgp`, over unix sockets. */
export const defineBgp = bgpCommand(async (path) => {
  const client = new RpcClient(await connectUnix(path), systemClock, `the bgpd at ${path}`)
  return connect<BgpdApi>(client)
})
