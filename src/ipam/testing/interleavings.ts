import { settled } from '../../lib/clock.ts'
import type { FaultyStore, StoreCall } from '../../store/faulty-store.ts'
import { StoreUnavailable } from '../../store/store.ts'

/** Several who work on one store at the same time, from a state that is the same each time. */
export interface Scene {
  /** Each through a store of its own. */
  readonly actors: readonly {
    readonly store: FaultyStore
    readonly work: () => Promise<unknown>
    /** Whether it may die after any of its writes. */
    readonly mortal?: boolean
  }[]
  /** When all have finished, or died. */
  check(died: boolean): Promise<void>
}

/**
 * Plays a scene in every order in which the calls can reach the store, and with every death of a mortal
 * actor in each of them (at most one a play); gives the number of plays.
 *
 * One call is under way at a time: what an actor asks for at once it gets one after the other, in any order
 * and with the calls of others in between. Of orders that differ only in calls that do not concern each other, next to
 * each other, one is played. After `most` calls one actor after the other works on undisturbed: else two that
 * are in each other's way could go on for ever. What `check` throws is thrown with the calls that led there.
 */
export async function everyInterleaving(
  makeScene: () => Promise<Scene>,
  { most }: { readonly most: number },
): Promise<number> {
  let choices: number[] = []
  for (let plays = 1; ; plays++) {
    const play = new Play(await makeScene(), choices, most)
    try {
      await play.run()
    } catch (thrown) {
      throw new Error(`in the order ${play.history.join(', ')}`, { cause: thrown })
    }
    const next = nextChoices(play.taken)
    if (next === undefined) return plays
    choices = next
  }
}

interface Choice {
  readonly taken: number
  readonly of: number
}

/** Depth first: the last choice that had one more possibility takes it. */
function nextChoices(taken: readonly Choice[]): number[] | undefined {
  const last = taken.findLastIndex((choice) => choice.taken + 1 < choice.of)
  if (last < 0) return undefined
  return [...taken.slice(0, last).map((choice) => choice.taken), taken[last]!.taken + 1]
}

type Fate = 'lives' | 'dies'

interface Waiting {
  readonly call: StoreCall
  readonly proceed: (fate: Fate) => void
}

interface Option {
  readonly actor: number
  readonly waiting: Waiting
  readonly fate: Fate
}

class Play {
  readonly taken: Choice[] = []
  readonly history: string[] = []
  readonly #scene: Scene
  readonly #choices: readonly number[]
  readonly #most: number
  /** What each actor has asked for, in its order. */
  readonly #waiting: Waiting[][]
  readonly #fates: Fate[]
  /** What was let through last, and what was waiting in front of it. */
  #last: { readonly call: StoreCall; readonly before: readonly Waiting[] } | undefined

  constructor(scene: Scene, choices: readonly number[], most: number) {
    this.#scene = scene
    this.#choices = choices
    this.#most = most
    this.#waiting = scene.actors.map(() => [])
    this.#fates = scene.actors.map(() => 'lives')
  }

  async run(): Promise<void> {
    const { actors } = this.#scene
    for (const [at, { store }] of actors.entries()) this.#gate(at, store)
    const results = Promise.allSettled(
      actors.map(({ work }, at) => work().catch((thrown) => this.#ended(at, thrown))),
    )
    for (await settled(); this.#waiting.some(({ length }) => length > 0); await settled()) {
      const options = this.#options()
      // The same as an order that was played already.
      if (options.length === 0) return this.#abandon()
      this.#take(options)
    }
    for (const result of await results) if (result.status === 'rejected') throw result.reason
    await this.#scene.check(this.#hasDeath)
  }

  /** Nobody gets an answer any more. */
  async #abandon(): Promise<void> {
    this.#fates.fill('dies')
    for (const { proceed } of this.#waiting.flat()) proceed('dies')
    await settled()
  }

  /** That of an actor that died is no failure. */
  #ended(actor: number, thrown: unknown): void {
    if (this.#fates[actor] === 'lives' || !(thrown instanceof StoreUnavailable)) throw thrown
  }

  get #hasDeath(): boolean {
    return this.#fates.includes('dies')
  }

  #gate(actor: number, store: FaultyStore): void {
    const demandLife = (): void => {
      if (this.#fates[actor] === 'dies') throw new StoreUnavailable('died')
    }
    store.faults.before = async (call) => {
      demandLife()
      const fate = await new Promise<Fate>((proceed) => {
        this.#waiting[actor]!.push({ call, proceed })
      })
      demandLife()
      this.#fates[actor] = fate
    }
    store.faults.after = demandLife
  }

  #options(): readonly Option[] {
    if (this.history.length >= this.#most) return this.#undisturbed()
    const last = this.#last
    const all = this.#waiting.flatMap((calls, actor) =>
      calls.map((waiting): Option => ({ actor, waiting, fate: 'lives' })),
    )
    // What could have come before the last call as well, with the same effect, has been played so.
    const fresh = all.filter(({ waiting }) => {
      if (last === undefined || !last.before.includes(waiting)) return true
      return concern(last.call, waiting.call)
    })
    return fresh.flatMap((option) => {
      const { mortal } = this.#scene.actors[option.actor]!
      const dies = mortal && !this.#hasDeath && option.waiting.call.operation === 'transact'
      return dies === true ? [option, { ...option, fate: 'dies' }] : [option]
    })
  }

  #undisturbed(): readonly Option[] {
    const actor = this.#waiting.findIndex(({ length }) => length > 0)
    return [{ actor, waiting: this.#waiting[actor]![0]!, fate: 'lives' }]
  }

  #take(options: readonly Option[]): void {
    const choice = this.#choices[this.taken.length] ?? 0
    this.taken.push({ taken: choice, of: options.length })
    const { actor, waiting, fate } = options[choice]!
    const { operation, keys } = waiting.call
    this.history.push(
      `${actor} ${operation} ${keys.join(' ')}${fate === 'dies' ? ' and dies' : ''}`,
    )
    const all = this.#waiting.flat()
    this.#last = { call: waiting.call, before: all.slice(0, all.indexOf(waiting)) }
    const own = this.#waiting[actor]!
    own.splice(own.indexOf(waiting), 1)
    waiting.proceed(fate)
    if (fate === 'dies') for (const other of own.splice(0)) other.proceed(fate)
  }
}

/** Whether it matters which of two calls is first. */
function concern(a: StoreCall, b: StoreCall): boolean {
  if (a.operation !== 'transact' && b.operation !== 'transact') return false
  return a.keys.some((key) =>
    b.keys.some((other) => key.startsWith(other) || other.startsWith(key)),
  )
}
