import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
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
import type { Closable } from '../lib/closable.ts'
import type { Log } from '../lib/log.ts'
import { RpcError, type RpcMethods, serveRpc } from '../lib/rpc.ts'
import { serveEtcd } from '../platform/etcd/server.ts'
import { systemClock } from '../platform/node/clock.ts'
import { systemRandom } from '../platform/node/random.ts'
import { listenUnix } from '../platform/node/unix-socket.ts'
import { labPath } from './lab-paths.ts'
import { labState } from './lab-state.ts'
import { HOST_FILE, HOST_SOCKET } from './simulated-lab-client.ts'
import { type SimulatedPrograms, simulatedLabPorts } from './simulated-lab-ports.ts'

/**
 * A simulated lab as a process: all its nodes, their kernels and the store are objects in here, at the
 * pace of the wall clock. Agents and store answer at the same sockets as those of a real lab, so that
 * `get` and `trace` do not know the difference; what needs the kernel itself is asked of the host.
 *
 *     tortie get ------ store.sock ------+
 *     tortie trace ---- agent.sock (n) --+-- this process: SimulatedMachine, agents, store
 *     tortie lab ... -- lab.sock --------+
 */
export async function hostSimulatedLab(options: {
  readonly lab: string
  readonly topology: Topology
  readonly text: string
  readonly log: Log
}): Promise<{ untilDown: Promise<void>; down(): Promise<void> }> {
  const { lab, topology, text, log } = options
  const machine = new SimulatedMachine({ clock: systemClock, random: systemRandom, log })
  // Its namespaces are its own: it need not mind what other labs call theirs.
  const all = labState()
  let isMarked = false
  const state: LabState = {
    ...all,
    labs: () => all.labs().filter((name) => name === lab),
    write(name, file, text) {
      // First of all: namespaces in the journal of a lab without it are those of this machine.
      if (!isMarked) all.write(lab, HOST_FILE, `{"pid":${process.pid}}\n`)
      isMarked = true
      all.write(name, file, text)
    },
  }
  const ports = simulatedLabPorts({
    machine,
    state,
    clock: systemClock,
    random: systemRandom,
    log,
  })
  await labUp({ topology, name: lab, text }, ports)
  const sockets = await serveAgentsAndStore(lab, ports.programs, log)
  let goesDown: () => void
  const untilDown = new Promise<void>((resolve) => (goesDown = resolve))
  const down = async (): Promise<void> => {
    for (const socket of sockets) socket.close()
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
        return await runSimulatedCommand(kernel, argv, systemClock)
      } finally {
        kernel.close()
      }
    },
    down() {
      setImmediate(() => void down())
      return Promise.resolve(null)
    },
  })
  sockets.push(
    await listenUnix(labPath(lab, HOST_SOCKET), (stream) => serveRpc(stream, methods, PROTOCOL)),
  )
  return { untilDown, down }
}

async function serveAgentsAndStore(
  lab: string,
  programs: SimulatedPrograms,
  log: Log,
): Promise<Closable[]> {
  const sockets: Closable[] = []
  for (const what of programs.running(lab).map((program) => program.what)) {
    const [, node] = /^agent (.+)$/.exec(what) ?? []
    if (node === undefined) continue
    const none: RpcMethods = {
      status: () => Promise.reject(new RpcError('ENOTCONN', `The agent of ${node} does not run`)),
    }
    const path = labPath(lab, 'nodes', node, 'agent.sock')
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    sockets.push(
      await listenUnix(path, (stream) =>
        serveRpc(stream, programs.agent(lab, node)?.methods ?? none, PROTOCOL),
      ),
    )
  }
  const store = programs.store(lab)
  if (store !== undefined) {
    const address = `unix:${labPath(lab, 'store.sock')}`
    sockets.push(await serveEtcd({ store, address, clusterId: Date.now(), log }))
  }
  return sockets
}
