import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { StopRequest } from '../api/bgp-documents.ts'
import { checkedMethods } from '../api/checked-methods.ts'
import type { BgpdApi } from '../api/methods.ts'
import { debugMethods } from '../api/debug-methods.ts'
import { BGPD_PARAMS } from '../api/params-schemas.ts'
import { PROTOCOL } from '../api/protocol.ts'
import { bgpControlMethods } from '../bgpd/control-methods.ts'
import { createBfd } from '../bgp/bfd/create-bfd.ts'
import { createSpeaker } from '../bgp/speaker.ts'
import type { BgpdFile } from '../bgpd/config-schema.ts'
import { BgpdDaemon } from '../bgpd/daemon.ts'
import { parseBgpdConfig } from '../bgpd/parse-config.ts'
import { BGPD_SOCKET } from '../cli/bgp.ts'
import { bgpdCommand, type BgpdOptions } from '../cli/bgpd.ts'
import type { CommandContext } from '../cli/context.ts'
import { BGPD_TOPICS, switchTopics } from '../lib/debug-topics.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { serveRpc } from '../lib/rpc.ts'
import { ScopedClock } from '../lib/scoped-clock.ts'
import { createLinuxMachine } from '../platform/linux/machine.ts'
import { listenUnix } from '../platform/node/unix-socket.ts'

const KEEPS = 'the running configuration stays'

/** `tortie bgpd`, composed. */
export const defineBgpd = bgpdCommand(async (options, context) => {
  const text = await context.readText(options.config)
  const file = parseBgpdConfig(text, options.config, 'nothing was started')
  if (options.check) context.out.write(`${options.config} is right\n`)
  else await runBgpd(file, options, context)
})

/**
 * The daemon as a process, in the network namespace that it was started in:
 *
 *     file --SIGHUP--> parse --> BgpdDaemon --> Speaker --TCP, BFD over UDP--> neighbors
 *                                   '--> kernel routes
 *     socket (0600) --tortie bgp--> control methods --> Speaker
 */
async function runBgpd(
  first: BgpdFile,
  options: BgpdOptions,
  context: CommandContext,
): Promise<void> {
  const { random } = context
  const stopped = context.untilStopped()
  const clock = new ScopedClock(context.clock)
  const log = await context.openLog('bgpd')
  switchTopics(log.topics, options.debug)
  const machine = createLinuxMachine(log)
  const sockets = machine.openNamespace('/proc/self/ns/net')
  const bfd = createBfd({ clock, random, udp: sockets.udp, log: log.child({ part: 'bfd' }) })
  const speaker = createSpeaker({
    clock,
    random,
    tcp: sockets.tcp,
    bfd,
    log: log.child({ part: 'bgp' }),
    defer: (task) => void setImmediate(task),
  })
  const openKernel = () => machine.openNamespace('/proc/self/ns/net')
  const daemon = new BgpdDaemon({ speaker, bfd, clock, log, openKernel })

  let end: (request: StopRequest) => void = () => {}
  const ended = new Promise<StopRequest>((resolve) => {
    end = resolve
  })
  const reload = (): Promise<string> => reloadFile(daemon, options.config, context, log)
  const socketPath = first.control ?? BGPD_SOCKET
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o755 })
  const methods = checkedMethods<BgpdApi>(BGPD_PARAMS, {
    ...debugMethods(log, BGPD_TOPICS),
    ...bgpControlMethods(speaker),
    'bgpd.reload': reload,
    'bgpd.stop': (request) => {
      end(request)
      return Promise.resolve(null)
    },
  })
  const server = await listenUnix(socketPath, (stream) => serveRpc(stream, methods, PROTOCOL))
  const onHangUp = (): void => void reload().catch(() => {}) // it is in the log
  process.on('SIGHUP', onHangUp)
  try {
    daemon.apply(first, { restarting: options.recover })
    log.info('Started', { socket: socketPath, ports: speaker.listening() })
    void stopped.then((signal) => {
      log.info('Stopping', { signal })
      end({ graceful: false })
    })
    await daemon.stop(await ended)
    log.info('Stopped')
  } finally {
    process.off('SIGHUP', onHangUp)
    server.close()
    sockets.close()
    clock.close()
  }
}

/** Reads the file again; what it says of the control socket counts from the next start only. */
async function reloadFile(
  daemon: BgpdDaemon,
  path: string,
  context: CommandContext,
  log: Log,
): Promise<string> {
  try {
    if (path === '-') throw new UserError('Standard input cannot be read again')
    const file = parseBgpdConfig(await context.readText(path), path, KEEPS)
    if (file.control !== daemon.current?.control) {
      log.warn('A changed control socket takes effect at the next start')
    }
    daemon.apply(file)
  } catch (thrown) {
    log.error('Failed to reload the configuration', { error: messageOf(thrown) })
    throw thrown
  }
  log.info('Reloaded the configuration', { path })
  return `${path} is in force`
}
