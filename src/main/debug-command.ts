import { connect } from '../api/connect.ts'
import type { DebugApi } from '../api/methods.ts'
import { debugCommand } from '../cli/debug.ts'
import { systemClock } from '../platform/node/clock.ts'
import { connectUnix } from '../platform/node/unix-socket.ts'

/** `tortie debug`, over unix sockets. */
export const defineDebug = debugCommand(async (path) => {
  return connect<DebugApi>(await connectUnix(path), systemClock, `the process at ${path}`)
})
