import type { Kernel } from '../../src/kernel/kernel.ts'
import { sleep } from '../../src/lib/clock.ts'
import { SeededRandom } from '../../src/lib/random.ts'
import { ip, type IpAddress } from '../../src/net/ip-address.ts'
import type { TcpConnection } from '../../src/net/transport.ts'
import { encodeMessage } from '../../src/wire/bgp/message.ts'
import { SESSION } from '../../src/wire/bgp/testing/goldens.ts'
import { randomMutation } from '../../src/wire/bgp/testing/random-messages.ts'
import type { SimulatedCluster } from './cluster.ts'

const AS = 65_009
const PEERS = '/calico/resources/v3/projectcalico.org/bgppeers/'
/** Addresses of the network of most nodes that nobody has. */
const FIRST_HOST = 200

/**
 * A host beside the nodes that a BGPPeer makes a neighbor of all of them, and that says mutations of every
 * message there is, in and out of sessions. Its BGPPeer names a filter that does not exist: whatever it
 * announces must not be believed.
 */
export class RavingNeighbor {
  readonly #cluster: SimulatedCluster
  readonly #random: SeededRandom
  readonly #kernel: Kernel
  readonly #name: string
  readonly #address: IpAddress
  #connection: TcpConnection | undefined
  #isOver = false

  constructor(cluster: SimulatedCluster, victim: IpAddress, seed: number) {
    this.#cluster = cluster
    this.#random = new SeededRandom(seed)
    const names = cluster.machine.namespaces().filter((name) => name.startsWith('raving'))
    const host = FIRST_HOST + names.length
    this.#name = `raving${host}`
    this.#address = ip(`172.16.170.${host}`)
    this.#kernel = plugIn(cluster, this.#name, this.#address)
    void this.#rave(victim)
  }

  async #rave(victim: IpAddress): Promise<void> {
    const { clock, shared } = this.#cluster
    const spec = { peerIP: this.#address, asNumber: AS, filters: ['there-is-none'] }
    const key = PEERS + this.#name
    const metadata = { name: this.#name }
    const peer = { kind: 'BGPPeer', apiVersion: 'projectcalico.org/v3', metadata, spec }
    await shared.transact({ compare: [], success: [{ put: key, value: JSON.stringify(peer) }] })
    while (!this.#isOver) {
      await sleep(clock, 50 + this.#random.below(500))
      if (this.#connection === undefined) this.#connect(victim)
      else if (this.#random.below(40) === 0) this.#hangUp()
      else this.#connection.write(randomMutation(this.#random))
    }
    this.#hangUp()
    await shared.transact({ compare: [], success: [{ delete: key }] })
    this.#kernel.close()
  }

  #connect(victim: IpAddress): void {
    const handlers = { onData() {}, onClose: () => void (this.#connection = undefined) }
    this.#connection = this.#kernel.tcp.connect(
      { remote: { address: victim, port: 179 } },
      handlers,
    )
    if (this.#random.below(3) === 0) return
    const capabilities = [
      { kind: 'multiprotocol', afi: 1, safi: 1 },
      { kind: 'fourOctetAs', asn: AS },
    ] as const
    const bgpIdentifier = this.#address
    const open = { kind: 'open', asn: AS, holdTimeSeconds: 9, bgpIdentifier, capabilities } as const
    this.#connection.write(encodeMessage({ ...open, capabilities: [...capabilities] }, SESSION))
    this.#connection.write(encodeMessage({ kind: 'keepalive' }, SESSION))
  }

  #hangUp(): void {
    if (this.#random.below(2) === 0) this.#connection?.destroy()
    else this.#connection?.close()
    this.#connection = undefined
  }

  end(): void {
    this.#isOver = true
  }
}

/** One more host on the nodes' network. */
function plugIn({ machine }: SimulatedCluster, name: string, address: IpAddress): Kernel {
  const kernel = machine.createNamespace(name)
  const network = machine.openNamespace('lan')
  kernel.createLink({ kind: 'veth', name: 'eth0', peer: { name, kernel: network } })
  const { index } = kernel.link('eth0')!
  kernel.changeLink(index, { up: true })
  kernel.addAddress({ linkIndex: index, address, prefixLength: 24, scope: 'global' })
  const bridge = network.links().find((link) => link.kind === 'bridge')!
  const port = network.link(name)!.index
  network.changeLink(port, { masterIndex: bridge.index })
  network.changeLink(port, { up: true })
  network.close()
  return kernel
}
