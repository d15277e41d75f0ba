import { messageOf } from '../lib/errors.ts'
import { KernelError } from '../kernel/kernel.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { AgentPorts } from '../composition/compose-agent.ts'
import { propertiesOf } from './active.ts'
import {
  type Answer,
  type RecordedArrival,
  type RecordedEffect,
  type Entry,
  isArrival,
} from './entry.ts'
import { decode, type Encoded, encodeValue, type References, textOf } from './values.ts'

export interface ReplayResult {
  readonly arrivals: number
  readonly effects: number
  /** Where the agent did something else than when it was recorded; absent if it never did. */
  readonly difference?: Difference
}

export interface Difference {
  /** Line of the recording, from 1. */
  readonly line: number
  /** What had come in before. */
  readonly after: string
  readonly recorded: string
  readonly now: string
}

/** Ends what the agent is about when the recording has nothing to say to it. */
export class ReplayEnded extends Error {
  override readonly name = 'ReplayEnded'
}

/** An effect before its answer is known; answers of the agent's own are part of it. */
type Asked =
  | { readonly on: string; readonly call: string; readonly args: readonly Encoded[] }
  | { readonly on: string; readonly get: string }
  | { readonly on: string; readonly set: string; readonly value: Encoded }
  | { readonly answered: number; readonly answer: Answer }

type Run = (...args: unknown[]) => unknown

/** Plays the world to an agent out of a recording, and compares what it asks with what it asked then. */
export class Replayer {
  readonly #entries: readonly Entry[]
  /** Lines of the file before the first entry. */
  readonly #linesBefore: number
  readonly #functions = new Map<number, Run>()
  readonly #objects = new Map<string, object>()
  readonly #ids = new WeakMap<object, string>()
  readonly #promises = new Map<number, { resolve: Run; reject: Run }>()
  readonly #entrances = new Map<string, (params: unknown) => Promise<unknown>>()
  #at = 0
  #numbered = 0
  #difference: Difference | undefined
  #last: RecordedArrival | undefined
  #arrivals = 0

  constructor(entries: readonly Entry[], linesBefore: number) {
    this.#entries = entries
    this.#linesBefore = linesBefore
  }

  /** A port that answers from the recording. */
  port<Name extends keyof AgentPorts>(name: Name): NonNullable<AgentPorts[Name]> {
    return this.object(name) as NonNullable<AgentPorts[Name]>
  }

  entrance(method: string, run: (params: unknown) => Promise<unknown>): void {
    this.#entrances.set(method, run)
  }

