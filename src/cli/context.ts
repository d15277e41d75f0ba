import type { AgentConnection } from '../api/methods.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Resources } from '../store/resources.ts'
import type { Store } from '../store/store.ts'
import type { Labs } from './lab/labs.ts'

/**
 * All that a command is handed: it reaches for nothing else, so that a test runs it with an output that
 * it can read, a store in memory and a clock of its own. What is costly to load is behind a promise.
 */
export interface CommandContext {
  readonly out: Output
  readonly err: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly random: Random
  /** A log of JSON lines on standard error; level "info" unless TORTIE_LOG says otherwise. */
  openLog(name: string): Promise<Log>
  /** The text of a file, of standard input for "-". Errors: UserError that names the path. */
  readText(path: string): Promise<string>
  /** The datastore of a lab or of ETCD_ENDPOINTS. Errors: UserError when there is none to be found. */
  openStore(target: ClusterTarget): Promise<Store>
  /** The resources in {@link openStore}'s store. */
  openResources(target: ClusterTarget): Promise<OpenResources>
  /** The agents of a lab's nodes, all of them or those named; each answers while its node's does. */
  openAgents(target: ClusterTarget, nodes?: readonly string[]): Promise<Agents>
  /** The labs of this machine. Errors: UserError when their folder is not the user's. */
  openLabs(): Promise<Labs>
  /** The kernel of this process's namespace, or of the one named. Errors: UserError without Linux. */
  openKernel(namespace?: string): Promise<Kernel>
  /**
   * Resolves with the signal's name when the process is asked to end (SIGINT, SIGTERM). It ends within a
   * second from then on, whatever is not done. For what runs until it is stopped; ask before anything else.
   */
  untilStopped(): Promise<string>
  /** The same for what takes back what it has begun before it ends, however long that takes. */
  untilInterrupted(): Promise<string>
  /** From now on an uncaught rejection for which this is true is no defect. */
  expectRejections(isExpected: (thrown: unknown) => boolean): void
  /** Process exit status when the command has ended; 0 unless set. */
  setExitCode(code: number): void
}

export interface Output {
  write(text: string): void
  readonly isTty: boolean
  /** Width of the terminal; undefined when it is none. */
  readonly columns: number | undefined
}

/** Which cluster a command is about: the lab named, else the only lab that is up, else ETCD_ENDPOINTS. */
export interface ClusterTarget {
  readonly lab?: string | undefined
}

export interface OpenResources {
  readonly resources: Resources
  close(): void
}

/** Connections to the agents of some nodes. */
export interface Agents {
  readonly agents: readonly AgentOfNode[]
  close(): void
}

/** One node's agent: requests over its socket. */
export interface AgentOfNode extends Pick<AgentConnection, 'call'> {
  readonly node: string
}
