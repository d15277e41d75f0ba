import { checkedMethods } from '../api/checked-methods.ts'
import type { LabHostApi } from '../api/methods.ts'
import { LAB_HOST_PARAMS } from '../api/params-schemas.ts'
import { PROTOCOL } from '../api/protocol.ts'
import { runSimulatedCommand } from '../kernel/sim/commands/run-command.ts'
import { SimulatedMachine } from '../kernel/sim/machine.ts'
import { findNamespace } from '../lab/find-target.ts'
import { readJournal } from '../lab/journal.ts'
import { labDown } from '../lab/lab-down.ts'
import type { LabState } from '../lab/lab-ports.ts'
import { labRestart } from '../lab/lab-restart.ts'
import { labStatus } from '../lab/lab-status.ts'
import { labUp } from '../lab/lab-up.ts'
import type { Topology } from '../lab/topology-schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { RpcError, type RpcMethods, serveRpc, type TextStream } from '../lib/rpc.ts'
import type { RevisionedStore } from '../store/revisioned-store.ts'
import { HOST_FILE, HOST_SOCKET } from './host-file.ts'
import { type SimulatedPrograms, simulatedLabPorts } from './simulated-lab-ports.ts'

export interface HostedLab {
  readonly lab: string
  readonly topology: Topology
  readonly text: string
}

/** Sockets in the lab's directory, each by its path in it. */
export interface HostSockets {
  listen(path: readonly string[], onStream: (stream: TextStream) => void): Promise<Closable>
  /** In etcd's protocol. */
  serveStore(path: readonly string[], store: RevisionedStore): Promise<Closable>
}

export interface HostPorts {
  /** The files of all labs. */
  readonly state: LabState
  /** What is written into {@link HOST_FILE}. */
  readonly mark: string
  readonly sockets: HostSockets
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface SimulatedLabHost {
  /** Resolves when somebody has asked for the end of the lab, and it is gone. */
  readonly untilDown: Promise<void>
  down(): Promise<void>
}

/**
 * A simulated lab as a process: all its nodes, their kernels and the store are objects in here, at the
 * pace of the wall clock. Agents and store answer at the same sockets as those of a real lab, so that
 * `get` and `trace` do not know the difference; what needs the kernel itself is asked of the host.
 *
 *     tortie get ------ store.sock ------+
 *     tortie trace ---- agent.sock (n) --+-- this process: SimulatedMachine, agents, store
 *     tortie lab ... -- lab.sock --------+
 */
export async function hostSimulatedLab(
  { lab, topology, text }: HostedLab,
  { clock, random, log, sockets, ...host }: HostPorts,
): Promise<SimulatedLabHost> {
  const machine = new SimulatedMachine({ clock, random, log })
  const state = markedState(lab, host)
  const ports = simulatedLabPorts({ machine, state, clock, random, log })
  await labUp({ topology, name: lab, text }, ports)
  const open = await serveAgentsAndStore(lab, ports.programs, sockets)
  let goesDown: () => void
  const untilDown = new Promise<void>((resolve) => (goesDown = resolve))
  const down = async (): Promise<void> => {
    for (const socket of open) socket.close()
    await labDown(lab, ports)
    goesDown()
  }

  const methods = checkedMethods<LabHostApi>(LAB_HOST_PARAMS, {
    status: () => labStatus(lab, ports),
    async restart({ node }) {
      await labRestart(lab, node, ports)
      return null
    },
    async exec({ where, argv }) {
      const namespace = findNamespace(readJournal(state, lab)!, where)
      const kernel = machine.openNamespace(namespace)
      try {
        return await runSimulatedCommand(kernel, argv, clock)
      } finally {
        kernel.close()
      }
    },
    down() {
      // After the answer.
      clock.after(0, () => void down())
      return Promise.resolve(null)
    },
  })
  open.push(await sockets.listen([HOST_SOCKET], (stream) => serveRpc(stream, methods, PROTOCOL)))
  return { untilDown, down }
}

/** The state of this lab alone: its namespaces are its own, whatever other labs call theirs. */
function markedState(lab: string, { state, mark }: Pick<HostPorts, 'state' | 'mark'>): LabState {
  let isMarked = false
  return {
    ...state,
    labs: () => state.labs().filter((name) => name === lab),
    write(name, file, text) {
      // First of all: namespaces in the journal of a lab without it are those of this machine.
      if (!isMarked) state.write(lab, HOST_FILE, mark)
      isMarked = true
      state.write(name, file, text)
    },
  }
}

async function serveAgentsAndStore(
  lab: string,
  programs: SimulatedPrograms,
  sockets: HostSockets,
): Promise<Closable[]> {
  const open: Closable[] = []
  for (const what of programs.running(lab).map((program) => program.what)) {
    const [, node] = /^agent (.+)$/.exec(what) ?? []
    if (node === undefined) continue
    const none: RpcMethods = {
      status: () => Promise.reject(new RpcError('ENOTCONN', `The agent of ${node} does not run`)),
    }
    open.push(
      await sockets.listen(['nodes', node, 'agent.sock'], (stream) =>
        serveRpc(stream, programs.agent(lab, node)?.methods ?? none, PROTOCOL),
      ),
    )
  }
  const store = programs.store(lab)
  if (store !== undefined) open.push(await sockets.serveStore(['store.sock'], store))
  return open
}
