import { expect, it } from 'vitest'
import type { SpeakerConfig } from '../../bgp/config.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { Scheduler } from '../../lib/reconcile/scheduler.ts'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import { SpeakerReconciler } from './speaker-reconciler.ts'

const CONFIG: SpeakerConfig = {
  localAs: 64512,
  routerId: ip('10.0.0.1'),
  listen: [],
  neighbors: [],
}
const [A, B] = [prefix('10.1.0.0/26'), prefix('10.1.0.64/26')]

function node() {
  const clock = new VirtualClock()
  const scheduler = new Scheduler({ clock, random: new SeededRandom(1), log: silentLog })
  const calls: string[] = []
  const host = { refusal: undefined as string | undefined }
  const speaker = {
    configure(config: SpeakerConfig) {
      if (host.refusal !== undefined) throw new Error(host.refusal)
      calls.push(`configure ${config.localAs}`)
    },
    announce: (announced: string) => void calls.push(`announce ${announced}`),
    withdraw: (withdrawn: string) => void calls.push(`withdraw ${withdrawn}`),
  }
  const bgp = scheduler.add(new SpeakerReconciler({ speaker, log: silentLog }))
  return { clock, calls, host, bgp }
}

it('tells a speaker what has changed, and nothing twice', async () => {
  const { clock, calls, bgp } = node()
  const announced = [A]
  bgp.want({ config: CONFIG, announced })
  await clock.advance(100)
  bgp.want({ config: CONFIG, announced: [A, B] })
  await clock.advance(100)
  bgp.want({ config: { ...CONFIG, localAs: 64513 }, announced: [B] })
  await clock.advance(100)
  expect(calls).toEqual([
    'configure 64512',
    `announce ${A}`,
    `announce ${B}`,
    'configure 64513',
    `withdraw ${A}`,
  ])
})

it('leaves a speaker as it is while the node has no address', async () => {
  const { clock, calls, bgp } = node()
  bgp.want({ config: undefined, announced: [] })
  await clock.advance(100)
  expect(calls).toEqual([])
})

it('announces all the same where the speaker refuses its configuration, says so, and tries again', async () => {
  const { clock, calls, host, bgp } = node()
  host.refusal = 'port 179 is in use'
  bgp.want({ config: CONFIG, announced: [A] })
  await clock.advance(100)
  expect(calls).toEqual([`announce ${A}`])
  expect(bgp.problems()).toEqual(['BGP: port 179 is in use'])
  host.refusal = undefined
  await clock.advance(5_000)
  expect(calls.at(-1)).toBe('configure 64512')
  expect(bgp.problems()).toEqual([])
})
