import { connect } from '../api/connect.ts'
import type { BgpdApi } from '../api/methods.ts'
import { bgpCommand } from '../cli/bgp.ts'
import { systemClock } from '../platform/node/clock.ts'
import { connectUnix } from '../platform/node/unix-socket.ts'

/** `tortie bgp`, over unix sockets. */
export const defineBgp = bgpCommand(async (path) => {
  return connect<BgpdApi>(await connectUnix(path), systemClock, `the bgpd at ${path}`)
})
