import { type Kernel, type Machine, ROUTE_PROTOCOL, ROUTE_TABLE } from '../kernel/kernel.ts'
import { BRIDGE, type BuildStep } from './plan.ts'

/** Does the steps of a plan on a machine, in order. What it opens is closed when it ends. */
export class Builder {
  readonly #machine: Machine
  readonly #open = new Map<string, Kernel>()

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Errors: KernelError, EEXIST for a namespace that somebody else has made meanwhile. */
  do(step: BuildStep): void {
    switch (step.do) {
      case 'namespace':
        this.#open.set(step.namespace, this.#machine.createNamespace(step.namespace))
        return
      case 'sysctl':
        this.#kernel(step.namespace).writeSysctl(step.path, step.value)
        return
      case 'bridge':
        this.#kernel(step.namespace).createLink({ kind: 'bridge', name: step.name, mtu: step.mtu })
        return
      case 'cable':
        this.#cable(step)
        return
      case 'address':
        this.#kernel(step.namespace).addAddress({
          linkIndex: this.#link(step.namespace, step.name),
          ...step.address,
          scope: 'global',
        })
        return
      case 'up':
        this.#kernel(step.namespace).changeLink(this.#link(step.namespace, step.name), { up: true })
        return
      case 'route':
        this.#kernel(step.namespace).addRoute({
          destination: step.destination,
          type: 'unicast',
          table: ROUTE_TABLE.main,
          protocol: ROUTE_PROTOCOL.static,
          scope: 'global',
          priority: 0,
          nextHops: [{ linkIndex: this.#link(step.namespace, step.name), gateway: step.gateway }],
        })
        return
    }
  }

  /** The host's end is made in its namespace at once, so that its name meets no other. */
  #cable(step: Extract<BuildStep, { do: 'cable' }>): void {
    const bridge = this.#kernel(step.bridgeNamespace)
    const host = this.#kernel(step.namespace)
    const port = bridge.createLink({
      kind: 'veth',
      name: step.port,
      mtu: step.mtu,
      peer: { name: step.name, kernel: host },
    })
    host.changeLink(this.#link(step.namespace, step.name), { mtu: step.mtu })
    bridge.changeLink(port.index, {
      masterIndex: this.#link(step.bridgeNamespace, BRIDGE),
      up: true,
    })
  }

  #kernel(namespace: string): Kernel {
    let kernel = this.#open.get(namespace)
    if (kernel === undefined) {
      kernel = this.#machine.openNamespace(namespace)
      this.#open.set(namespace, kernel)
    }
    return kernel
  }

  #link(namespace: string, name: string): number {
    const link = this.#kernel(namespace).link(name)
    if (link === undefined) throw new Error(`${namespace} has no interface ${name}`)
    return link.index
  }

  close(): void {
    for (const kernel of this.#open.values()) kernel.close()
    this.#open.clear()
  }
}
