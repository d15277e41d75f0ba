import type { Clock, Timer } from './clock.ts'
import { messageOf } from './errors.ts'
import { isVersions, type ProtocolVersions, UNSAID, versionGap } from './protocol-versions.ts'

/**
 * Requests and answers between the program's processes: one JSON object a line, over any stream.
 *
 *     -> {"id":1,"method":"status","params":{}}
 *     <- {"id":1,"result":{...}}        or  {"id":1,"error":{"code":"ENOENT","message":"..."}}
 *
 * The first request of a connection, and the answer to it, say which versions of the protocol each side
 * speaks (`"protocol":{"from":1,"to":2}`); a side that says nothing speaks version 1. Without a version
 * in common nothing is done and both are told which of them is older.
 *
 * Answers may come in any order. Whoever can open the stream may call: the socket's file mode, or the
 * TLS below it, is the access control.
 */

/** A stream of text in both directions. `platform/node` makes them of unix sockets, tests of pairs. */
export interface TextStream {
  send(text: string): void
  close(): void
  /** Set once, before anything arrives. `onClose` is called exactly once, after the last text. */
  handlers: { onText(text: string): void; onClose(): void }
}

export type RpcMethod = (params: unknown) => Promise<unknown>
export type RpcMethods = Readonly<Record<string, RpcMethod>>

/** An answer that is an error, as the caller sees it; a method throws one to choose the code. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** Octets of one request line; a longer one ends the connection. */
export const REQUEST_OCTETS_MAX = 1 << 20
/** Octets of one answer line. */
export const ANSWER_OCTETS_MAX = 1 << 28
/** Requests of one connection under way at once; more are refused. */
export const REQUESTS_AT_ONCE_MAX = 64

interface Answer {
  readonly id: number
  /** In the answer to a request that had one. */
  readonly protocol?: ProtocolVersions
  readonly result?: unknown
  /** `details` say more, where the method had more to say. */
  readonly error?: { readonly code: string; readonly message: string; readonly details?: string }
}

/** Splits text into lines, holding back the last unfinished one; false when that grows beyond `most`. */
function lineSplitter(most: number, onLine: (line: string) => void): (text: string) => boolean {
  let rest: string[] = []
  let held = 0
  return (text) => {
    let from = 0
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      const line = rest.length === 0 ? text.slice(from, to) : rest.join('') + text.slice(from, to)
      rest = []
      held = 0
      from = to + 1
      if (line.length > most) return false
      if (line !== '') onLine(line)
    }
    if (from < text.length) {
      rest.push(text.slice(from))
      held += text.length - from
    }
    return held <= most
  }
}

/** Answers the requests of one stream from a table of methods, in the versions of `protocol`. */
export function serveRpc(
  stream: TextStream,
  methods: RpcMethods,
  protocol: ProtocolVersions = UNSAID,
): void {
  let open = true
  let underWay = 0
  const answer = (value: Answer): void => {
    if (open) stream.send(`${JSON.stringify(value)}\n`)
  }
  const fail = (
    of: Pick<Answer, 'id' | 'protocol'>,
    code: string,
    message: string,
    details?: unknown,
  ): void => {
    const more = typeof details === 'string' ? { details } : {}
    answer({ ...of, error: { code, message, ...more } })
  }

  async function handle(line: string): Promise<void> {
    const request = parseRequest(line)
    if (request === undefined) {
      return fail(
        { id: 0 },
        'EBADMSG',
        'Expected a request {"id": number, "method": string, "params": …}',
      )
    }
    const theirs = protocol === UNSAID ? undefined : request.protocol
    const of = { id: request.id, ...(theirs === undefined ? {} : { protocol }) }
    const gap = theirs && versionGap(protocol, theirs, 'the one that asks')
    if (gap !== undefined) return fail(of, 'EPROTO', gap)
    const method = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined
    if (method === undefined) {
      const known = Object.keys(methods).join(', ')
      return fail(of, 'ENOSYS', `Unknown method "${request.method}"; known are ${known}`)
    }
    if (underWay >= REQUESTS_AT_ONCE_MAX) {
      return fail(of, 'EBUSY', `More than ${REQUESTS_AT_ONCE_MAX} requests at once`)
    }
    underWay++
    try {
      answer({ ...of, result: (await method(request.params)) ?? null })
    } catch (thrown) {
      const { code, details } = (thrown ?? {}) as { code?: unknown; details?: unknown }
      fail(of, typeof code === 'string' ? code : 'EIO', messageOf(thrown), details)
    } finally {
      underWay--
    }
  }

  const push = lineSplitter(REQUEST_OCTETS_MAX, (line) => void handle(line))
  stream.handlers = {
    onText(text) {
      if (push(text)) return
      fail({ id: 0 }, 'EMSGSIZE', `A request may have ${REQUEST_OCTETS_MAX} octets at most`)
      open = false
      stream.close()
    },
    onClose() {
      open = false
    },
  }
}

