import { mkdirSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { PROTOCOL } from '../api/protocol.ts'
import {
  parseSavedSysctl,
  type SavedSysctl,
  savedSysctlRecord,
  type SavedSysctls,
} from '../agent/dataplane/host-sysctls.ts'
import type { AgentCommandOptions } from '../cli/agent.ts'
import type { CommandContext } from '../cli/context.ts'
import { type Attachment, attachmentKey, type AttachmentStore } from '../cni/attachment.ts'
import { attachmentRecord, parseAttachmentRecord } from '../cni/attachment-record.ts'
import type { Closable } from '../lib/closable.ts'
import { switchTopics } from '../lib/debug-topics.ts'
import type { Log } from '../lib/log.ts'
import { serveRpc } from '../lib/rpc.ts'
import { createLinuxMachine } from '../platform/linux/machine.ts'
import { tunnelPrograms } from '../platform/linux/tunnel/tunnel.ts'
import { systemClock } from '../platform/node/clock.ts'
import { jsonFiles } from '../platform/node/json-files.ts'
import { textFile } from '../platform/node/text-file.ts'
import { systemRandom } from '../platform/node/random.ts'
import { listenUnix } from '../platform/node/unix-socket.ts'
import { type AgentPorts, composeAgent } from '../composition/compose-agent.ts'
import { composeRecordedAgent } from '../recording/agent-recording.ts'
import { etcdStore } from './open-etcd-store.ts'
import { openRecording } from './open-recording.ts'

/**
 * The node agent as a process: runs in the network namespace that it serves, until told to stop.
 * Everything that it keeps outside of itself stays when it goes, so that traffic goes on.
 */
export async function runAgent(
  options: AgentCommandOptions,
  context: CommandContext,
): Promise<void> {
  const stopped = context.untilStopped()
  const agentLog = await context.openLog('agent')
  switchTopics(agentLog.topics, options.debug)
  const store = await etcdStore(options.store, agentLog)
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 })
  mkdirSync(dirname(options.socket), { recursive: true })
  const node = options.node ?? hostname().toLowerCase()
  const log = agentLog.child({ node })
  const machine = createLinuxMachine(log)
  const kernel = machine.openNamespace('/proc/self/ns/net')
  const recording = options.record === undefined ? undefined : openRecording(options.record, log)
  const ports: AgentPorts = {
    node,
    kernel,
    machine,
    tunnelKind: options.tunnel,
    tunnelPrograms: tunnelPrograms(kernel),
    store,
    clock: systemClock,
    random: systemRandom,
    log,
    attachments: attachmentFiles(join(options.stateDir, 'attachments'), log),
    savedSysctls: sysctlFiles(join(options.stateDir, 'sysctls'), log),
    clusterFile: textFile(join(options.stateDir, 'cluster.json')),
    machineId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    ...(options.netnsPath === undefined ? {} : { namespacePath: options.netnsPath }),
    defer: (task) => void setImmediate(task),
  }
  const composed =
    recording === undefined ? composeAgent(ports) : composeRecordedAgent(ports, recording)
  const server: Closable = await listenUnix(options.socket, (stream) =>
    serveRpc(stream, composed.methods, PROTOCOL),
  )
  await composed.start()
  log.info('Started', { socket: options.socket })
  await stopped
  server.close()
  await composed.stop({ graceful: true })
  store.close()
  kernel.close()
  recording?.close()
  log.info('Stopped; routes and pods stay')
}

function sysctlFiles(folder: string, log: Log): SavedSysctls {
  const files = jsonFiles<SavedSysctl>({
    folder,
    log,
    parse: parseSavedSysctl,
    document: savedSysctlRecord,
    keyOf: ({ path }) => encodeURIComponent(path),
  })
  return {
    list: () => files.list(),
    put: (saved) => files.put(saved),
    delete: (path) => files.delete(encodeURIComponent(path)),
  }
}

function attachmentFiles(folder: string, log: Log): AttachmentStore {
  return jsonFiles<Attachment>({
    folder,
    log,
    parse: parseAttachmentRecord,
    document: attachmentRecord,
    keyOf: attachmentKey,
  })
}
