import type { Clock, Timer } from './clock.ts'
import { messageOf } from './errors.ts'

/**
 * Requests and answers between the program's processes: one JSON object a line, over any stream.
 *
 *     -> {"id":1,"method":"status","params":{}}
 *     <- {"id":1,"result":{...}}        or  {"id":1,"error":{"code":"ENOENT","message":"..."}}
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
  readonly result?: unknown
  readonly error?: { readonly code: string; readonly message: string }
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

/** Answers the requests of one stream from a table of methods. */
export function serveRpc(stream: TextStream, methods: RpcMethods): void {
  let open = true
  let underWay = 0
  const answer = (value: Answer): void => {
    if (open) stream.send(`${JSON.stringify(value)}\n`)
  }
  const fail = (id: number, code: string, message: string): void =>
    answer({ id, error: { code, message } })

  async function handle(line: string): Promise<void> {
    const request = parseRequest(line)
    if (request === undefined) {
      return fail(0, 'EBADMSG', 'Expected a request {"id": number, "method": string, "params": …}')
    }
    const method = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined
    if (method === undefined) {
      const known = Object.keys(methods).join(', ')
      return fail(request.id, 'ENOSYS', `Unknown method "${request.method}"; known are ${known}`)
    }
    if (underWay >= REQUESTS_AT_ONCE_MAX) {
      return fail(request.id, 'EBUSY', `More than ${REQUESTS_AT_ONCE_MAX} requests at once`)
    }
    underWay++
    try {
      answer({ id: request.id, result: (await method(request.params)) ?? null })
    } catch (thrown) {
      const code = (thrown as { code?: unknown }).code
      fail(request.id, typeof code === 'string' ? code : 'EIO', messageOf(thrown))
    } finally {
      underWay--
    }
  }

  const push = lineSplitter(REQUEST_OCTETS_MAX, (line) => void handle(line))
  stream.handlers = {
    onText(text) {
      if (push(text)) return
      fail(0, 'EMSGSIZE', `A request may have ${REQUEST_OCTETS_MAX} octets at most`)
      open = false
      stream.close()
    },
    onClose() {
      open = false
    },
  }
}

function parseRequest(line: string): { id: number; method: string; params: unknown } | undefined {
  try {
    const value = JSON.parse(line) as { id?: unknown; method?: unknown; params?: unknown } | null
    if (typeof value?.id !== 'number' || typeof value.method !== 'string') return undefined
    return { id: value.id, method: value.method, params: value.params }
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
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #open = true

  /** @param peer what errors call the other side: "agent of server01" */
  constructor(stream: TextStream, clock: Clock, peer: string) {
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
   * Errors: {@link RpcError} with the code that the method chose, ENOTCONN when the connection is
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
      this.#stream.send(`${JSON.stringify({ id, method, params })}\n`)
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
    if (answer.error === undefined) waiting.resolve(answer.result)
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
