import { answer, type FeederConfig, monotonicMilliseconds } from './control.ts'
import { announcements, END_OF_RIB, withdrawals } from './messages.ts'
import { GeneratorSession } from './session.ts'

interface Fed {
  readonly session: GeneratorSession
  readonly announce: Buffer
  readonly withdraw: Buffer
}

/** The process that announces routes; everything it will send is built before the sessions open. */
export class Feeder {
  readonly #fed: readonly Fed[]

  constructor(config: FeederConfig) {
    const { remoteAddress, port, perUpdate, withdrawPerUpdate } = config
    this.#fed = config.neighbors.map((neighbor) => {
      const { localAddress, as, firstRoute: first, routes: count } = neighbor
      return {
        session: new GeneratorSession({
          localAddress,
          remoteAddress,
          port,
          as,
          holdTimeSeconds: 240,
          onLost: (reason) => answer({ say: 'lost', reason: `feeder ${localAddress}: ${reason}` }),
        }),
        announce: Buffer.concat([
          announcements({
            as: neighbor.internal ? undefined : as,
            nextHop: localAddress,
            first,
            count,
            perUpdate,
          }),
          END_OF_RIB,
        ]),
        withdraw: withdrawals({ first, count, perUpdate: withdrawPerUpdate }),
      }
    })
  }

  async establish(): Promise<void> {
    await Promise.all(this.#fed.map(({ session }) => session.establish()))
    answer({ say: 'established' })
  }

  announce(): Promise<void> {
    return this.#sendAll('announce')
  }

  withdraw(): Promise<void> {
    return this.#sendAll('withdraw')
  }

  async #sendAll(which: 'announce' | 'withdraw'): Promise<void> {
    answer({ say: 'sending', at: monotonicMilliseconds() })
    await Promise.all(this.#fed.map((fed) => fed.session.send(fed[which])))
    answer({ say: 'sent', at: monotonicMilliseconds() })
  }
}
