import { readFileSync } from 'node:fs'

/** What processes have used since their start. Processes that have ended no longer count. */
export interface Usage {
  /** User and system time. */
  readonly cpuSeconds: number
  /** Sum of the peaks of resident memory. */
  readonly peakMegabytes: number
}

const TICKS_PER_SECOND = 100 // USER_HZ, which proc(5) counts in, is 100 on every Linux Node runs on

export function usageOf(pids: readonly number[]): Usage {
  let cpuSeconds = 0
  let peakMegabytes = 0
  for (const pid of pids) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      cpuSeconds += (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
      const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
      peakMegabytes += Number(peak?.[1] ?? 0) / 1024
    } catch {
      // It ended in between.
    }
  }
  return { cpuSeconds, peakMegabytes }
}
