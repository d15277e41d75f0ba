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
import type { TunnelKind } from '../agent/tunnel/tunnel-device.ts'
import { type Attachment, attachmentKey, type AttachmentStore } from '../cni/attachment.ts'
import { attachmentRecord, parseAttachmentRecord } from '../cni/attachment-record.ts'
import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import { serveRpc } from '../lib/rpc.ts'
import { createLinuxMachine } from '../platform/linux/machine.ts'
import { tunnelPrograms } from '../platform/linux/tunnel/tunnel.ts'
import { systemClock } from '../platform/node/clock.ts'
import { jsonFiles } from '../platform/node/json-files.ts'
import { textFile } from '../platform/node/text-file.ts'
import { systemRandom } from '../platform/node/random.ts'
import { listenUnix } from '../platform/node/unix-socket.ts'
import type { Store } from '../store/store.ts'
import { type AgentPorts, composeAgent } from './compose-agent.ts'
import { composeRecordedAgent } from './recording/agent-recording.ts'
import { openRecording } from './recording/open-recording.ts'

export interface AgentOptions {
  /** Name of the Node resource; the host's name when absent. */
  readonly node?: string
  /** Path of the unix socket to serve. */
  readonly socketPath: string
  /** Folder for what outlives the agent. */
  readonly stateFolder: string
  readonly store: Store
  readonly log: Log
  /** What tunl0 is to be made of. */
  readonly tunnelKind: TunnelKind
  /** File to write down everything that comes in and goes out. */
  readonly recordingPath?: string
  /** Path by which a person opens the node's network namespace. */
  readonly namespacePath?: string
}

/**
 * The node agent as a process: runs in the network namespace that it serves, until told to stop.
 * Everything that it keeps outside of itself stays when it goes, so that traffic goes on.
 */
export async function runAgent(options: AgentOptions): Promise<{
  stop(): Promise<void>
}> {
  mkdirSync(options.stateFolder, { recursive: true, mode: 0o700 })
  mkdirSync(dirname(options.socketPath), { recursive: true })
  const node = options.node ?? hostname().toLowerCase()
  const log = options.log.child({ node })
  const machine = createLinuxMachine(log)
  const kernel = machine.openNamespace('/proc/self/ns/net')
  const recording =
    options.recordingPath === undefined ? undefined : openRecording(options.recordingPath, log)
  const ports: AgentPorts = {
    node,
    kernel,
    machine,
    tunnelKind: options.tunnelKind,
    tunnelPrograms: tunnelPrograms(kernel),
    store: options.store,
    clock: systemClock,
    random: systemRandom,
    log,
    attachments: attachmentFiles(join(options.stateFolder, 'attachments'), log),
    savedSysctls: sysctlFiles(join(options.stateFolder, 'sysctls'), log),
    clusterFile: textFile(join(options.stateFolder, 'cluster.json')),
    machineId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    ...(options.namespacePath === undefined ? {} : { namespacePath: options.namespacePath }),
    defer: (task) => void setImmediate(task),
  }
  const composed =
    recording === undefined ? composeAgent(ports) : composeRecordedAgent(ports, recording)
  const server: Closable = await listenUnix(options.socketPath, (stream) =>
    serveRpc(stream, composed.methods, PROTOCOL),
  )
  await composed.start()
  log.info('Started', { socket: options.socketPath })
  return {
    async stop() {
      server.close()
      await composed.stop({ graceful: true })
      options.store.close()
      kernel.close()
      recording?.close()
      log.info('Stopped; routes and pods stay')
    },
  }
}

function sysctlFiles(folder: string, log: Log): SavedSysctls {
  const files = jsonFiles<SavedSysctl>({
    folder,
    log,
    parse: parseSavedSysctl,
    document: savedSysctlRecord,
  })
  return {
    list: () => files.list(),
    put: (saved) => files.put(encodeURIComponent(saved.path), saved),
    delete: (path) => files.delete(encodeURIComponent(path)),
  }
}

function attachmentFiles(folder: string, log: Log): AttachmentStore {
  const files = jsonFiles<Attachment>({
    folder,
    log,
    parse: parseAttachmentRecord,
    document: attachmentRecord,
  })
  return {
    list: () => files.list(),
    put: (attachment) => files.put(attachmentKey(attachment), attachment),
    delete: (key) => files.delete(key),
  }
}
