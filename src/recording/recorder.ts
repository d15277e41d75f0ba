import { Secret } from '../lib/secret.ts'
import type { Answer, RecordedArrival, RecordedEffect } from './entry.ts'
import { isActive, propertiesOf } from './active.ts'
import { type Encoded, encodeValue, type References } from './values.ts'

export interface RecorderNeeds {
  /** Takes one line, without its end. */
  write(line: string): void
  /** Runs a task when all that can happen without input has happened. */
  later(task: () => void): void
}

/** What the recorder knows of an object of the world that the agent holds. */
interface Known {
  readonly id: string
  /** Numbers of functions that the agent gave when it got the object. */
  readonly functions: number[]
  paused: boolean
}

interface Waiting {
  readonly arrival: RecordedArrival
  readonly owner: Known | undefined
  deliver(): void
}

/**
 * A membrane around the ports of an agent: writes down what the agent asks and is answered, and lets in
 * what comes by itself one after the other, each when nothing more comes of the one before. So a
 * recording is events and what each led to, and the same code does the same on it again.
 */
export class Recorder {
  readonly #needs: RecorderNeeds
  readonly #known = new WeakMap<object, Known>()
  readonly #proxies = new WeakMap<object, object>()
  readonly #targets = new WeakMap<object, object>()
  readonly #owners = new Map<number, Known>()
  readonly #queue: Waiting[] = []
  #running = false
  #functions = 0
  #objects = 0
  #promises = 0
  #requests = 0

  constructor(needs: RecorderNeeds) {
    this.#needs = needs
  }

  /** A port as the agent gets it. */
  port<Port extends object>(name: string, port: Port): Port {
    this.#known.set(port, { id: name, functions: [], paused: false })
    return this.#inward(port) as Port
  }

  /** A way into the agent: a method of its socket, or its start. */
  entrance<Params, Result>(
    method: string,
    run: (params: Params) => Promise<Result>,
  ): (params: Params) => Promise<Result> {
    return (params) =>
      new Promise((resolve, reject) => {
        const id = ++this.#requests
        const answered = (answer: Answer): void => this.#write({ answered: id, answer })
        const arrival: RecordedArrival = {
          event: 'request',
          id,
          method,
          params: this.#encode(params),
        }
        const deliver = (): void => {
          run(params).then(
            (value) => {
              answered({ value: this.#encode(value) })
              resolve(value)
            },
            (thrown: unknown) => {
              answered({ thrown: this.#encode(thrown) })
              reject(thrown)
            },
          )
        }
        this.#arrive({ arrival, owner: undefined, deliver })
      })
  }

  #write(entry: RecordedEffect | RecordedArrival): void {
    this.#needs.write(JSON.stringify(entry))
  }

  #arrive(waiting: Waiting): void {
    this.#queue.push(waiting)
    this.#run()
  }

  #run(): void {
    if (this.#running) return
    this.#running = true
    this.#needs.later(() => {
      this.#running = false
      const at = this.#queue.findIndex(({ owner }) => owner?.paused !== true)
      const next = this.#queue[at]
      if (next === undefined) return
      this.#queue.splice(at, 1)
      if (this.#queue.length > 0) this.#run()
      this.#write(next.arrival)
      next.deliver()
    })
  }

  // From the world to the agent.

  /** What the agent gets in the place of something of the world: objects that do something, wrapped. */
  #inward(value: unknown): unknown {
    // A copy: it waits its turn, and slice() of a Buffer would share the octets.
    if (value instanceof Uint8Array) return new Uint8Array(value)
    if (!isActive(value)) return value
    let proxy = this.#proxies.get(value)
    if (proxy === undefined) {
      proxy = this.#wrap(value, this.#knownOf(value))
      this.#proxies.set(value, proxy)
      this.#targets.set(proxy, value)
    }
    return proxy
  }

