import { TUNNEL_KINDS } from '../agent/tunnel/tunnel-device.ts'
import { UserError } from '../lib/errors.ts'
import { checkFileVersion } from '../lib/file-version.ts'
import type { Log } from '../lib/log.ts'
import type { RpcMethods } from '../lib/rpc.ts'
import { type AgentPorts, composeAgent, type ComposedAgent } from '../composition/compose-agent.ts'
import { type Entry, RECORDING_VERSION, type RecordingHeader } from './entry.ts'
import { Recorder, type RecorderNeeds } from './recorder.ts'
import { Replayer, type ReplayResult } from './replayer.ts'

/** {@link composeAgent} with everything that comes in and goes out written down, a line each. */
export function composeRecordedAgent(ports: AgentPorts, needs: RecorderNeeds): ComposedAgent {
  const recorder = new Recorder(needs)
  const { tunnelPrograms, defer, tunnelKind, namespacePath, clusterFile } = ports
  const header: RecordingHeader = {
    recording: RECORDING_VERSION,
    node: ports.node,
    machineId: ports.machineId,
    ...(tunnelKind === undefined ? {} : { tunnelKind }),
    ...(namespacePath === undefined ? {} : { namespacePath }),
    has: [
      ...(tunnelPrograms === undefined ? [] : ['tunnelPrograms']),
      ...(defer === undefined ? [] : ['defer']),
      ...(clusterFile === undefined ? [] : ['clusterFile']),
    ],
  }
  needs.write(JSON.stringify(header))
  const composed = composeAgent({
    ...ports,
    kernel: recorder.port('kernel', ports.kernel),
    machine: recorder.port('machine', ports.machine),
    store: recorder.port('store', ports.store),
    clock: recorder.port('clock', ports.clock),
    random: recorder.port('random', ports.random),
    attachments: recorder.port('attachments', ports.attachments),
    savedSysctls: recorder.port('savedSysctls', ports.savedSysctls),
    ...(clusterFile === undefined
      ? {}
      : { clusterFile: recorder.port('clusterFile', clusterFile) }),
    ...(tunnelPrograms === undefined
      ? {}
      : { tunnelPrograms: recorder.port('tunnelPrograms', tunnelPrograms) }),
    ...(defer === undefined ? {} : { defer: recorder.port('process', { defer }).defer }),
  })
  const methods: RpcMethods = Object.fromEntries(
    Object.entries(composed.methods).map(([method, run]) => [
      method,
      recorder.entrance(method, run),
    ]),
  )
  const start = recorder.entrance('start', () => composed.start())
  const stop = recorder.entrance('stop', (options: { graceful: boolean }) => composed.stop(options))
  return { agent: composed.agent, methods, start: () => start({}), stop }
}

/** Runs the agent of now on what was recorded of one. Errors: UserError on what is no recording. */
export async function replayAgent(
  lines: readonly string[],
  needs: { readonly log: Log; readonly name: string; settled(): Promise<void> },
): Promise<{ readonly node: string; readonly result: ReplayResult }> {
  const header = parseHeader(lines[0], needs.name)
  const entries = lines.slice(1).map((line, at) => parseEntry(line, needs.name, at + 2))
  const replayer = new Replayer(entries, 1)
  const composed = composeAgent({
    node: header.node,
    machineId: header.machineId,
    ...(header.namespacePath === undefined ? {} : { namespacePath: header.namespacePath }),
    ...tunnelKindOf(header),
    kernel: replayer.port('kernel'),
    machine: replayer.port('machine'),
    store: replayer.port('store'),
    clock: replayer.port('clock'),
    random: replayer.port('random'),
    attachments: replayer.port('attachments'),
    savedSysctls: replayer.port('savedSysctls'),
    ...(header.has.includes('clusterFile') ? { clusterFile: replayer.port('clusterFile') } : {}),
    ...(header.has.includes('tunnelPrograms')
      ? { tunnelPrograms: replayer.port('tunnelPrograms') }
      : {}),
    ...(header.has.includes('defer')
      ? { defer: (replayer.object('process') as Required<Pick<AgentPorts, 'defer'>>).defer }
      : {}),
    log: needs.log,
  })
  for (const [method, run] of Object.entries(composed.methods)) replayer.entrance(method, run)
  replayer.entrance('start', () => composed.start())
  replayer.entrance('stop', (options) => composed.stop(options as { graceful: boolean }))
  return { node: header.node, result: await replayer.run(() => needs.settled()) }
}

function tunnelKindOf({ tunnelKind }: RecordingHeader): Pick<AgentPorts, 'tunnelKind'> {
  const known = TUNNEL_KINDS.find((kind) => kind === tunnelKind)
  return known === undefined ? {} : { tunnelKind: known }
}

function parseHeader(line: string | undefined, name: string): RecordingHeader {
  const value = parseJson(line ?? '') as Partial<RecordingHeader> | undefined
  if (value?.recording === RECORDING_VERSION && typeof value.node === 'string') {
    return value as RecordingHeader
  }
  const [, version] = /^tortie agent (\d+)$/.exec(value?.recording ?? '') ?? []
  const [, known] = RECORDING_VERSION.split('tortie agent ')
  if (version !== undefined) checkFileVersion(Number(version), Number(known), name)
  throw new UserError(
    `${name}, line 1: expected a recording made by "tortie agent --record" of this version` +
      ` ("${RECORDING_VERSION}"), found ${JSON.stringify((line ?? '').slice(0, 80))}`,
  )
}

function parseEntry(line: string, name: string, number: number): Entry {
  const value = parseJson(line)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Entry
  throw new UserError(
    `${name}, line ${number}: expected an entry of a recording, found ${JSON.stringify(line.slice(0, 80))}`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
