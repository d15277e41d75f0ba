import { keepAnycast6 } from './configuration/address-config.ts'
import type { Clock } from '../../lib/clock.ts'
import { type Log, silentLog } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import { IP_PROTOCOL } from '../../wire/packet/protocols.ts'
import { type Kernel, KernelError, type Machine } from '../kernel.ts'
import { isMulticastAddr, multicastMac4, multicastMac6 } from './routing/addr.ts'
import { solicitArp } from './ip/arp-input.ts'
import type { Device, Frame, Impairment } from './links/device.ts'
import { loopbackDriver } from './links/drivers.ts'
import { receiveIcmp, receiveIcmpv6 } from './ip/icmp-input.ts'
import { refuseTunnel } from './ip/ip-input.ts'
import { sendError } from './ip/ip-output.ts'
import { receiveIpip } from './links/ipip-driver.ts'
import { deleteDevice, registerDevice } from './configuration/link-config.ts'
import { reject } from './filter/reject.ts'
import { addressType, type MachineCore, Namespace, UNLIMITED_NEIGHBORS } from './namespace.ts'
import { solicitNeighbor } from './ip/nd-input.ts'
import { type NeighborHooks, NeighborTable } from './ip/neighbors.ts'
import { toNeighbor } from './configuration/port-values.ts'
import { receiveFrame } from './links/receive.ts'
import { SimulatedKernel } from './simulated-kernel.ts'
import { Joiner } from './sockets/tcp-buffer.ts'
import { TcpSockets } from './sockets/tcp-sockets.ts'
import { UdpSockets } from './sockets/udp-sockets.ts'
import * as ethernet from '../../wire/packet/ethernet.ts'
import * as icmp from '../../wire/packet/icmp.ts'
import * as icmpv6 from '../../wire/packet/icmpv6.ts'

/** Nanoseconds that the packet clock gains for each packet seen, so that sightings are in order. */
const PACKET_NANOSECONDS = 500n

const FIRST_NAMESPACE = '/proc/1/ns/net'

/** A Linux machine in this process: namespaces, links between them, and packets that travel. */
export class SimulatedMachine implements Machine, MachineCore {
  readonly clock: Clock
  readonly random: Random
  readonly joiner = new Joiner()
  readonly #log: Log
  readonly #namespaces = new Map<string, Namespace>()
  #firstNamespace: Namespace | undefined
  readonly neighborTables = {
    4: { gc_thresh3: UNLIMITED_NEIGHBORS, fulls: 0 },
    6: { gc_thresh3: UNLIMITED_NEIGHBORS, fulls: 0 },
  }
  #nanoseconds = 0n
  #assembled = 0
  #devices: Device[] = []
  #frames: Frame[] = []
  #draining = false

  constructor(options: { clock: Clock; random: Random; log?: Log }) {
    this.clock = options.clock
    this.random = options.random
    this.#log = options.log ?? silentLog
  }

  // The port.

  createNamespace(name: string): SimulatedKernel {
    if (this.#namespaces.has(name)) {
      throw new KernelError('EEXIST', `Unable to create namespace ${name}`)
    }
    const namespace = assemble(name, this, `namespace ${++this.#assembled}`)
    this.#namespaces.set(name, namespace)
    return new SimulatedKernel(namespace)
  }

  openNamespace(nameOrPath: string): SimulatedKernel {
    const isFirst = nameOrPath === FIRST_NAMESPACE
    return new SimulatedKernel(isFirst ? this.#first() : this.#find(nameOrPath))
  }

  #find(nameOrPath: string): Namespace {
    const name = nameOrPath.startsWith('/run/netns/') ? nameOrPath.slice(11) : nameOrPath
    const namespace = this.#namespaces.get(name)
    if (namespace === undefined) {
      throw new KernelError('ENOENT', `Unable to open namespace ${nameOrPath}`)
    }
    return namespace
  }