  #knownOf(value: object): Known {
    let known = this.#known.get(value)
    if (known === undefined) {
      known = { id: `o${++this.#objects}`, functions: [], paused: false }
      this.#known.set(value, known)
    }
    return known
  }

  #wrap(target: object, known: Known): object {
    return new Proxy(target, {
      get: (_, property) => {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof property === 'symbol') return value
        if (typeof value === 'function') {
          return (...args: unknown[]) =>
            this.#call(target, known, property, value as (...args: unknown[]) => unknown, args)
        }
        this.#write({ on: known.id, get: property, answer: { value: this.#encode(value) } })
        return this.#inward(value)
      },
      set: (_, property, value) => {
        const numbers: number[] = []
        this.#write({ on: known.id, set: String(property), value: this.#encode(value, numbers) })
        this.#own(known, numbers)
        return Reflect.set(target, property, this.#outward(value, numbers.slice()))
      },
    })
  }

  #call(
    target: object,
    known: Known,
    method: string,
    run: (...args: unknown[]) => unknown,
    args: readonly unknown[],
  ): unknown {
    const numbers: number[] = []
    const call = {
      on: known.id,
      call: method,
      args: args.map((each) => this.#encode(each, numbers)),
    }
    this.#minding(target, known, method)
    const given = numbers.slice()
    let result: unknown
    try {
      result = Reflect.apply(
        run,
        target,
        args.map((each) => this.#outward(each, given)),
      )
    } catch (thrown) {
      this.#write({ ...call, answer: { thrown: this.#encode(thrown) } })
      throw thrown
    }
    if (result instanceof Promise) {
      const promise = ++this.#promises
      this.#write({ ...call, answer: { promise } })
      return this.#promised(promise, result)
    }
    if (isActive(result)) this.#own(this.#knownOf(result), numbers)
    this.#write({ ...call, answer: { value: this.#encode(result) } })
    return this.#inward(result)
  }

  #own(known: Known, numbers: readonly number[]): void {
    known.functions.push(...numbers)
    for (const number of numbers) this.#owners.set(number, known)
  }

  /** What has been ended or stopped says no more, even if it has spoken already. */
  #minding(target: object, known: Known, method: string): void {
    if (method === 'pause') known.paused = true
    if (method === 'resume') {
      known.paused = false
      if (this.#queue.length > 0) this.#run()
    }
    const isConnection = 'destroy' in target
    const ends =
      method === 'cancel' || method === 'destroy' || (method === 'close' && !isConnection)
    if (!ends) return
    known.paused = false
    const silent = new Set(known.functions)
    for (const number of silent) this.#owners.delete(number)
    const rest = this.#queue.filter(
      ({ arrival }) => arrival.event !== 'call' || !silent.has(arrival.function),
    )
    this.#queue.splice(0, this.#queue.length, ...rest)
  }

  #promised(promise: number, result: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle = (answer: Answer, deliver: () => void): void =>
        this.#arrive({ arrival: { event: 'settle', promise, answer }, owner: undefined, deliver })
      result.then(
        (value) => {
          settle({ value: this.#encode(value) }, () => resolve(this.#inward(value)))
        },
        (thrown: unknown) => {
          settle({ thrown: this.#encode(thrown) }, () => reject(thrown))
        },
      )
    })
  }

  // From the agent to the world.

  /** What the world gets: its own objects again, and functions whose calls wait their turn. */
  #outward(value: unknown, numbers: number[]): unknown {
    if (typeof value === 'function') {
      return this.#entranceOf(value as (...args: unknown[]) => unknown, undefined, numbers.shift()!)
    }
    if (typeof value !== 'object' || value === null) return value
    if (value instanceof Uint8Array || value instanceof Secret) return value
    const target = this.#targets.get(value)
    if (target !== undefined) return target
    if (Array.isArray(value)) return value.map((each) => this.#outward(each, numbers))
    if (value instanceof Map || value instanceof Set || value instanceof Error) return value
    return Object.fromEntries(
      propertiesOf(value).map(([key, each]) => [
        key,
        typeof each === 'function'
          ? this.#entranceOf(each as (...args: unknown[]) => unknown, value, numbers.shift()!)
          : this.#outward(each, numbers),
      ]),
    )
  }

  #entranceOf(
    run: (...args: unknown[]) => unknown,
    self: object | undefined,
    number: number,
  ): (...args: unknown[]) => void {
    return (...args) => {
      const arrival: RecordedArrival = {
        event: 'call',
        function: number,
        args: args.map((each) => this.#encode(each)),
      }
      const given = args.map((each) => this.#inward(each))
      const deliver = (): void => void Reflect.apply(run, self, given)
      this.#arrive({ arrival, owner: this.#owners.get(number), deliver })
    }
  }

  /** @param numbers where functions on the way are noted, which get the next numbers */
  #encode(value: unknown, numbers?: number[]): Encoded {
    const references: References = {
      encode: (each) => {
        if (typeof each === 'function') {
          const number = ++this.#functions
          numbers?.push(number)
          return { $: 'function', number }
        }
        const target = this.#targets.get(each)
        if (target !== undefined) return { $: 'object', id: this.#knownOf(target).id }
        if (numbers !== undefined) return handlersOf(each, references)
        return isActive(each) ? { $: 'object', id: this.#knownOf(each).id } : undefined
      },
      decode: () => undefined,
    }
    return encodeValue(value, references)
  }
}

/** What an agent hands over with methods on its prototype is written as if they were its own. */
function handlersOf(value: object, references: References): Encoded | undefined {
  if (Object.getPrototypeOf(value) === Object.prototype) return undefined
  const properties = propertiesOf(value).filter(([, each]) => each !== undefined)
  return Object.fromEntries(properties.map(([key, each]) => [key, encodeValue(each, references)]))
}
