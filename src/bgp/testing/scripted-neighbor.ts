import { ip, type IpAddress } from '../../net/ip-address.ts'
import type { TcpConnection } from '../../net/transport.ts'
import type { Capability } from '../../wire/bgp/capabilities.ts'
import { Framer } from '../../wire/bgp/framer.ts'
import { decodeMessage, encodeMessage, type Message } from '../../wire/bgp/message.ts'
import { SESSION } from '../../wire/bgp/testing/goldens.ts'
import type { MemoryNetwork } from './memory-tcp.ts'

/** A neighbor that connects, and then says what a test has it say and no more. */
export class ScriptedNeighbor {
  readonly received: Message[] = []
  readonly connection: TcpConnection
  closed = false
  readonly #address: IpAddress

  constructor(network: MemoryNetwork, speaker: IpAddress, address: IpAddress) {
    this.#address = address
    const framer = new Framer((octets, start, end) => {
      this.received.push(decodeMessage(octets.slice(start, end), 0, end - start, SESSION))
      return true
    })
    this.connection = network.host(address).connect(
      { remote: { address: speaker, port: 179 } },
      {
        onData: (octets) => framer.push(octets),
        onClose: () => void (this.closed = true),
      },
    )
  }

  send(octets: Uint8Array): void {
    this.connection.write(octets)
  }

  say(message: Message): void {
    this.send(encodeMessage(message, SESSION))
  }

  /** OPEN with a hold time of 90 seconds, and the KEEPALIVE that answers the other's. */
  open(asn: number, capabilities: readonly Capability[]): void {
    this.say({
      kind: 'open',
      asn,
      holdTimeSeconds: 90,
      bgpIdentifier: ip(this.#address),
      capabilities: [...capabilities],
    })
    this.say({ kind: 'keepalive' })
  }

  /** "code/subcode" of the NOTIFICATION that it got. */
  get notification(): string | undefined {
    const found = this.received.find((message) => message.kind === 'notification')
    return found && `${found.code}/${found.subcode}`
  }
}
