// Tortie's speaker as the runner starts it: the assignment comes as a JSON file.
import { appendFileSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { rejectAll } from '../../src/bgp/policy.ts'
import { createSpeaker } from '../../src/bgp/speaker.ts'
import { silentLog } from '../../src/lib/log.ts'
import { ip } from '../../src/net/ip-address.ts'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
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

// With a file named, the longest that the event loop was held up is added to it, second by second.
const loopFile = process.env['BENCH_EVENT_LOOP']
if (loopFile !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  setInterval(() => {
    appendFileSync(loopFile, `${(delay.max / 1e6).toFixed(1)} ms\n`)
    delay.reset()
  }, 1000)
}
