import type { Clock, Timer } from '../../lib/clock.ts'
import { Backoff } from '../../lib/backoff.ts'
import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import { isKernelError, type Kernel } from '../../kernel/kernel.ts'
import { FILTER_TABLE } from '../../kernel/own-filter.ts'
import type { FilterCounter, FilterTable } from '../../kernel/packet-filter.ts'
import { describeFilterChanges } from './describe-filter-changes.ts'

export interface FilterKeeperNeeds {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The table as it should be. */
  table(): FilterTable
}

/** Between two looks, however much changes: nodes come in crowds, and each is a member of a set. */
const PASS_MILLISECONDS = 100
/** After a refusal of the kernel. */
const RETRY = { firstMilliseconds: 5_000, mostMilliseconds: 60_000 } as const
/** What a kernel answers that has no packet filter, or not all that a rule needs. */
const UNABLE = ['EPROTONOSUPPORT', 'EOPNOTSUPP', 'ENOENT'] as const

/** Keeps a node's table of the packet filter as it should be, whoever changes it. */
export class FilterKeeper {
  readonly #needs: FilterKeeperNeeds
  #started = false
  #pending: Timer | undefined
  #passedAt = -Infinity
  #failure: { readonly message: string; readonly unable: boolean } | undefined
  readonly #backoff: Backoff

  constructor(needs: FilterKeeperNeeds) {
    this.#needs = needs
    this.#backoff = new Backoff({ ...RETRY, random: needs.random })
  }

  /** The first look is done when this returns. */
  start(): void {
    this.#started = true
    this.#pass()
  }

  /** Leaves the table as it is. */
  stop(): void {
    this.#started = false
    this.#pending?.cancel()
  }

  /** Asks for a look soon: {@link FilterKeeperNeeds.table} or the kernel's table may be another. */
  changed(): void {
    this.#schedule(this.#passedAt + PASS_MILLISECONDS - this.#needs.clock.now())
  }

  /** Does the pass that is due now rather than in a moment. */
  settle(): void {
    if (this.#pending === undefined) return
    this.#pending.cancel()
    this.#pending = undefined
    this.#pass()
  }

  /**
   * Why the node had not its packet filter when the last pass ended. A kernel that has no packet filter at
   * all has no problem.
   */
  problems(): readonly string[] {
    return this.#failure?.unable === false ? [this.#failure.message] : []
  }

  /** Why this kernel cannot have it, or undefined. */
  get unavailable(): string | undefined {
    return this.#failure?.unable === true ? this.#failure.message : undefined
  }

  counters(): ReadonlyMap<string, FilterCounter> {
    if (!this.#started || this.#failure !== undefined) return new Map()
    try {
      return this.#needs.kernel.packetFilterCounters(FILTER_TABLE)
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      return new Map()
    }
  }

  #schedule(milliseconds: number): void {
    if (!this.#started || this.#pending !== undefined) return
    this.#pending = this.#needs.clock.after(Math.max(milliseconds, 0), () => {
      this.#pending = undefined
      this.#pass()
    })
  }

  #pass(): void {
    const { clock, kernel, log, table } = this.#needs
    this.#passedAt = clock.now()
    try {
      const changes = kernel.keepPacketFilter(table())
      if (changes.length > 0) {
        log.info('Packet filter changed', { what: describeFilterChanges(changes) })
      }
      this.#failure = undefined
      this.#backoff.reset()
    } catch (thrown) {
      const failure = { message: messageOf(thrown), unable: isKernelError(thrown, ...UNABLE) }
      if (failure.message !== this.#failure?.message) {
        log.warn(
          'Unable to make the packet filter: nothing is masqueraded, no forgery is dropped',
          {
            error: failure.message,
          },
        )
      }
      this.#failure = failure
      this.#schedule(this.#backoff.next())
    }
  }
}
