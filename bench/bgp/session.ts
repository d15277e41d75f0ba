import { connect, type Socket } from 'node:net'
import { KEEPALIVE, MESSAGE, MessageSplitter, openMessage } from './messages.ts'

export interface SessionOptions {
  readonly localAddress: string
  readonly remoteAddress: string
  readonly port: number
  readonly as: number
  readonly holdTimeSeconds: number
  readonly onUpdate?: (octets: Buffer, start: number, end: number) => void
  readonly onKeepalive?: () => void
  /** The established session broke. */
  readonly onLost: (reason: string) => void
}

/** A BGP session of the generator, opened towards the speaker and tried until it is established. */
export class GeneratorSession {
  readonly #options: SessionOptions
  #socket: Socket | undefined
  #established: (() => void) | undefined
  #up = false
  #ended = false
  /** Why the last attempt failed, for when none succeeds. */
  lastFailure = 'not tried yet'

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** Resolves when the session is established; tries for as long as it takes. */
  async establish(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#established = resolve
      this.#try()
    })
    const period = (this.#options.holdTimeSeconds * 1000) / 3
    if (period > 0) setInterval(() => this.#socket?.write(KEEPALIVE), period).unref()
  }

  #try(): void {
    const { localAddress, remoteAddress, port, as, holdTimeSeconds } = this.#options
    const socket = connect({ host: remoteAddress, port, localAddress, noDelay: true })
    this.#socket = socket
    socket.on('connect', () => socket.write(openMessage(as, holdTimeSeconds, localAddress)))
    const splitter = new MessageSplitter((octets, type, start, end) =>
      this.#message(octets, type, start, end),
    )
    socket.on('data', (chunk) => splitter.push(chunk))
    socket.on('error', (error) => {
      this.lastFailure = error.message
    })
    // A full listen queue drops the last part of the handshake: we are connected and nobody is there.
    const unanswered = setTimeout(() => socket.destroy(), 1000 + Math.random() * 1000)
    socket.once('data', () => clearTimeout(unanswered))
    socket.on('close', () => {
      clearTimeout(unanswered)
      if (this.#ended) return
      if (this.#up) this.#options.onLost(this.lastFailure)
      else setTimeout(() => this.#try(), 200)
    })
  }

  #message(octets: Buffer, type: number, start: number, end: number): void {
    if (type === MESSAGE.update) this.#options.onUpdate?.(octets, start, end)
    else if (type === MESSAGE.open) this.#socket?.write(KEEPALIVE)
    else if (type === MESSAGE.notification) {
      this.lastFailure = `NOTIFICATION ${octets[start]}/${octets[start + 1]}`
    } else if (type === MESSAGE.keepalive) {
      this.#options.onKeepalive?.()
      if (this.#up) return
      this.#up = true
      this.#established?.()
    }
  }

  /** Hands octets to the kernel as fast as the speaker reads; resolves when it has taken them all. */
  send(octets: Buffer): Promise<void> {
    return new Promise((resolve) => this.#socket!.write(octets, () => resolve()))
  }

  end(): void {
    this.#ended = true
    this.#socket?.destroy()
  }
}
