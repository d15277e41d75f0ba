import { connect } from '../api/connect.ts'
import type { AgentApi, AgentConnection } from '../api/methods.ts'
import type { AgentOfNode, Agents, ClusterTarget } from '../cli/context.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import { chooseLab } from '../lab/choose-lab.ts'
import { systemClock } from '../platform/node/clock.ts'
import { DirectoryState } from '../platform/node/directory-state.ts'
import { connectUnix } from '../platform/node/unix-socket.ts'
import type { Store } from '../store/store.ts'
import { assertOwnFolder } from '../platform/node/own-folder.ts'
import { LAB_ROOT, labPath } from './lab-paths.ts'

/** Opens the datastore of a lab, or of ETCD_ENDPOINTS where no lab is named and none is up. */
export async function openTargetStore(
  { lab }: ClusterTarget,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Store> {
  const labs = labDirectories().names()
  const endpoints = env['ETCD_ENDPOINTS']
  const named = lab ?? env['TORTIE_LAB']
  const { openEtcdStore } = await import('./open-etcd-store.ts')
  if (named === undefined && labs.length === 0) {
    if (endpoints !== undefined && endpoints !== '') {
      return openEtcdStore(endpoints).catch((thrown: unknown) => {
        throw new UserError(`The store of ETCD_ENDPOINTS does not answer: ${messageOf(thrown)}`)
      })
    }
    throw new UserError(
      'No cluster found: no lab is running (tortie lab up seed), and ETCD_ENDPOINTS is not set',
    )
  }
  const chosen = chosenLab(lab, labs, env)
  try {
    return await openEtcdStore(`unix:${labPath(chosen, 'store.sock')}`)
  } catch (thrown) {
    throw new UserError(
      `The store of lab ${chosen} does not answer: ${messageOf(thrown)}; see: tortie lab status ${chosen}`,
    )
  }
}

/** Not the whole of labState, which loads what only root needs. */
function labDirectories(): DirectoryState {
  assertOwnFolder(LAB_ROOT)
  return new DirectoryState(labPath())
}

function chosenLab(
  named: string | undefined,
  labs: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string {
  if (named === undefined && env['TORTIE_LAB'] === undefined && labs.length > 1) {
    throw new UserError(`Several labs are up: ${labs.join(', ')}. Say which with --lab`)
  }
  return chooseLab(named, labs, env)
}

/** Connects to the agents of a lab's nodes. A node whose agent does not answer is named in the error. */
export async function openTargetAgents(
  { lab }: ClusterTarget,
  env: Readonly<Record<string, string | undefined>>,
  nodes?: readonly string[],
): Promise<Agents> {
  const chosen = chosenLab(lab, labDirectories().names(), env)
  const all = new DirectoryState(labPath(chosen, 'nodes')).names()
  const clients: AgentConnection[] = []
  try {
    const agents = await Promise.all(
      (nodes ?? all).map(async (node): Promise<AgentOfNode> => {
        const stream = await connectUnix(labPath(chosen, 'nodes', node, 'agent.sock')).catch(
          (thrown: unknown) => {
            throw new UserError(
              `The agent of ${node} does not answer: ${messageOf(thrown)}; see: tortie lab status ${chosen}`,
            )
          },
        )
        const agent = connect<AgentApi>(stream, systemClock, `the agent of ${node}`)
        clients.push(agent)
        return {
          node,
          call: (method, params, timeout) => agent.call(method, params, timeout),
        }
      }),
    )
    return { agents, close: () => clients.forEach((client) => client.close()) }
  } catch (thrown) {
    for (const client of clients) client.close()
    throw thrown
  }
}
