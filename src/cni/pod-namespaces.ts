import { CNI_ERROR, CniError } from '../api/cni-protocol.ts'
import { isKernelError, type Kernel, type KernelError, type Machine } from '../kernel/kernel.ts'

const OTHER_MOUNTS =
  'If the runtime did make it, agent and runtime see different mounts: start the agent where it sees those under /run/netns (mount propagation, as of a container or a unit with PrivateMounts).'

/** What the machine lacks at the moment, whatever the path: nothing is said of the namespace by it. */
const OF_MACHINE = ['EMFILE', 'ENFILE', 'ENOMEM', 'EPERM', 'EAGAIN', 'EIO']

function isNoNamespace(thrown: unknown): thrown is KernelError {
  return isKernelError(thrown) && !isKernelError(thrown, ...OF_MACHINE)
}

/** The namespaces of pods, by the paths that a runtime says. */
export class PodNamespaces {
  readonly #host: Kernel
  readonly #machine: Pick<Machine, 'openNamespace'>

  constructor(host: Kernel, machine: Pick<Machine, 'openNamespace'>) {
    this.#host = host
    this.#machine = machine
  }

  /** Errors: {@link CniError} of what is no namespace, or is that of the node itself. */
  open(path: string): Kernel {
    const pod = this.#openNamed(path)
    if (pod.namespaceId() !== this.#host.namespaceId()) return pod
    pod.close()
    throw new CniError(
      CNI_ERROR.invalidNamespace,
      `CNI_NETNS is ${path}, the network namespace of the node itself; expected one of the container's own`,
    )
  }

  #openNamed(path: string): Kernel {
    try {
      return this.#openEntered(path)
    } catch (thrown) {
      if (!isNoNamespace(thrown)) throw thrown
      throw new CniError(
        CNI_ERROR.invalidEnvironment,
        `CNI_NETNS is ${path}, which is no network namespace: ${thrown.message}`,
        OTHER_MOUNTS,
      )
    }
  }

  /** Undefined where there is none. Errors: KernelError of a machine that cannot tell. */
  tryOpen(path: string): Kernel | undefined {
    if (path === '') return undefined
    try {
      return this.#openEntered(path)
    } catch (thrown) {
      if (isNoNamespace(thrown)) return undefined
      throw thrown
    }
  }

  /** A namespace that can be entered: of one that is gone the file may still be there. */
  #openEntered(path: string): Kernel {
    const pod = this.#machine.openNamespace(path)
    try {
      pod.link('lo')
      return pod
    } catch (thrown) {
      pod.close()
      throw thrown
    }
  }
}
