import { CNI_ERROR, CniError, type CniRequest } from '../api/cni-protocol.ts'
import type { AgentConnection } from '../api/methods.ts'
import { sleep } from '../lib/clock.ts'
import { hex } from '../lib/bytes.ts'
import { messageOf, UserError } from '../lib/errors.ts'
import type { LabPorts } from './lab-ports.ts'
import type { PlannedPod } from './plan.ts'

/** ADDs under way at once; more than the cores of a small machine gain nothing. */
const ADDS_AT_ONCE = 4
const TRY_AGAIN_LATER = new CniError(CNI_ERROR.tryAgainLater, '').code
/** Longest that an agent may take for one pod; as for the start of programs, a busy machine's time. */
const ANSWER_MILLISECONDS_MAX = 60_000
/** Longest that a node's agent may answer "try again later" (it waits for its own block, say). */
const READY_MILLISECONDS_MAX = 60_000

/**
 * Attaches every pod as a container runtime does: a CNI ADD with a container id, the path of the
 * namespace and the network configuration, to the agent of its node. Errors: UserError.
 */
export async function attachPods(
  pods: readonly PlannedPod[],
  agents: ReadonlyMap<string, AgentConnection>,
  ports: LabPorts,
): Promise<void> {
  const waiting = [...pods]
  const worker = async (): Promise<void> => {
    for (let pod = waiting.shift(); pod !== undefined; pod = waiting.shift()) {
      await attachPod(pod, agents.get(pod.node)!, ports)
      ports.onStep?.(`pod ${pod.name} attached`)
    }
  }
  await Promise.all(Array.from({ length: ADDS_AT_ONCE }, worker))
}

async function attachPod(pod: PlannedPod, agent: AgentConnection, ports: LabPorts): Promise<void> {
  const request = addRequest(pod, hex(ports.random.bytes(32)), ports)
  const deadline = ports.clock.now() + READY_MILLISECONDS_MAX
  for (;;) {
    try {
      await agent.call('cni', request, ANSWER_MILLISECONDS_MAX)
      return
    } catch (thrown) {
      const later = (thrown as { code?: unknown }).code === TRY_AGAIN_LATER
      if (!later || ports.clock.now() > deadline) {
        throw new UserError(
          `Pod ${pod.namespace}/${pod.name} could not be attached on ${pod.node}: ${messageOf(thrown)}`,
          { cause: thrown },
        )
      }
      await sleep(ports.clock, 10)
    }
  }
}

/** What tortie-cni sends for the environment and configuration that a runtime would give it. */
function addRequest(
  { namespace, name, netns, address, labels, mtu }: PlannedPod,
  containerId: string,
  { machine }: LabPorts,
): CniRequest {
  const ips = address === undefined ? {} : { ips: [address] }
  return {
    command: 'ADD',
    containerId,
    networkNamespace: machine.namespacePath(netns),
    interfaceName: 'eth0',
    arguments: {
      IgnoreUnknown: '1',
      K8S_POD_NAMESPACE: namespace,
      K8S_POD_NAME: name,
      K8S_POD_INFRA_CONTAINER_ID: containerId,
    },
    configuration: {
      cniVersion: '1.1.0',
      name: 'k8s-pod-network',
      type: 'tortie-cni',
      mtu: mtu ?? 0,
      args: {
        cni: {
          ...ips,
          labels: Object.entries(labels).map(([key, value]) => ({ key, value })),
        },
      },
    },
  }
}
