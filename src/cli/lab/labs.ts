import type { LabStatus } from '../../api/lab-status.ts'
import type { CommandResult } from '../../kernel/sim/commands/command-result.ts'
import type { LabPorts, LabState } from '../../lab/lab-ports.ts'
import type { Log } from '../../lib/log.ts'
import type { HostedLab, SimulatedLabHost } from '../../simulated-lab/host-simulated-lab.ts'

/** The labs of this machine: real ones through their ports, simulated ones through their hosts. */
export interface Labs {
  readonly state: LabState
  readonly simulated: SimulatedLabs
  /** The ports of real labs. Errors: UserError where none can be built. */
  openPorts(tell: Pick<LabPorts, 'progress' | 'warn'>): LabPorts
  /** Processes of a lab; 0 where they cannot be counted. */
  countPrograms(lab: string): number
  /** Becomes a program inside a namespace of a real lab. Errors: UserError with the statuses of a shell. */
  becomeProgram(
    ports: Pick<LabPorts, 'machine'>,
    lab: string,
    namespace: string,
    argv: readonly string[],
  ): never
}

/** Each simulated lab is a process, its host. Errors: UserError when it does not answer, or what it answers. */
export interface SimulatedLabs {
  /** Whether a lab is simulated; also one whose host was killed before it had said so. */
  has(lab: string): boolean
  /** Labs of which there is nothing yet but their host's log. */
  unbegun(): readonly string[]
  /** Starts the host of a lab as a process that outlives this one; answers when the lab is up. */
  start(lab: string, topologyPath: string): Promise<LabStatus>
  status(lab: string): Promise<LabStatus>
  exec(lab: string, where: string, argv: readonly string[]): Promise<CommandResult>
  restart(lab: string, node: string): Promise<void>
  /** Ends the host, if it runs, and removes what is left of the lab. */
  down(lab: string): Promise<void>
  /** Is the host of a lab: builds it in this process and serves it. */
  host(lab: HostedLab, log: Log): Promise<SimulatedLabHost>
}
