import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Log } from '../lib/log.ts'
import { serveEtcd } from '../platform/etcd/server.ts'
import { systemClock } from '../platform/node/clock.ts'
import { systemRandom } from '../platform/node/random.ts'
import { listenUnix } from '../platform/node/unix-socket.ts'
import {
  type HostedLab,
  type HostSockets,
  hostSimulatedLab,
  type SimulatedLabHost,
} from '../simulated-lab/host-simulated-lab.ts'
import { labPath } from './lab-paths.ts'
import { labState } from './lab-state.ts'

/** Is the host of a simulated lab: at the pace of the wall clock, with sockets in the lab's directory. */
export function hostLab(hosted: HostedLab, log: Log): Promise<SimulatedLabHost> {
  return hostSimulatedLab(hosted, {
    state: labState(),
    mark: `{"pid":${process.pid}}\n`,
    sockets: hostSockets(hosted.lab, log),
    clock: systemClock,
    random: systemRandom,
    log,
  })
}

function hostSockets(lab: string, log: Log): HostSockets {
  return {
    listen(names, onStream) {
      const path = labPath(lab, ...names)
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      return listenUnix(path, onStream)
    },
    serveStore: (names, store) =>
      serveEtcd({ store, address: `unix:${labPath(lab, ...names)}`, clusterId: Date.now(), log }),
  }
}
