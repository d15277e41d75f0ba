import { answer, monotonicMilliseconds, type WatcherConfig } from './control.ts'
import { GeneratorSession } from './session.ts'

/**
 * The process that has an idle neighbor with a hold time of three seconds, and tells the longest
 * silence between two KEEPALIVEs: a speaker that is busy with a table must still send them.
 */
export class Watcher {
  readonly #session: GeneratorSession
  #last: number | undefined
  #gap = 0

  constructor(config: WatcherConfig) {
    this.#session = new GeneratorSession({
      ...config,
      holdTimeSeconds: 3,
      onKeepalive: () => this.#keepalive(),
      onLost: (reason) => answer({ say: 'lost', reason: `idle neighbor: ${reason}` }),
    })
  }

  async establish(): Promise<void> {
    await this.#session.establish()
    answer({ say: 'established' })
    setInterval(() => this.#measure(), 100)
  }

  #keepalive(): void {
    this.#measure()
    this.#last = monotonicMilliseconds()
  }

  #measure(): void {
    if (this.#last === undefined) return
    const silence = monotonicMilliseconds() - this.#last
    if (silence <= this.#gap) return
    this.#gap = silence
    answer({ say: 'gap', milliseconds: silence })
  }
}
