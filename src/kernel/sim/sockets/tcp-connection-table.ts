import type { Addr } from '../routing/addr.ts'
import type { SimTcpConnection } from './tcp-connection.ts'

/** The connections of a namespace by their four-tuple: both ports in one number, then the addresses. */
export class ConnectionTable {
  readonly #byPorts = new Map<number, SimTcpConnection[]>()

  add(connection: SimTcpConnection): void {
    const ports = portsOf(connection.localPort, connection.remotePort)
    const found = this.#byPorts.get(ports)
    if (found === undefined) this.#byPorts.set(ports, [connection])
    else found.push(connection)
  }

  delete(connection: SimTcpConnection): void {
    const ports = portsOf(connection.localPort, connection.remotePort)
    const found = this.#byPorts.get(ports)
    const at = found?.indexOf(connection) ?? -1
    if (found === undefined || at < 0) return
    found.splice(at, 1)
    if (found.length === 0) this.#byPorts.delete(ports)
  }

  find(
    localAddr: Addr,
    localPort: number,
    remoteAddr: Addr,
    remotePort: number,
  ): SimTcpConnection | undefined {
    const found = this.#byPorts.get(portsOf(localPort, remotePort))
    return found?.find((each) => each.remoteAddr === remoteAddr && each.localAddr === localAddr)
  }

  *[Symbol.iterator](): Generator<SimTcpConnection> {
    for (const found of this.#byPorts.values()) yield* found
  }
}

function portsOf(localPort: number, remotePort: number): number {
  return localPort * 0x10000 + remotePort
}
