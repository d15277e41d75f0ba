import type { Kernel } from '../../kernel/kernel.ts'
import { createSimulatedMachine } from '../../kernel/sim/machine.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip, type IpAddress } from '../../net/ip-address.ts'
import { IpamError } from '../../ipam/ipam-error.ts'
import { MemoryAttachmentStore } from '../attachment.ts'
import type { CniServiceNeeds } from '../cni-ports.ts'
import { CniService } from '../service.ts'

/**
 * The CNI service of a node of a simulated machine, with namespaces for pods and a few addresses.
 *
 * @param askStore throws while the datastore is away
 */
export function cniNode(pods: readonly string[], askStore: () => void = () => {}) {
  const clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  const host: Kernel = machine.createNamespace('host')
  host.writeSysctl('ipv4.ip_forward', '1')
  for (const name of pods) machine.createNamespace(name)
  const attachments = new MemoryAttachmentStore()
  const held = new Map<IpAddress, string>()
  const free = (): IpAddress | undefined =>
    Array.from({ length: 8 }, (_, at) => ip(`10.211.0.${at}`)).find((each) => !held.has(each))
  const needs: CniServiceNeeds = {
    node: 'server01',
    boot: 'first',
    host,
    machine,
    attachments,
    log: silentLog,
    clock,
    random: new SeededRandom(1),
    addresses: {
      async assign({ handle, wanted }) {
        askStore()
        const addresses = wanted.length > 0 ? wanted : [free()].filter((each) => each !== undefined)
        if (addresses.length === 0) throw new IpamError('no-addresses', 'No IPs available')
        const taken = addresses.find((address) => held.has(address))
        if (taken !== undefined) throw new IpamError('taken', `address ${taken} is taken`)
        for (const address of addresses) held.set(address, handle)
        return addresses
      },
      async release(handle, except) {
        askStore()
        for (const [address, owner] of held) {
          if (owner === handle && !except.includes(address)) held.delete(address)
        }
      },
      lost: async (handle, addresses) =>
        addresses.filter((address) => held.get(address) !== handle),
      async handles() {
        askStore()
        return [...new Set(held.values())]
      },
      async assertAvailable() {
        if (free() === undefined) throw new IpamError('no-addresses', 'No IPs available')
      },
    },
    endpoints: {
      refusal: ({ interfaceName, orchestrator, pod }) =>
        /^[a-z0-9]+$/.test(interfaceName) &&
        (orchestrator === 'cni' || /^[a-z0-9.-]+[a-z0-9]$/.test(pod))
          ? undefined
          : 'its name is not one of a resource',
      publish: async () => askStore(),
      withdraw: async () => askStore(),
    },
    podMtu: () => 1480,
    notReady: () => undefined,
    lacking: () => [],
    onChange() {},
  }
  let service = new CniService(needs)
  service.recover()
  /** Links and addresses that some pod has. */
  const leftOver = (): string[] => [
    ...host.links().flatMap(({ name }) => (name.startsWith('cali') ? [name] : [])),
    ...held.keys(),
  ]
  const restart = (): void => {
    service.stop()
    service = new CniService(needs)
    service.recover()
  }
  /** A pod's namespace ends, with all in it, and another has its name. */
  const replaceNamespace = (name: string): void => {
    machine.deleteNamespace(name)
    machine.createNamespace(name)
  }
  /** What a runtime knows of: whatever is whole. */
  const valid = () =>
    attachments
      .list()
      .filter(({ state }) => state === 'ready')
      .map(({ containerId, interfaceName }) => ({
        containerID: containerId,
        ifname: interfaceName,
      }))
  return {
    clock,
    attachments,
    service: () => service,
    restart,
    replaceNamespace,
    valid,
    heldBy: (address: IpAddress) => held.get(address),
    leftOver,
  }
}
