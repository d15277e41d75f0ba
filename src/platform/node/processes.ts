import { spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** A process, told from a later one of the same number by when it started. */
export interface ProcessReference {
  readonly pid: number
  /** Clock ticks since boot: field 22 of /proc/<pid>/stat (proc(5)). */
  readonly startTime: string
}

export interface FoundProcess extends ProcessReference {
  readonly argv: readonly string[]
}

export interface DetachedProcess {
  readonly pid: number | undefined
  /** How it ended, once it has: "exit status 1", "SIGKILL"; undefined while it runs. */
  readonly ended: string | undefined
}

/** Starts a process that outlives this one, its output appended to a file. */
export function startDetached(options: {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly logPath: string
}): DetachedProcess {
  const log = openSync(options.logPath, 'a', 0o600)
  let ended: string | undefined
  try {
    const child = spawn(options.command, options.args, {
      detached: true,
      env: options.env,
      stdio: ['ignore', log, log],
    })
    child.on('exit', (status, signal) => (ended = signal ?? `exit status ${status}`))
    child.on('error', (error) => (ended = error.message))
    child.unref()
    return {
      pid: child.pid,
      get ended() {
        return ended
      },
    }
  } finally {
    closeSync(log)
  }
}

/** Processes whose environment had this entry when they started. Those of other users are left out. */
export function processesWith(variable: string, value: string): FoundProcess[] {
  const entry = `${variable}=${value}`
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    const pid = Number(name)
    if (pid === process.pid || !environmentOf(pid).includes(entry)) return []
    const startTime = startTimeOf(pid)
    return startTime === undefined ? [] : [{ pid, startTime, argv: argvOf(pid) }]
  })
}

/**
 * Kills processes until `find` finds none, and waits until they are gone. Nothing is killed that is not
 * the very process that was found. Answers how many there were.
 */
export async function endProcesses(find: () => readonly ProcessReference[]): Promise<number> {
  const ended = new Set<string>()
  for (;;) {
    const found = find()
    if (found.length === 0) return ended.size
    for (const { pid, startTime } of found) {
      ended.add(`${pid} ${startTime}`)
      if (startTimeOf(pid) === startTime) kill(pid)
    }
    while (found.some(({ pid, startTime }) => startTimeOf(pid) === startTime)) await delay(5)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
  }
}

/**
 * Undefined when there is no such process, or when it has ended and only its status is left. While one
 * of its threads lives it has not ended, although the first may have: its files and sockets are open.
 */
function startTimeOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`)
  // The second field is the program's name in parentheses, and may itself have spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ended = stat === '' || (fields[0] === 'Z' && threadsOf(pid).length < 2)
  return ended ? undefined : fields[19]
}

/** What the first thread knows no longer once it has ended, the others still do. */
function environmentOf(pid: number): readonly string[] {
  const own = read(`/proc/${pid}/environ`)
  const known =
    own === '' ? threadsOf(pid).map((thread) => read(`/proc/${pid}/task/${thread}/environ`)) : [own]
  return known.flatMap((text) => text.split('\0'))
}

/** Numbers of the threads that live, the first included even when it has ended. */
function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function argvOf(pid: number): readonly string[] {
  return read(`/proc/${pid}/cmdline`).split('\0').slice(0, -1)
}

/** Empty when it cannot be read: the process is gone, or somebody else's. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
