import type { CniRequest } from '../../src/api/cni-protocol.ts'
import type { ComposedAgent } from '../../src/composition/compose-agent.ts'
import { hex } from '../../src/lib/bytes.ts'
import { type Clock, sleep } from '../../src/lib/clock.ts'
import type { Random } from '../../src/lib/random.ts'
import type { Machine } from '../../src/kernel/kernel.ts'
import type { SimulatedProcess } from './simulated-process.ts'

/** How long a runtime waits for the plugin, and between tries. */
const PATIENCE_MILLISECONDS = 30_000
const RETRY_MILLISECONDS = 1000

/** A pod as its runtime knows it. */
export interface RuntimePod {
  readonly name: string
  readonly networkNamespace: string
  containerId: string
  state: 'adding' | 'ready' | 'removing' | 'gone'
}

interface RuntimeNeeds {
  readonly clock: Clock
  readonly random: Random
  readonly machine: Machine
  readonly node: string
  agent(): { agent: ComposedAgent | undefined; process: SimulatedProcess | undefined } | undefined
}

/**
 * What a kubelet and its container runtime do on one node: ADD until it succeeds, with a DEL and a new
 * container after every failure; DEL until it succeeds.
 */
export class PodRuntime {
  readonly pods = new Map<string, RuntimePod>()
  readonly #needs: RuntimeNeeds

  constructor(needs: RuntimeNeeds) {
    this.#needs = needs
  }

  /** Starts a pod; nothing is waited for. */
  run(name: string): void {
    const { machine } = this.#needs
    const kernel = machine.createNamespace(name)
    kernel.changeLink(kernel.link('lo')!.index, { up: true })
    kernel.close()
    const pod: RuntimePod = {
      name,
      networkNamespace: machine.namespacePath(name),
      containerId: this.#newContainerId(),
      state: 'adding',
    }
    this.pods.set(name, pod)
    void this.#add(pod)
  }

  /** Ends a pod; nothing is waited for. */
  remove(name: string): void {
    const pod = this.pods.get(name)
    if (pod === undefined || pod.state === 'removing') return
    const wasReady = pod.state === 'ready'
    pod.state = 'removing'
    // One that is being added is removed by whoever adds it, when the answer is there.
    if (wasReady) void this.#delete(pod)
  }

  /** Its machine has died: pods end without a word, and so does what is being done for them. */
  abandon(): void {
    for (const pod of this.pods.values()) {
      pod.state = 'gone'
      this.#needs.machine.deleteNamespace(pod.name)
    }
    this.pods.clear()
  }

  /** Repeats a command that has been answered, as runtimes do after a restart of their own. */
  repeat(name: string, command: 'ADD' | 'DEL'): void {
    const pod = this.pods.get(name)
    if (pod === undefined || pod.state !== 'ready') return
    // A repeated DEL of a running container would be an order, not a repetition: this one is of an
    // earlier container of the pod, whose namespace is long gone.
    const request =
      command === 'ADD'
        ? this.#request(pod, 'ADD', pod.containerId)
        : { ...this.#request(pod, 'DEL', this.#newContainerId()), networkNamespace: '' }
    void this.#ask(request).catch(() => {})
  }

  #newContainerId(): string {
    return hex(this.#needs.random.bytes(16))
  }

  async #add(pod: RuntimePod): Promise<void> {
    while (pod.state === 'adding') {
      try {
        await this.#ask(this.#request(pod, 'ADD', pod.containerId))
        break
      } catch {
        await this.#clean(pod)
        pod.containerId = this.#newContainerId()
        await sleep(this.#needs.clock, RETRY_MILLISECONDS)
      }
    }
    if (this.#is(pod, 'removing')) await this.#delete(pod)
    else if (!this.#is(pod, 'gone')) pod.state = 'ready'
  }

  /** What the state is now, whatever it was before something was waited for. */
  #is(pod: RuntimePod, state: RuntimePod['state']): boolean {
    return pod.state === state
  }

  async #delete(pod: RuntimePod): Promise<void> {
    await this.#clean(pod)
    if (this.#needs.random.fraction() < 0.3) await this.#clean(pod)
    if (this.#is(pod, 'gone')) return
    this.#needs.machine.deleteNamespace(pod.name)
    this.pods.delete(pod.name)
    pod.state = 'gone'
  }

  /** DEL until it is answered well. */
  async #clean(pod: RuntimePod): Promise<void> {
    while (!this.#is(pod, 'gone')) {
      try {
        await this.#ask(this.#request(pod, 'DEL', pod.containerId))
        return
      } catch {
        await sleep(this.#needs.clock, RETRY_MILLISECONDS)
      }
    }
  }

  #request(pod: RuntimePod, command: 'ADD' | 'DEL', containerId: string): CniRequest {
    return {
      command,
      containerId,
      networkNamespace: pod.networkNamespace,
      interfaceName: 'eth0',
      arguments: {
        K8S_POD_NAMESPACE: 'default',
        K8S_POD_NAME: pod.name,
        K8S_POD_INFRA_CONTAINER_ID: containerId,
      },
      configuration: { cniVersion: '1.1.0', name: 'k8s-pod-network', type: 'tortie-cni' },
    }
  }

  /** One request to the agent of now; rejects when it dies, or does not answer in time. */
  async #ask(request: CniRequest): Promise<unknown> {
    const target = this.#needs.agent()
    if (target?.agent === undefined || target.process === undefined) {
      throw new Error('the agent does not run')
    }
    const { clock } = this.#needs
    const answer = target.agent.methods['cni']!(request)
    const killed = target.process.killed.then(() => {
      throw new Error('the agent died')
    })
    const late = sleep(clock, PATIENCE_MILLISECONDS).then(() => {
      throw new Error('the agent does not answer')
    })
    killed.catch(() => {})
    late.catch(() => {})
    return Promise.race([answer, killed, late])
  }
}
