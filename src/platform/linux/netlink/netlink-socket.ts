import { ByteWriter } from '../../../lib/bytes.ts'
import { type Log, silentLog } from '../../../lib/log.ts'
import { KernelError } from '../../../kernel/kernel.ts'
import {
  type Acknowledgement,
  decodeDone,
  decodeError,
  eachMessage,
  encodeNetlinkMessage,
  type NetlinkMessage,
  NLM_F,
  NLMSG,
} from '../../../wire/netlink/message.ts'
import { ERRNO, errnoName } from '../process/errno.ts'
import { checked, type Libc } from '../process/libc.ts'
import { int } from '../sockets/socket-options.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3
const SOCK_CLOEXEC = 0o2_000_000
/** Protocols of netlink (linux/netlink.h). */
export const NETLINK = { route: 0, netfilter: 12 } as const
const SOL_NETLINK = 270
/** Options of SOL_NETLINK (linux/netlink.h): errors do not copy the request, but explain themselves. */
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
/** Dumps heed what the request says and refuse what they do not know. Linux 4.20. */
const NETLINK_GET_STRICT_CHK = 12
const SOL_SOCKET = 1
const SO_RCVTIMEO = 20
/** Beyond what the system allows by default; needs CAP_NET_ADMIN. */
const SO_SNDBUFFORCE = 32
const MSG_TRUNC = 0x20

/** A dump that was overtaken by a change is asked for again, so often at most. */
const DUMP_ATTEMPTS = 100
/** The kernel fills at most 32 KiB of a dump at a time; one message of a link can be longer. */
const RECEIVE_OCTETS = 256 * 1024
/** The kernel answers within the call; this keeps a defect from stopping the process for good. */
const RECEIVE_TIMEOUT_SECONDS = 10

export interface NetlinkRequest {
  readonly type: number
  readonly flags?: number
  readonly body: (to: ByteWriter) => void
  /** For errors: "Add route 10.0.0.0/24 on server01". Called only when one is thrown. */
  readonly what: () => string
}

/**
 * Requests to rtnetlink, one at a time and synchronous: the kernel works a request off inside the
 * sending system call, so an answer is there as soon as that returns.
 */
export class NetlinkSocket {
  readonly #libc: Libc
  readonly #fd: number
  readonly #log: Log
  readonly #request = new ByteWriter(8192)
  readonly #answer = Buffer.allocUnsafeSlow(RECEIVE_OCTETS)
  #sequence = 0

  /** Must be called inside the namespace to speak to. */
  constructor(libc: Libc, protocol: number = NETLINK.route, log: Log = silentLog) {
    this.#libc = libc
    this.#log = log
    const type = SOCK_RAW | SOCK_CLOEXEC
    this.#fd = checked('Open a netlink socket', libc.socket(AF_NETLINK, type, protocol))
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      libc.setOption(this.#fd, SOL_NETLINK, option, int(1)) // What an old kernel lacks is a help only.
    }
    libc.setOption(this.#fd, SOL_SOCKET, SO_RCVTIMEO, seconds(RECEIVE_TIMEOUT_SECONDS))
  }

  /** Has the kernel do something. Throws KernelError with the kernel's explanation. */
  execute(request: NetlinkRequest): void {
    const sequence = this.#send(request, NLM_F.acknowledge)
    for (;;) {
      for (const message of this.#receive(request)) {
        if (message.sequence === sequence && message.type === NLMSG.error) {
          this.#heed(request, decodeError(message))
          return
        }
      }
    }
  }

  /** Asks for one thing. */
  ask<Value>(request: NetlinkRequest, decode: (message: NetlinkMessage) => Value): Value {
    const sequence = this.#send(request, 0)
    for (;;) {
      for (const message of this.#receive(request)) {
        if (message.sequence !== sequence) continue
        if (message.type !== NLMSG.error) return decode(message)
        this.#heed(request, decodeError(message))
      }
    }
  }

  /** Asks for all of a kind; again if the kernel says that it changed meanwhile. */
  dump<Value>(request: NetlinkRequest, decode: (message: NetlinkMessage) => Value): Value[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const values = this.#dumpOnce(request, decode)
      if (values !== undefined) return values
    }
    throw new KernelError(
      'EAGAIN',
      `${request.what()}: the list changed during each of ${DUMP_ATTEMPTS} attempts to read it`,
    )
  }

