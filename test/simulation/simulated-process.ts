import type { Clock, Timer } from '../../src/lib/clock.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { Store } from '../../src/store/store.ts'

/** Thrown into a process at the step at which it was killed, and at every one it still tries. */
export class ProcessKilled extends Error {
  override readonly name = 'ProcessKilled'
  constructor() {
    super('the process was killed')
  }
}

/**
 * One life of a process: counts what it asks of kernel and store, and can end at any of these steps. A
 * dead process's timers do not fire, its watches hear nothing, and what it asks has no effect.
 */
export class SimulatedProcess {
  readonly killed: Promise<void>
  steps = 0
  alive = true
  /** The step, counted from the start, at which the process ends before the call has an effect. */
  killAtStep: number | undefined
  readonly #closers: (() => void)[] = []
  #tellKilled!: () => void

  constructor() {
    this.killed = new Promise((resolve) => (this.#tellKilled = resolve))
  }

  /** Called at the end of the process, as the kernel closes what it held. */
  onKill(close: () => void): void {
    this.#closers.push(close)
  }

  kill(): void {
    if (!this.alive) return
    this.alive = false
    for (const close of this.#closers) close()
    this.#tellKilled()
  }

  #step(): void {
    if (this.alive && ++this.steps === this.killAtStep) this.kill()
    if (!this.alive) throw new ProcessKilled()
  }

  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      wallTime: () => clock.wallTime(),
      after: (milliseconds, fire): Timer =>
        clock.after(milliseconds, () => {
          if (this.alive) this.#guard(fire)
        }),
    }
  }

  /** Runs a handler of the process; its death in the middle is nobody else's failure. */
  #guard(run: () => void): void {
    try {
      run()
    } catch (thrown) {
      if (!(thrown instanceof ProcessKilled)) throw thrown
    }
  }

  /** The kernel as this process sees it. @param instead what answers in the kernel's place */
  kernel(kernel: Kernel, instead: Partial<Kernel> = {}): Kernel {
    this.onKill(() => kernel.close())
    const proxy = new Proxy(kernel, {
      get: (target, property) => {
        const value: unknown =
          Reflect.get(instead, property) ?? Reflect.get(target, property, target)
        if (property === 'close') return () => target.close()
        if (property === 'tcp' || property === 'udp') return this.port(target[property])
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          this.#step()
          return Reflect.apply(
            value,
            target,
            args.map((arg) => this.#unwrapped(arg)),
          )
        }
      },
    })
    WRAPPED.set(proxy, kernel)
    return proxy
  }

  /** Sockets or files as this process sees them: every call is a step, and a dead process makes none. */
  port<Port extends object>(port: Port): Port {
    return new Proxy(port, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          this.#step()
          return Reflect.apply(value, target, args)
        }
      },
    })
  }

  /** Callbacks are silenced with the process; kernels handed in are the real ones again. */
  #unwrapped(arg: unknown): unknown {
    if (typeof arg === 'function') {
      return (...args: unknown[]) => {
        if (this.alive) this.#guard(() => Reflect.apply(arg, undefined, args))
      }
    }
    if (typeof arg !== 'object' || arg === null || arg instanceof Uint8Array) return arg
    const kernel = WRAPPED.get(arg)
    if (kernel !== undefined) return kernel
    const copy: Record<string, unknown> = { ...arg }
    for (const key of ['kernel', 'peer']) if (key in copy) copy[key] = this.#unwrapped(copy[key])
    return copy
  }

  /** The store as this process sees it. */
  store(store: Store): Store {
    this.onKill(() => store.close())
    const ask = async <Answer>(request: () => Promise<Answer>): Promise<Answer> => {
      this.#step()
      const answer = await request()
      if (!this.alive) throw new ProcessKilled()
      return answer
    }
    return {
      get: (key) => ask(() => store.get(key)),
      list: (prefix) => ask(() => store.list(prefix)),
      transact: (transaction) => ask(() => store.transact(transaction)),
      watch: (prefix, fromRevision, handlers) => {
        // A watch is opened without waiting for an answer, so that it cannot be refused.
        this.#guard(() => this.#step())
        if (!this.alive) return { close() {} }
        return store.watch(prefix, fromRevision, {
          onEvents: (events, revision) => {
            if (this.alive) this.#guard(() => handlers.onEvents(events, revision))
          },
          onEnd: (reason) => {
            if (this.alive) this.#guard(() => handlers.onEnd(reason))
          },
        })
      },
      close: () => store.close(),
    }
  }
}

const WRAPPED = new WeakMap<object, Kernel>()
