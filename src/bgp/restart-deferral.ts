import type { Clock, Timer } from '../lib/clock.ts'
import type { Neighbor } from './neighbor.ts'
import type { NeighborRoutes } from './neighbor-routes.ts'
import { sessionFamilies } from './session-rules.ts'

const DEFAULT_SELECTION_DEFERRAL_SECONDS = 120

interface Awaited {
  readonly neighbor: Neighbor
  readonly routes: NeighborRoutes
}

/**
 * The restarting speaker of RFC 4724 section 4.1: selection waits until every neighbor has said
 * End-of-RIB, or the Selection_Deferral_Timer expires.
 */
export class RestartDeferral {
  readonly #neighbors: () => readonly Awaited[]
  readonly #onDone: (reason: 'end of RIB' | 'timer') => void
  readonly #timer: Timer
  #isDone = false

  constructor(
    clock: Clock,
    seconds: number | undefined,
    neighbors: () => readonly Awaited[],
    onDone: (reason: 'end of RIB' | 'timer') => void,
  ) {
    this.#neighbors = neighbors
    this.#onDone = onDone
    const wait = seconds ?? DEFAULT_SELECTION_DEFERRAL_SECONDS
    this.#timer = clock.after(wait * 1000, () => this.#done('timer'))
  }

  /** Looks whether somebody is still to be waited for. */
  check(): void {
    if (!this.#isDone && this.#neighbors().every(isHeard)) this.#done('end of RIB')
  }

  stop(): void {
    this.#isDone = true
    this.#timer.cancel()
  }

  #done(reason: 'end of RIB' | 'timer'): void {
    if (this.#isDone) return
    this.stop()
    this.#onDone(reason)
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
