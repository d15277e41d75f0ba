import { messageOf, UserError } from '../../lib/errors.ts'
import { asSecret, type Secret } from '../../lib/secret.ts'
import { FAMILIES, type Family, familyOf, ip } from '../../net/ip-address.ts'
import { parsePrefix, prefixAddress, prefixLength } from '../../net/prefix.ts'
import type { TcpConnection, TcpListener, TcpStack } from '../../net/transport.ts'
import type { ListenConfig, SpeakerConfig } from '../config.ts'

interface Listening {
  readonly config: ListenConfig
  /** One, or one a family where no address was given. */
  readonly sockets: readonly { readonly family: Family; readonly listener: TcpListener }[]
}

/** The sockets on which neighbors may connect, with their MD5 keys. */
export class Listeners {
  readonly #tcp: TcpStack
  readonly #onAccept: (connection: TcpConnection) => void
  #listening: readonly Listening[] = []
  /** Keys in force: address or prefix to key. */
  #keys = new Map<string, Secret>()

  constructor(tcp: TcpStack, onAccept: (connection: TcpConnection) => void) {
    this.#tcp = tcp
    this.#onAccept = onAccept
  }

  get ports(): number[] {
    return this.#listening.map(({ sockets }) => sockets[0]!.listener.port)
  }

  /**
   * Listens where `config` says, keeps what stays the same.
   * @throws UserError if an address cannot be had; nothing has changed then
   */
  configure(config: SpeakerConfig): void {
    const former = [...this.#listening]
    const closed: Listening[] = []
    const opened: Listening[] = []
    const next: Listening[] = []
    try {
      for (const listen of config.listen) {
        const at = former.findIndex((one) => isSame(one.config, listen))
        if (at >= 0) next.push(...former.splice(at, 1))
        else {
          const listening = this.#openInstead(listen, former, closed)
          opened.push(listening)
          next.push(listening)
        }
      }
    } catch (thrown) {
      opened.forEach(close)
      this.#openAgain(closed)
      throw new UserError(messageOf(thrown), { cause: thrown })
    }
    former.forEach(close)
    this.#listening = next
    this.#setKeys(config, opened)
  }

  /** One address and all addresses exclude each other at one port: what is to go makes room. */
  #openInstead(config: ListenConfig, former: Listening[], closed: Listening[]): Listening {
    try {
      return this.#open(config)
    } catch (thrown) {
      const inTheWay = former.filter((one) => one.config.port === config.port)
      if (inTheWay.length === 0) throw thrown
      for (const one of inTheWay) {
        former.splice(former.indexOf(one), 1)
        close(one)
        closed.push(one)
      }
      return this.#open(config)
    }
  }

  #openAgain(closed: readonly Listening[]): void {
    this.#listening = this.#listening.map((one) => {
      if (!closed.includes(one)) return one
      const again = this.#open(one.config)
      for (const [address, key] of this.#keys) setKey(again, address, key)
      return again
    })
  }

  close(): void {
    this.#listening.forEach(close)
    this.#listening = []
    this.#keys.clear()
  }

  #open(config: ListenConfig): Listening {
    const { address, port } = config
    const families: readonly Family[] = address === undefined ? FAMILIES : [familyOf(address)]
    const sockets: { family: Family; listener: TcpListener }[] = []
    for (const family of families) {
      try {
        const at = address === undefined ? {} : { address }
        const shared = sockets[0]?.listener.port ?? port
        // A neighbor with GTSM drops a SYN-ACK of less than 255, and who it is for is not known yet.
        const options = { ...at, family, port: shared, ttl: 255 }
        const listener = this.#tcp.listen(options, this.#onAccept)
        sockets.push({ family, listener })
      } catch (thrown) {
        // A machine without IPv6 can still speak BGP over IPv4.
        if (family === 6 && sockets.length > 0) continue
        throw thrown
      }
    }
    return { config, sockets }
  }

  #setKeys(config: SpeakerConfig, opened: readonly Listening[]): void {
    const keys = new Map<string, Secret>()
    for (const { address, md5Key } of config.neighbors) {
      if (md5Key !== undefined) keys.set(address, asSecret(md5Key))
    }
    for (const { range, md5Key } of config.dynamicNeighbors ?? []) {
      if (md5Key !== undefined) keys.set(range, asSecret(md5Key))
    }
    for (const listening of this.#listening) {
      const isNew = opened.includes(listening)
      for (const address of this.#keys.keys()) {
        if (!isNew && !keys.has(address)) setKey(listening, address, undefined)
      }
      for (const [address, key] of keys) {
        if (isNew || this.#keys.get(address)?.reveal() !== key.reveal())
          setKey(listening, address, key)
      }
    }
    this.#keys = keys
  }
}

function isSame(a: ListenConfig, b: ListenConfig): boolean {
  return a.address === b.address && a.port === b.port
}

function close({ sockets }: Listening): void {
  for (const { listener } of sockets) listener.close()
}

function setKey({ sockets }: Listening, where: string, key: Secret | undefined): void {
  const range = parsePrefix(where)
  const address = range === undefined ? ip(where) : prefixAddress(range)
  const family = familyOf(address)
  for (const socket of sockets) {
    if (socket.family !== family) continue
    if (range !== undefined) socket.listener.setMd5Key(address, key, prefixLength(range))
    else socket.listener.setMd5Key(address, key)
  }
}
