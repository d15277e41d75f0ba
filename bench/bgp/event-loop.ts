import { createHook } from 'node:async_hooks'
import { monitorEventLoopDelay, performance, PerformanceObserver } from 'node:perf_hooks'
import koffi from 'koffi'

/** How long the event loop of a process was held up, at the worst, in milliseconds. */
export interface EventLoopFigures {
  /** CPU time of the main thread in one turn of the loop: what a quiet machine would see. */
  readonly turnCpu: number
  /** Of them, spent in one callback. */
  readonly callbackCpu: number
  /** One stop of the garbage collector, by the clock of the wall. */
  readonly collection: number
  /** A timer that was late, by the clock of the wall: what else the machine does is in it. */
  readonly delay: number
}

/** What a speaker writes its figures to, beside its assignment, when SIGUSR2 comes. */
export const EVENT_LOOP_FILE = 'event-loop.json'

const CLOCK_THREAD_CPUTIME_ID = 3 // clock_gettime(2)

/** CPU time of the calling thread; process.cpuUsage() would have the collector's helpers in it. */
function threadCpuClock(): () => number {
  const read = koffi.load(null).func('int clock_gettime(int clock, _Out_ void *time)')
  const time = new BigInt64Array(2) // struct timespec: seconds, nanoseconds
  return () => {
    read(CLOCK_THREAD_CPUTIME_ID, time)
    return Number(time[0]!) * 1000 + Number(time[1]!) / 1e6
  }
}

/** Watches from now on. @returns gives the worst so far */
export function watchEventLoop(): () => EventLoopFigures {
  const cpu = threadCpuClock()
  const worst = { turnCpu: 0, callbackCpu: 0, collection: 0 }
  const turn = { number: 0, cpu: 0 }
  let depth = 0
  let began = 0
  createHook({
    before() {
      if (depth++ > 0) return
      const number = performance.nodeTiming.uvMetricsInfo.loopCount
      if (number !== turn.number) Object.assign(turn, { number, cpu: 0 })
      began = cpu()
    },
    after() {
      if (--depth > 0) return
      const callbackCpu = cpu() - began
      turn.cpu += callbackCpu
      worst.callbackCpu = Math.max(worst.callbackCpu, callbackCpu)
      worst.turnCpu = Math.max(worst.turnCpu, turn.cpu)
    },
  }).enable()
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      worst.collection = Math.max(worst.collection, duration)
    }
  }).observe({ entryTypes: ['gc'] })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  return () => ({ ...worst, delay: delay.max / 1e6 })
}