  #dumpOnce<Value>(
    request: NetlinkRequest,
    decode: (message: NetlinkMessage) => Value,
  ): Value[] | undefined {
    const values: Value[] = []
    let interrupted = false
    const sequence = this.#send(request, NLM_F.dump)
    for (;;) {
      for (const message of this.#receive(request)) {
        if (message.sequence !== sequence) continue
        interrupted ||= (message.flags & NLM_F.dumpInterrupted) !== 0
        if (message.type === NLMSG.error) this.#heed(request, decodeError(message))
        else if (message.type !== NLMSG.done) values.push(decode(message))
        else {
          this.#heed(request, decodeDone(message))
          return interrupted ? undefined : values
        }
      }
    }
  }

  /**
   * Sends messages as one datagram, of which the kernel does everything or nothing. The first and the
   * last say where the transaction begins and ends, and are not answered (nfnetlink_rcv_batch).
   */
  transact(what: () => string, messages: readonly Omit<NetlinkRequest, 'what'>[]): void {
    const to = new ByteWriter(64 * 1024)
    const first = this.#sequence + 1
    for (const [index, message] of messages.entries()) {
      this.#sequence = (this.#sequence + 1) >>> 0
      const flags = index === messages.length - 2 ? NLM_F.acknowledge : 0
      const { type } = message
      const header = {
        type,
        flags: NLM_F.request | flags | (message.flags ?? 0),
        sequence: this.#sequence,
      }
      encodeNetlinkMessage(to, header, message.body)
    }
    const octets = to.view()
    this.#libc.setOption(this.#fd, SOL_SOCKET, SO_SNDBUFFORCE, int(octets.length * 2))
    if (this.#log.topics.netlink) this.#tell({ type: messages[0]?.type ?? 0, what }, octets.length)
    checked(what, this.#libc.send(this.#fd, octets, 0))
    const last = this.#sequence - 1
    const asked = { type: 0, body: () => {}, what }
    // Messages that failed are answered in their order, before the one that asks for an answer.
    for (;;) {
      for (const message of this.#receive(asked)) {
        if (message.type !== NLMSG.error || message.sequence < first) continue
        this.#heed(asked, decodeError(message))
        if (message.sequence >= last) return
      }
    }
  }

  #send(request: NetlinkRequest, flags: number): number {
    this.#sequence = (this.#sequence + 1) >>> 0
    this.#request.reset()
    const header = {
      type: request.type,
      flags: NLM_F.request | flags | (request.flags ?? 0),
      sequence: this.#sequence,
    }
    encodeNetlinkMessage(this.#request, header, request.body)
    if (this.#log.topics.netlink) this.#tell(request, this.#request.length)
    checked(request.what, this.#libc.send(this.#fd, this.#request.view(), 0))
    return this.#sequence
  }

  /** The messages of the next datagram; they lie in memory that the next call overwrites. */
  #receive(request: NetlinkRequest): Iterable<NetlinkMessage> {
    for (;;) {
      const length = this.#libc.receive(this.#fd, this.#answer, MSG_TRUNC)
      if (length === -ERRNO.EINTR) continue
      checked(() => `${request.what()}: waiting for the kernel's answer`, length)
      if (length > this.#answer.length) {
        throw new KernelError('EMSGSIZE', `${request.what()}: an answer of ${length} octets`)
      }
      return eachMessage(this.#answer.subarray(0, length))
    }
  }

  #tell({ type, what }: Pick<NetlinkRequest, 'type' | 'what'>, octets: number): void {
    this.#log.tell('netlink', 'Request to the kernel', { request: what(), type, octets })
  }

  /** Goes on after a good acknowledgement, throws what another says. */
  #heed(request: NetlinkRequest, acknowledgement: Acknowledgement): void {
    if (acknowledgement.errno === 0) return
    const error = refusal(request, acknowledgement)
    if (this.#log.topics.netlink) {
      const fields = { request: request.what(), type: request.type, errno: error.code }
      this.#log.tell('netlink', 'Refused by the kernel', { ...fields, error: error.message })
    }
    throw error
  }

  close(): void {
    this.#libc.close(this.#fd)
  }
}

function refusal(request: NetlinkRequest, { errno, message }: Acknowledgement): KernelError {
  const explanation = message === undefined ? '' : `: ${message.replace(/^Error: |\.$/g, '')}`
  return new KernelError(errnoName(errno), `${request.what()}${explanation}`)
}

/** A struct timeval of whole seconds. */
function seconds(value: number): Uint8Array {
  const octets = Buffer.alloc(16)
  octets.writeBigInt64LE(BigInt(value))
  return octets
}