  /**
   * Lets in what came in, one after the other, to the end or the first difference.
   * @param settled resolves when all that can happen without input has happened
   */
  async run(settled: () => Promise<void>): Promise<ReplayResult> {
    await settled()
    while (this.#difference === undefined && this.#at < this.#entries.length) {
      const entry = this.#entries[this.#at]!
      if (!isArrival(entry)) {
        this.#differ(describe(entry), 'nothing')
        break
      }
      this.#at++
      this.#arrivals++
      this.#last = entry
      this.#deliver(entry)
      await settled()
    }
    return {
      arrivals: this.#arrivals,
      effects: this.#at - this.#arrivals,
      ...(this.#difference === undefined ? {} : { difference: this.#difference }),
    }
  }

  #deliver(arrival: RecordedArrival): void {
    switch (arrival.event) {
      case 'call': {
        const run = this.#functions.get(arrival.function)
        const args = arrival.args.map((each) => this.#decode(each))
        try {
          run?.(...args)
        } catch (thrown) {
          this.#differ('a handler that returns', `it throws ${messageOf(thrown)}`)
        }
        return
      }
      case 'settle': {
        const promise = this.#promises.get(arrival.promise)
        this.#promises.delete(arrival.promise)
        if ('thrown' in arrival.answer) promise?.reject(this.#decode(arrival.answer.thrown))
        else if ('value' in arrival.answer) promise?.resolve(this.#decode(arrival.answer.value))
        return
      }
      case 'request': {
        const { id, method, params } = arrival
        const run = this.#entrances.get(method)
        if (run === undefined) {
          this.#differ(`a request "${method}"`, 'the agent has no such method')
          return
        }
        const answered = (answer: Answer): void => void this.#effect({ answered: id, answer })
        run(this.#decode(params)).then(
          (value) => answered({ value: this.#encode(value) }),
          (thrown: unknown) => answered({ thrown: this.#encode(thrown) }),
        )
      }
    }
  }

  #differ(recorded: string, now: string): void {
    this.#difference ??= {
      line: this.#at + 1 + this.#linesBefore,
      after: this.#last === undefined ? 'the beginning' : describe(this.#last),
      recorded,
      now,
    }
  }

  /** What was answered to the same effect; throws where there is none. */
  #effect(now: Asked): Answer | undefined {
    if (this.#difference !== undefined) throw new ReplayEnded()
    const recorded = this.#entries[this.#at]
    if (recorded === undefined) throw new ReplayEnded('the recording ends here')
    const answer = 'answer' in recorded ? recorded.answer : undefined
    const expected = 'answered' in recorded ? recorded : withoutAnswer(recorded)
    if (isArrival(recorded) || JSON.stringify(expected) !== JSON.stringify(now)) {
      this.#differ(isArrival(recorded) ? 'nothing' : describe(recorded), describe(now))
      throw new ReplayEnded()
    }
    this.#at++
    return answer
  }

  /** What has an id in the recording. */
  object(id: string): object {
    let object = this.#objects.get(id)
    if (object === undefined) {
      object = new Proxy(
        {},
        {
          get: (_, property) => this.#get(id, property),
          set: (_, property, value) => {
            this.#effect({ on: id, set: String(property), value: this.#encode(value, true) })
            return true
          },
        },
      )
      this.#objects.set(id, object)
      this.#ids.set(object, id)
    }
    return object
  }

  #get(id: string, property: string | symbol): unknown {
    if (typeof property === 'symbol' || property === 'then') return undefined
    const next = this.#entries[this.#at]
    if (next !== undefined && 'get' in next && next.on === id && next.get === property) {
      return this.#answered(this.#effect({ on: id, get: property }))
    }
    return (...args: unknown[]) => {
      const call = {
        on: id,
        call: property,
        args: args.map((each) => this.#encode(each, true)),
      }
      return this.#answered(this.#effect(call))
    }
  }

  #answered(answer: Answer | undefined): unknown {
    if (answer === undefined) return undefined
    if ('thrown' in answer) throw this.#decode(answer.thrown)
    if ('value' in answer) return this.#decode(answer.value)
    return new Promise((resolve, reject) => {
      this.#promises.set(answer.promise, { resolve, reject })
    })
  }

  #encode(value: unknown, isArgument = false): Encoded {
    const references: References = {
      encode: (each) => {
        if (typeof each === 'function') return this.#numberOf(each as Run, undefined)
        const id = this.#ids.get(each)
        if (id !== undefined) return { $: 'object', id }
        return isArgument ? this.#handlersOf(each, references) : undefined
      },
      decode: () => undefined,
    }
    return encodeValue(value, references)
  }

  #numberOf(run: Run, self: object | undefined): Encoded {
    const number = ++this.#numbered
    this.#functions.set(number, (...args) => Reflect.apply(run, self, args))
    return { $: 'function', number }
  }

  #handlersOf(value: object, references: References): Encoded | undefined {
    const properties = propertiesOf(value).filter(([, each]) => each !== undefined)
    if (!properties.some(([, each]) => typeof each === 'function')) return undefined
    const entries = properties.map(([key, each]): [string, Encoded] => [
      key,
      typeof each === 'function'
        ? this.#numberOf(each as Run, value)
        : encodeValue(each, references),
    ])
    return Object.fromEntries(entries)
  }

  #decode(encoded: Encoded): unknown {
    const references: References = {
      encode: () => undefined,
      decode: (each) => (each.$ === 'object' ? this.object(textOf(each['id'])) : errorOf(each)),
    }
    return decode(encoded, references)
  }
}

function withoutAnswer(entry: Entry): object {
  const { answer: _, ...rest } = entry as RecordedEffect & { answer?: Answer }
  return rest
}

/** Errors that the agent tells apart are of their classes again. */
function errorOf(encoded: { readonly [key: string]: Encoded }): Error {
  const [name, message] = [textOf(encoded['name']), textOf(encoded['message'])]
  const code = encoded['code'] === undefined ? undefined : textOf(encoded['code'])
  if (name === 'KernelError') {
    const error = new KernelError(code ?? '', message)
    error.message = message
    return error
  }
  if (name === 'StoreUnavailable') return new StoreUnavailable(message)
  return Object.assign(new Error(message), { name }, code === undefined ? {} : { code })
}

const MOST_CHARACTERS = 2000

/** An entry in one line, as a person reads it. */
function describe(entry: Entry | Asked): string {
  const text = (value: unknown): string => JSON.stringify(value).slice(0, MOST_CHARACTERS)
  if ('event' in entry) {
    switch (entry.event) {
      case 'call':
        return `call of function ${entry.function} with ${text(entry.args)}`
      case 'settle':
        return `promise ${entry.promise} settled: ${text(entry.answer)}`
      case 'request':
        return `request ${entry.method} ${text(entry.params)}`
    }
  }
  if ('answered' in entry) return `answer to request ${entry.answered}: ${text(entry.answer)}`
  if ('call' in entry) return `${entry.on}.${entry.call}(${text(entry.args).slice(1, -1)})`
  if ('set' in entry) return `${entry.on}.${entry.set} = ${text(entry.value)}`
  return `${entry.on}.${entry.get}`
}
