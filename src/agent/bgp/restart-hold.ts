import type { Speaker } from '../../bgp/speaker.ts'
import type { SpeakerEvent } from '../../bgp/status.ts'
import type { Closable } from '../../lib/closable.ts'
import type { Clock, Timer } from '../../lib/clock.ts'
import type { Log } from '../../lib/log.ts'

export interface RestartHoldNeeds {
  readonly speaker: Pick<Speaker, 'neighbors'>
  readonly clock: Clock
  readonly log: Log
  /** The routes of the agent before this one are no longer needed. */
  onEnd(): void
}

/** Longest that routes of the agent before this one are kept unless a neighbor announces them again. */
const RESTART_MILLISECONDS = 120_000
/** From the last End-of-RIB to the removal of routes that nobody announced. */
const SETTLE_MILLISECONDS = 1_000

/** How long the routes of an agent before this one stay: until all neighbors have announced theirs (RFC 4724). */
export class RestartHold implements Closable {
  readonly #needs: RestartHoldNeeds
  #timer: Timer | undefined

  constructor(needs: RestartHoldNeeds) {
    this.#needs = needs
  }

  begin(): void {
    const { clock, log } = this.#needs
    log.info('Keeping the routes of the previous agent until neighbors have sent theirs')
    this.#timer = clock.after(RESTART_MILLISECONDS, () =>
      this.#end('Not all neighbors came back in time'),
    )
  }

  observe(event: SpeakerEvent): void {
    if (event.kind !== 'endOfRib' || this.#timer === undefined) return
    const { clock, speaker } = this.#needs
    const isWaiting = speaker.neighbors().some(
      ({ families }) =>
        // One that is not up has no families, and has announced nothing yet.
        families.length === 0 || families.some((family) => !family.endOfRibReceived),
    )
    if (isWaiting) return
    // The batch of best paths that goes with it may still be on its way.
    this.#timer.cancel()
    this.#timer = clock.after(SETTLE_MILLISECONDS, () =>
      this.#end('all neighbors have announced their routes'),
    )
  }

  #end(reason: string): void {
    this.#timer = undefined
    this.#needs.log.info('Restart complete', { reason })
    this.#needs.onEnd()
  }

  close(): void {
    this.#timer?.cancel()
  }
}
