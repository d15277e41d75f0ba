import type { RunningProgram } from '../api/lab-status.ts'
import type { AgentConnection } from '../api/methods.ts'
import type { Closable } from '../lib/closable.ts'
import type { Clock } from '../lib/clock.ts'
import type { Random } from '../lib/random.ts'
import type { Kernel, Machine } from '../kernel/kernel.ts'
import type { Store } from '../store/store.ts'

/**
 * What the lab works through. On Linux a program is a process and the state is a directory; in the
 * simulation a program is an object on a virtual clock and the state is a map.
 */
export interface LabPorts {
  readonly machine: Machine
  /** The namespace in which limits of all namespaces are set; absent where they share none. */
  readonly host?: Pick<Kernel, 'readSysctl' | 'writeSysctl'>
  readonly state: LabState
  readonly programs: LabPrograms
  readonly clock: Clock
  readonly random: Random
  /** One line about what is being done, or of what was done; never needed to understand the result. */
  readonly progress: (text: string) => void
  /** What a person should know although the work goes on. */
  readonly warn: (text: string) => void
  /** Called after each thing that is made, for tests that interrupt there. */
  readonly onStep?: (name: string) => void
}

/** The files of all labs: one directory each. */
export interface LabState {
  /** Names of labs that have a directory, with or without anything in it; none begins with a dot. */
  labs(): readonly string[]
  /** Path of the directory, for what a person is told. */
  directory(lab: string): string
  read(lab: string, file: string): string | undefined
  /** Whole or not at all, and on disk before the call returns; makes the directory. */
  write(lab: string, file: string, text: string): void
  /** Removes the directory and all in it; one that is not there is fine. */
  remove(lab: string): void
  /** Holds a name across all processes of the machine until closed or dead; undefined while another does. */
  lock(name: string): Closable | undefined
}

/** The programs of a lab: its store, and an agent a node. */
export interface LabPrograms {
  /** Starts the store; answers at once. */
  startStore(lab: string): void
  /** Starts the agent of a node inside the node's namespace; answers at once. */
  startAgent(lab: string, node: string, namespace: string): void
  /** As openAgent. Errors: UserError with the end of its log when it died or is late. */
  openStore(lab: string, options?: { readonly wait: boolean }): Promise<Store>
  /** Waits until the agent answers, or, with `wait: false`, asks once. Errors: as openStore. */
  openAgent(
    lab: string,
    node: string,
    options?: { readonly wait: boolean },
  ): Promise<AgentConnection>
  /** Programs of the lab that run, those included that a killed `up` left behind. */
  running(lab: string): readonly RunningProgram[]
  /** Kills the agent of a node and waits until it is gone; none is fine. */
  endAgent(lab: string, node: string): Promise<void>
  /** Ends all programs of the lab at once and waits until they are gone; answers how many there were. */
  endAll(lab: string): Promise<number>
}