interface Request {
  readonly id: number
  readonly method: string
  readonly params: unknown
  readonly protocol?: ProtocolVersions
}

function parseRequest(line: string): Request | undefined {
  try {
    const value = JSON.parse(line) as Partial<Record<keyof Request, unknown>> | null
    if (typeof value?.id !== 'number' || typeof value.method !== 'string') return undefined
    const { id, method, params, protocol } = value
    return { id, method, params, ...(isVersions(protocol) ? { protocol } : {}) }
  } catch {
    return undefined
  }
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: RpcError): void
  readonly timer: Timer
}

/** The calling side of one stream. */
export class RpcClient {
  readonly #stream: TextStream
  readonly #clock: Clock
  readonly #peer: string
  readonly #protocol: ProtocolVersions
  /** What is in the way, once the other side has said its versions. */
  #gap: string | undefined
  #isAnswered = false
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #open = true

  /** @param peer what errors call the other side: "the agent of server01" */
  constructor(stream: TextStream, clock: Clock, peer: string, protocol = UNSAID) {
    this.#protocol = protocol
    this.#stream = stream
    this.#clock = clock
    this.#peer = peer
    const push = lineSplitter(ANSWER_OCTETS_MAX, (line) => this.#settle(line))
    stream.handlers = {
      onText: (text) => {
        if (!push(text)) this.close()
      },
      onClose: () => this.#end(),
    }
  }

  /**
   * Errors: {@link RpcError} with the code that the method chose, EPROTO when the two sides have no
   * version of the protocol in common, ENOTCONN when the connection is
   * gone, ETIMEDOUT after `timeoutMilliseconds` (10 s when absent).
   */
  call(method: string, params: unknown, timeoutMilliseconds = 10_000): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.#open) {
        reject(new RpcError('ENOTCONN', `The connection to ${this.#peer} is closed`))
        return
      }
      const id = this.#nextId++
      const timer = this.#clock.after(timeoutMilliseconds, () => {
        this.#waiting.delete(id)
        const seconds = timeoutMilliseconds / 1000
        reject(
          new RpcError('ETIMEDOUT', `No answer to ${method} from ${this.#peer} in ${seconds} s`),
        )
      })
      this.#waiting.set(id, { resolve, reject, timer })
      const said = this.#isAnswered || this.#protocol === UNSAID ? {} : { protocol: this.#protocol }
      this.#stream.send(`${JSON.stringify({ id, method, params, ...said })}\n`)
    })
  }

  #settle(line: string): void {
    let answer: Answer
    try {
      answer = JSON.parse(line) as Answer
    } catch {
      this.close()
      return
    }
    const waiting = this.#waiting.get(answer.id)
    if (waiting === undefined) return
    this.#waiting.delete(answer.id)
    waiting.timer.cancel()
    if (!this.#isAnswered) {
      this.#isAnswered = true
      const theirs = isVersions(answer.protocol) ? answer.protocol : UNSAID
      this.#gap = versionGap(this.#protocol, theirs, this.#peer)
    }
    if (this.#gap !== undefined) waiting.reject(new RpcError('EPROTO', this.#gap))
    else if (answer.error === undefined) waiting.resolve(answer.result)
    else waiting.reject(new RpcError(answer.error.code, answer.error.message))
  }

  #end(): void {
    this.#open = false
    for (const { reject, timer } of this.#waiting.values()) {
      timer.cancel()
      reject(new RpcError('ENOTCONN', `${this.#peer} closed the connection before it answered`))
    }
    this.#waiting.clear()
  }

  close(): void {
    if (!this.#open) return
    this.#end()
    this.#stream.close()
  }
}

/** Two ends of one stream in memory; what one sends the other receives in a later microtask. */
export function streamPair(): [TextStream, TextStream] {
  const ends = [end(), end()] as const
  function end(): TextStream {
    return { send() {}, close() {}, handlers: { onText() {}, onClose() {} } }
  }
  let open = true
  for (const [from, to] of [
    [ends[0], ends[1]],
    [ends[1], ends[0]],
  ] as const) {
    from.send = (text) => queueMicrotask(() => void (open && to.handlers.onText(text)))
    from.close = () =>
      queueMicrotask(() => {
        if (!open) return
        open = false
        from.handlers.onClose()
        to.handlers.onClose()
      })
  }
  return [ends[0], ends[1]]
}
