import type { SpeakerConfig } from '../../bgp/config.ts'
import type { Speaker } from '../../bgp/speaker.ts'
import type { ReconcileOutcome, Reconciler } from '../../lib/reconcile/reconciler.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Prefix } from '../../net/prefix.ts'

/** What a node's speaker should be, and offers to its neighbors. */
export interface DesiredBgp {
  /** Undefined while the node has no address: the speaker stays as it is. */
  readonly config: SpeakerConfig | undefined
  readonly announced: readonly Prefix[]
}

export interface SpeakerNeeds {
  readonly speaker: Pick<Speaker, 'configure' | 'announce' | 'withdraw'>
  readonly log: Log
}

/** Keeps the speaker configured, and what it announces. */
export class SpeakerReconciler implements Reconciler<DesiredBgp> {
  readonly name = 'BGP'
  readonly pace = { retry: { firstMilliseconds: 2_000, mostMilliseconds: 30_000 } } as const
  readonly #needs: SpeakerNeeds
  #config: SpeakerConfig | undefined
  #offered: readonly Prefix[] = []
  readonly #announced = new Set<Prefix>()
  /** Why the speaker did not take its configuration. */
  #refusal: string | undefined

  constructor(needs: SpeakerNeeds) {
    this.#needs = needs
  }

  /** A configuration that the speaker refuses keeps nothing from being announced. */
  reconcile({ config, announced }: DesiredBgp): ReconcileOutcome {
    this.#refusal = config === undefined ? undefined : this.#configure(config)
    this.#announce(announced)
    return this.#refusal === undefined ? 'done' : 'retry'
  }

  #configure(config: SpeakerConfig): string | undefined {
    if (config === this.#config) return undefined
    this.#config = undefined
    try {
      this.#needs.speaker.configure(config)
      this.#config = config
      return undefined
    } catch (thrown) {
      const refusal = messageOf(thrown)
      if (refusal !== this.#refusal) {
        this.#needs.log.error('Failed to configure BGP; retrying', { error: refusal })
      }
      return refusal
    }
  }

  #announce(offered: readonly Prefix[]): void {
    if (offered === this.#offered) return
    const { speaker } = this.#needs
    this.#offered = offered
    const wanted = new Set(offered)
    for (const prefix of wanted) {
      if (!this.#announced.has(prefix)) speaker.announce(prefix)
      this.#announced.add(prefix)
    }
    for (const prefix of this.#announced) {
      if (wanted.has(prefix)) continue
      speaker.withdraw(prefix)
      this.#announced.delete(prefix)
    }
  }

  problems(): readonly string[] {
    return this.#refusal === undefined ? [] : [`BGP: ${this.#refusal}`]
  }
}
