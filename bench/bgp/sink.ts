import { answer, monotonicMilliseconds, type SinkConfig } from './control.ts'
import { FIRST_SLASH_24 } from './messages.ts'
import { GeneratorSession } from './session.ts'

/** One neighbor's view: which routes are there now. */
class RouteSet {
  readonly #there: Uint8Array
  present = 0

  constructor(routes: number) {
    this.#there = new Uint8Array(routes)
  }

  /** Marks every /24 between two offsets of a message as there (1) or gone (0). */
  mark(octets: Buffer, start: number, end: number, there: 0 | 1): void {
    let at = start
    while (at < end) {
      const bits = octets[at]!
      if (bits === 24) {
        const slash24 = (octets[at + 1]! << 16) | (octets[at + 2]! << 8) | octets[at + 3]!
        const route = slash24 - FIRST_SLASH_24
        if (route >= 0 && route < this.#there.length && this.#there[route] !== there) {
          this.#there[route] = there
          this.present += there === 1 ? 1 : -1
        }
      }
      at += 1 + ((bits + 7) >> 3)
    }
  }
}

/**
 * The process that receives. It knows each route by its number, so that one received twice counts
 * once, and tells the moment at which every neighbor has all routes, or none.
 */
export class Sink {
  readonly #sessions: readonly GeneratorSession[]
  readonly #sets: readonly RouteSet[]
  readonly #routes: number
  #complete = 0
  #present = 0

  constructor(config: SinkConfig) {
    this.#routes = config.routes
    this.#sets = config.neighbors.map(() => new RouteSet(config.routes))
    this.#sessions = config.neighbors.map(({ localAddress, as }, at) =>
      this.#session(config, localAddress, as, this.#sets[at]!),
    )
  }

  #session(config: SinkConfig, localAddress: string, as: number, set: RouteSet): GeneratorSession {
    return new GeneratorSession({
      localAddress,
      remoteAddress: config.remoteAddress,
      port: config.port,
      as,
      holdTimeSeconds: 240,
      onUpdate: (octets, start, end) => this.#update(set, octets, start, end),
      onLost: (reason) => answer({ say: 'lost', reason: `sink ${localAddress}: ${reason}` }),
    })
  }

  async establish(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.establish()))
    answer({ say: 'established' })
    setInterval(() => answer({ say: 'progress', present: this.#present }), 500)
  }

  #update(set: RouteSet, octets: Buffer, start: number, end: number): void {
    const before = set.present
    const withdrawn = (octets[start]! << 8) | octets[start + 1]!
    const attributes = start + 2 + withdrawn
    set.mark(octets, start + 2, attributes, 0)
    const length = (octets[attributes]! << 8) | octets[attributes + 1]!
    set.mark(octets, attributes + 2 + length, end, 1)
    this.#present += set.present - before
    if (before !== this.#routes && set.present === this.#routes) this.#count(1)
    else if (before === this.#routes && set.present !== this.#routes) this.#complete--
    if (before !== 0 && this.#present === 0) answer({ say: 'none', at: monotonicMilliseconds() })
  }

  #count(more: number): void {
    this.#complete += more
    if (this.#complete === this.#sets.length) answer({ say: 'all', at: monotonicMilliseconds() })
  }
}
