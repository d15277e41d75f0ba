import type { Libc } from '../process/libc.ts'

const HEADER_OCTETS = 56
const CONTROL_OCTETS = 512
const CONTROL_HEADER = 16
const NAME_OCTETS = 128
/** linux/socket.h */
const MSG_TRUNC = 0x20

/** One ancillary value that came with a message. */
export interface Control {
  readonly level: number
  readonly type: number
  readonly value: Buffer
}

/**
 * recvmsg(2) with memory of its own that every call fills anew: payload, the sender's address and what
 * the kernel says beside it. Layouts are those of 64-bit Linux.
 */
export class MessageReceiver {
  readonly #libc: Libc
  readonly #header = Buffer.allocUnsafeSlow(HEADER_OCTETS).fill(0)
  readonly #vector = Buffer.allocUnsafeSlow(16)
  readonly #control = Buffer.allocUnsafeSlow(CONTROL_OCTETS)
  readonly payload: Buffer
  readonly from = Buffer.allocUnsafeSlow(NAME_OCTETS)

  constructor(libc: Libc, payloadOctets: number) {
    this.#libc = libc
    this.payload = Buffer.allocUnsafeSlow(payloadOctets)
    this.#vector.writeBigUInt64LE(libc.addressOf(this.payload), 0)
    this.#vector.writeBigUInt64LE(BigInt(payloadOctets), 8)
    this.#header.writeBigUInt64LE(libc.addressOf(this.from), 0)
    this.#header.writeBigUInt64LE(libc.addressOf(this.#vector), 16)
    this.#header.writeBigUInt64LE(1n, 24)
    this.#header.writeBigUInt64LE(libc.addressOf(this.#control), 32)
  }

  /** Length of the message (more than the payload's room if it was cut), or an errno made negative. */
  receive(fd: number): number {
    this.#header.writeUInt32LE(NAME_OCTETS, 8)
    this.#header.writeBigUInt64LE(BigInt(CONTROL_OCTETS), 40)
    return this.#libc.receiveMessage(fd, this.#header, MSG_TRUNC)
  }

  *controls(): Generator<Control> {
    const end = Number(this.#header.readBigUInt64LE(40))
    for (let at = 0; at + CONTROL_HEADER <= end;) {
      const length = Number(this.#control.readBigUInt64LE(at))
      if (length < CONTROL_HEADER || at + length > end) return
      yield {
        level: this.#control.readInt32LE(at + 8),
        type: this.#control.readInt32LE(at + 12),
        value: this.#control.subarray(at + CONTROL_HEADER, at + length),
      }
      at += (length + 7) & ~7
    }
  }
}
