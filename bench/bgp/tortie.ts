// Tortie's speaker as the runner starts it: the assignment comes as a JSON file, and SIGUSR2 asks for the
// figures of its event loop.
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rejectAll } from '../../src/bgp/policy.ts'
import { createSpeaker } from '../../src/bgp/speaker.ts'
import { silentLog } from '../../src/lib/log.ts'
import { ip } from '../../src/net/ip-address.ts'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { EVENT_LOOP_FILE, watchEventLoop } from './event-loop.ts'
import type { Assignment } from './speakers.ts'

const assignment = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Assignment
const { tcp } = createLinuxMachine().openNamespace('/proc/self/ns/net')
const speaker = createSpeaker({
  clock: systemClock,
  random: systemRandom,
  tcp,
  log: silentLog,
  defer: (task) => void setImmediate(task),
})
speaker.configure({
  localAs: assignment.localAs,
  routerId: ip(assignment.address),
  listen: [{ address: ip(assignment.address), port: 179 }],
  neighbors: assignment.neighbors.map(({ address, as, receives }) => ({
    address: ip(address),
    remoteAs: as,
    passive: true,
    holdTimeSeconds: 240,
    ...(receives ? {} : { exportPolicy: rejectAll }),
  })),
})

if (assignment.watchesEventLoop) {
  const figures = watchEventLoop()
  const file = join(dirname(process.argv[2]!), EVENT_LOOP_FILE)
  process.on('SIGUSR2', () => writeFileSync(file, JSON.stringify(figures())))
}
