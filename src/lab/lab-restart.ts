import type { AgentConnection } from '../api/methods.ts'
import { sleep } from '../lib/clock.ts'
import { closest } from '../lib/closest.ts'
import { UserError } from '../lib/errors.ts'
import { readJournal } from './journal.ts'
import type { LabPorts } from './lab-ports.ts'

/**
 * Ends the agent of a node, if it runs, as a crash would, and starts it anew; answers when it has heard
 * its neighbors. Traffic goes on all the while. Errors: UserError.
 */
export async function labRestart(lab: string, node: string, ports: LabPorts): Promise<void> {
  const { programs, state } = ports
  const journal = readJournal(state, lab)
  if (journal === undefined) throw new UserError(`Lab ${lab} was never completely built`)
  const names = journal.nodes.map(({ name }) => name)
  const found = journal.nodes.find(({ name }) => name === node)
  if (found === undefined) {
    const near = closest(node, names)
    const hint = near === undefined ? `its nodes are ${names.join(', ')}` : `did you mean ${near}?`
    throw new UserError(`Lab ${lab} has no node ${node}; ${hint}`)
  }
  await programs.endAgent(lab, node)
  programs.startAgent(lab, node, found.namespace)
  const agent = await programs.openAgent(lab, node)
  try {
    await awaitHeard(agent, ports)
  } finally {
    agent.close()
  }
}

/** Longest that the sessions may take to come back. */
const HEARD_MILLISECONDS_MAX = 20_000

async function awaitHeard(agent: AgentConnection, { clock }: LabPorts): Promise<void> {
  const deadline = clock.now() + HEARD_MILLISECONDS_MAX
  while (!(await agent.call('status', {})).converged) {
    if (clock.now() > deadline) {
      throw new UserError(
        'The agent runs, but its node is not ready yet; see why: tortie lab status',
      )
    }
    await sleep(clock, 10)
  }
}