  /** The namespace of process 1, with what is set for all: made when it is asked for, as few do. */
  #first(): Namespace {
    if (this.#firstNamespace === undefined) {
      this.#firstNamespace = assemble(FIRST_NAMESPACE, this, 'first namespace')
      this.#firstNamespace.sysctl.neighborTables = this.neighborTables
    }
    return this.#firstNamespace
  }

  deleteNamespace(name: string): void {
    const namespace = this.#find(name)
    this.#namespaces.delete(namespace.name)
    for (const device of Array.from(namespace.devices.values())) {
      if (!device.isLoopback) deleteDevice(device)
    }
    namespace.loopback.up = false
    namespace.closed = true
  }

  namespaces(): readonly string[] {
    return [...this.#namespaces.keys()].sort()
  }

  namespacePath(name: string): string {
    return `/run/netns/${name}`
  }

  // What harnesses use beside the port.

  /** Trouble on what leaves by a link; undefined mends it. One end of a veth only: the other has its own. */
  impair(kernel: Kernel, link: string, impairment: Impairment | undefined): void {
    const device = this.#find(kernel.name).byName.get(link)
    if (device === undefined) {
      throw new KernelError('ENODEV', `Unable to impair ${link} of ${kernel.name}`)
    }
    device.impairment = impairment
  }

  // What namespaces use.

  neighborEntries(family: 4 | 6): number {
    let entries = 0
    for (const namespace of this.#namespaces.values()) entries += namespace.neighbors(family).size
    return entries
  }

  nanoseconds(): bigint {
    const now = BigInt(Math.round(this.clock.now() * 1e6))
    const next = this.#nanoseconds + PACKET_NANOSECONDS
    this.#nanoseconds = next > now ? next : now
    return this.#nanoseconds
  }

  deliver(device: Device, frame: Frame): void {
    this.#devices.push(device)
    this.#frames.push(frame)
    if (this.#draining) return
    this.#draining = true
    this.clock.after(0, () => this.#drain())
  }

  /** Lets all packets travel that can; each hop may put more behind the last. */
  #drain(): void {
    for (let at = 0; at < this.#devices.length; at++) {
      const device = this.#devices[at]!
      try {
        receiveFrame(device, this.#frames[at]!)
      } catch (error) {
        this.#log.error('A simulated link failed to receive', {
          namespace: device.namespace.name,
          link: device.name,
          error,
        })
        this.#recover(at + 1)
        throw error
      }
      if (at === 4095) {
        this.#devices.splice(0, at + 1)
        this.#frames.splice(0, at + 1)
        at = -1
      }
    }
    this.#devices = []
    this.#frames = []
    this.#draining = false
  }

  #recover(from: number): void {
    this.#devices = this.#devices.slice(from)
    this.#frames = this.#frames.slice(from)
    this.clock.after(0, () => this.#drain())
  }
}

/** A simulated machine on a clock and a source of randomness; one seed on a virtual clock gives one history. */
export function createSimulatedMachine(options: {
  clock: Clock
  random: Random
  log?: Log
}): SimulatedMachine {
  return new SimulatedMachine(options)
}

/** A namespace with its neighbour tables, transports and loopback link, which is down. */
function assemble(name: string, machine: MachineCore, id: string): Namespace {
  const namespace = new Namespace(name, machine, id)
  namespace.neighbors4 = new NeighborTable(4, hooksOf(namespace, 4))
  namespace.neighbors6 = new NeighborTable(6, hooksOf(namespace, 6))
  namespace.loopback = registerDevice(namespace, {
    name: 'lo',
    driver: loopbackDriver,
    mtu: 65_536,
    mac: 0,
    carrier: true,
  })
  namespace.sysctl.onForwarding6 = (link) => {
    for (const device of namespace.devices.values()) {
      if (link === undefined || device.name === link) keepAnycast6(namespace, device)
    }
  }
  namespace.transports.set(IP_PROTOCOL.icmp, (packet) => receiveIcmp(namespace, packet))
  namespace.transports.set(IP_PROTOCOL.icmpv6, (packet) => receiveIcmpv6(namespace, packet))
  namespace.transports.set(IP_PROTOCOL.ipip, (packet) => {
    if (!namespace.byName.has('tunl0')) return false
    if (!receiveIpip(namespace, packet)) refuseTunnel(namespace, packet)
    return true
  })
  namespace.tcp = new TcpSockets(namespace)
  namespace.udp = new UdpSockets(namespace)
  namespace.reject = (packet, reason) => reject(namespace, packet, reason)
  return namespace
}

function hooksOf(namespace: Namespace, family: 4 | 6): NeighborHooks {
  const { clock, random } = namespace.machine
  return {
    now: () => clock.now(),
    after: (milliseconds, fire) => clock.after(milliseconds, fire),
    fraction: () => random.fraction(),
    solicit(entry, unicast) {
      if (family === 4) solicitArp(namespace, entry, unicast)
      else solicitNeighbor(namespace, entry, unicast)
    },
    failed(_entry, packet) {
      // arp_error_report and ndisc_error_report: whoever sent the packet is told.
      const isVersion4 = packet.octets[0]! >>> 4 === 4
      const type = isVersion4
        ? icmp.TYPE.destinationUnreachable
        : icmpv6.TYPE.destinationUnreachable
      const code = isVersion4 ? icmp.UNREACHABLE.host : icmpv6.UNREACHABLE.address
      // Where the packet came in may decide on the error's source.
      sendError(namespace, packet.octets, packet.input, type, code)
    },
    fixedMac(addr) {
      if (isMulticastAddr(addr)) {
        return typeof addr === 'number' ? multicastMac4(addr) : multicastMac6(addr)
      }
      return addressType(namespace, addr) === 'broadcast' ? ethernet.BROADCAST : undefined
    },
    isFull() {
      const table = namespace.machine.neighborTables[family]
      // Counting the entries of a thousand namespaces for each new one takes its time.
      if (table.gc_thresh3 === UNLIMITED_NEIGHBORS) return false
      const isFull = namespace.machine.neighborEntries(family) >= table.gc_thresh3
      if (isFull) table.fulls++
      return isFull
    },
    changed(entry, change) {
      namespace.emit(() => ({ kind: 'neighbor', change, neighbor: toNeighbor(entry) }))
    },
  }
}
