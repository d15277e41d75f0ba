import { ByteWriter } from '../../lib/bytes.ts'

/** https://www.tcpdump.org/linktypes.html */
export const LINK_TYPE = {
  ethernet: 1,
  /** Begins with the IPv4 or IPv6 header, told apart by the version. */
  raw: 101,
} as const

const BLOCK = { sectionHeader: 0x0a0d0d0a, interface: 1, enhancedPacket: 6 } as const
const OPTION = { end: 0, comment: 1, name: 2, description: 3, timeResolution: 9, flags: 2 } as const

export interface PcapngInterface {
  /** if_name: "server01:ens33". */
  readonly name: string
  readonly description?: string
  readonly linkType: number
  /** 0 means no limit. */
  readonly snapOctets?: number
}

export interface PcapngPacket {
  /** Number of the interface, in the order in which they were added, from 0. */
  readonly interface: number
  /** Since 1970-01-01 UTC. */
  readonly atNanoseconds: bigint
  readonly octets: Uint8Array
  /** Before cutting; the length of `octets` when absent. */
  readonly length?: number
  readonly direction?: 'in' | 'out'
  /** Shown by Wireshark beside the packet. */
  readonly comment?: string
}

/**
 * Writes one pcapng section (draft-ietf-opsawg-pcapng) into memory. All interfaces count time in
 * nanoseconds. Little-endian, as almost every file is.
 */
export class PcapngWriter {
  readonly #out = new ByteWriter(64 * 1024)
  #interfaces = 0

  constructor(application = 'tortie', comment?: string) {
    this.#block(BLOCK.sectionHeader, () => {
      this.#out.u32le(0x1a2b3c4d)
      this.#out.u16le(1)
      this.#out.u16le(0)
      this.#out.u64le(0xffffffffffffffffn) // section length not given
      if (comment !== undefined) this.#textOption(OPTION.comment, comment)
      this.#textOption(4, application) // shb_userappl
      this.#option(OPTION.end, new Uint8Array(0))
    })
  }

  /** Declares an interface and answers its number. */
  addInterface(description: PcapngInterface): number {
    this.#block(BLOCK.interface, () => {
      this.#out.u16le(description.linkType)
      this.#out.u16le(0)
      this.#out.u32le(description.snapOctets ?? 0)
      this.#textOption(OPTION.name, description.name)
      if (description.description !== undefined) {
        this.#textOption(OPTION.description, description.description)
      }
      this.#option(OPTION.timeResolution, Uint8Array.of(9)) // 10^-9 seconds
      this.#option(OPTION.end, new Uint8Array(0))
    })
    return this.#interfaces++
  }

  addPacket(packet: PcapngPacket): void {
    if (packet.interface >= this.#interfaces) {
      throw new RangeError(
        `Expected one of ${this.#interfaces} interfaces, found number ${packet.interface}`,
      )
    }
    this.#block(BLOCK.enhancedPacket, () => {
      this.#out.u32le(packet.interface)
      this.#out.u32le(Number((packet.atNanoseconds >> 32n) & 0xffffffffn))
      this.#out.u32le(Number(packet.atNanoseconds & 0xffffffffn))
      this.#out.u32le(packet.octets.length)
      this.#out.u32le(packet.length ?? packet.octets.length)
      this.#padded(packet.octets)
      if (packet.comment !== undefined) this.#textOption(OPTION.comment, packet.comment)
      if (packet.direction !== undefined) {
        this.#option(OPTION.flags, Uint8Array.of(packet.direction === 'in' ? 1 : 2, 0, 0, 0))
      }
      this.#option(OPTION.end, new Uint8Array(0))
    })
  }

  /** The whole file so far. */
  take(): Uint8Array {
    return this.#out.take()
  }

  #block(type: number, body: () => void): void {
    const start = this.#out.length
    this.#out.u32le(type)
    this.#out.u32le(0)
    body()
    const length = this.#out.length - start + 4
    this.#out.u32le(length)
    this.#out.patch32le(start + 4, length)
  }

  #option(code: number, value: Uint8Array): void {
    this.#out.u16le(code)
    this.#out.u16le(value.length)
    this.#padded(value)
  }

  #textOption(code: number, text: string): void {
    this.#option(code, new TextEncoder().encode(text).subarray(0, 0xffff))
  }

  #padded(value: Uint8Array): void {
    this.#out.bytes(value)
    this.#out.zeros((4 - (value.length % 4)) % 4)
  }
}
