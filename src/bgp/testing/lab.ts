import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip } from '../../net/ip-address.ts'
import type { NeighborConfig, SpeakerConfig } from '../config.ts'
import { createSpeaker, type Speaker } from '../speaker.ts'
import type { SessionState, SpeakerEvent } from '../status.ts'
import { MemoryNetwork } from './memory-tcp.ts'

/** A speaker with what it has told. */
export interface Router {
  readonly speaker: Speaker
  readonly events: SpeakerEvent[]
  /** Best paths as last told: prefix to "nextHop, nextHop (stale)". */
  readonly best: Map<string, string>
}

/** Speakers in one process on a virtual clock; each is `router(address, configuration)`. */
export function lab() {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(clock)
  const random = new SeededRandom(7)
  const router = (
    address: string,
    config: Partial<SpeakerConfig> & { neighbors: readonly NeighborConfig[] },
  ): Router => {
    const tcp = network.host(ip(address))
    const speaker = createSpeaker({ clock, random: random.fork(), tcp, log: silentLog })
    const events: SpeakerEvent[] = []
    const best = new Map<string, string>()
    speaker.onEvent((event) => events.push(event))
    speaker.onBestPaths((changes) => {
      for (const { prefix, paths } of changes) {
        const text = paths.map(({ nextHop, stale }) => nextHop + (stale ? ' (stale)' : ''))
        if (paths.length === 0) best.delete(prefix)
        else best.set(prefix, text.join(', '))
      }
    })
    speaker.configure({
      localAs: 64512,
      routerId: ip(address),
      listen: [{ address: ip(address), port: 179 }],
      ...config,
    })
    return { speaker, events, best }
  }
  return { clock, network, router }
}

export function stateOf({ speaker }: Router, neighbor: string): SessionState | undefined {
  return speaker.neighbors().find(({ address }) => address === neighbor)?.state
}
