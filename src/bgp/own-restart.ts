import type { Clock, Timer } from '../lib/clock.ts'
import { FAMILIES } from '../net/ip-address.ts'
import type { BgpNeighbor } from './session/neighbor.ts'
import type { NeighborRoutes } from './neighbor-routes.ts'
import type { Ribs } from './receive.ts'
import { sessionFamilies } from './session-rules.ts'
import type { Work } from './work.ts'

const DEFAULT_SELECTION_DEFERRAL_SECONDS = 120
/** Rows looked at in one call of the job. */
const JOB_ROWS = 16_384

interface Awaited {
  readonly neighbor: BgpNeighbor
  readonly routes: NeighborRoutes
}

export interface OwnRestartHost {
  readonly clock: Clock
  readonly work: Work
  readonly ribs: Ribs
  awaited(): Iterable<Awaited>
  wake(): void
}

/**
 * The restarting speaker of RFC 4724 section 4.1: selection waits until every neighbor has said
 * End-of-RIB, or the Selection_Deferral_Timer expires. Nothing is told before all is selected.
 */
export class OwnRestart {
  readonly #host: OwnRestartHost
  #timer: Timer | undefined
  #isDeferring = false
  #selected: 'end of RIB' | 'timer' | undefined

  constructor(host: OwnRestartHost) {
    this.#host = host
  }

  /** The R bit is to be set. */
  get isDeferring(): boolean {
    return this.#isDeferring
  }

  begin(seconds = DEFAULT_SELECTION_DEFERRAL_SECONDS): void {
    this.#isDeferring = true
    for (const family of FAMILIES) {
      this.#host.ribs[family].isDeferred = true
      this.#host.ribs[family].isHeldBack = true
    }
    this.#timer = this.#host.clock.after(seconds * 1000, () => this.#select('timer'))
  }

  /** Looks whether somebody is still to be waited for. */
  check(): void {
    if (!this.#isDeferring) return
    for (const awaited of this.#host.awaited()) if (!isHeard(awaited)) return
    this.#select('end of RIB')
  }

  /** Why selection has ended, once, when it has. */
  takeFinished(): 'end of RIB' | 'timer' | undefined {
    const reason = this.#selected
    this.#selected = undefined
    return reason
  }

  stop(): void {
    this.#timer?.cancel()
    this.#isDeferring = false
  }

  #select(reason: 'end of RIB' | 'timer'): void {
    if (!this.#isDeferring) return
    this.stop()
    let remaining = FAMILIES.length
    for (const family of FAMILIES) {
      const rib = this.#host.ribs[family]
      rib.isDeferred = false
      let row = 0
      this.#host.work.add(() => {
        const end = row + JOB_ROWS
        rib.selectDeferred(row, end)
        row = end
        if (row < rib.prefixes.rowLimit) return true
        rib.isHeldBack = false
        remaining--
        if (remaining === 0) this.#selected = reason
        this.#host.wake()
        return false
      })
    }
  }
}

function isHeard({ neighbor, routes }: Awaited): boolean {
  const { shutdown } = neighbor.config
  if (shutdown === true || typeof shutdown === 'string') return true
  const { session } = neighbor
  if (session === undefined) return false
  const { gracefulRestart } = session.negotiated
  // Who does not know End-of-RIB will not say it; who restarts as well waits for us (section 4.1).
  if (gracefulRestart === undefined || gracefulRestart.restarting) return true
  return sessionFamilies(session).every((family) => routes.hasEndOfRib(family))
}
