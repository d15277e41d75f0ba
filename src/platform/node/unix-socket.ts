import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { UserError } from '../../lib/errors.ts'
import type { Closable } from '../../lib/closable.ts'
import type { TextStream } from '../../lib/rpc.ts'

/** Connections at once to one socket; more are turned away. */
export const CONNECTIONS_MAX = 256
/** Octets of answers that a peer has not read; beyond it no more of its requests are taken. */
export const UNREAD_OCTETS_MAX = 1 << 20

function textStream(socket: Socket): TextStream {
  socket.setEncoding('utf8')
  const stream: TextStream = {
    send: (text) => void socket.write(text),
    // A peer that does not answer the end of the stream must not keep this process alive.
    close: () => socket.destroySoon(),
    handlers: { onText() {}, onClose() {} },
  }
  socket.on('data', (text) => stream.handlers.onText(String(text)))
  socket.on('error', () => {}) // 'close' follows, and says the same
  socket.on('close', () => stream.handlers.onClose())
  return stream
}

/** Takes no more requests of one who does not read the answers, until they have been read. */
function holdBack(socket: Socket, stream: TextStream): TextStream {
  const { send } = stream
  stream.send = (text) => {
    send(text)
    if (socket.writableLength > UNREAD_OCTETS_MAX) socket.pause()
  }
  socket.on('drain', () => socket.resume())
  return stream
}

/** Whether somebody answers at this socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/**
 * Listens on a unix socket that only its owner can open. A socket file that nobody answers at, left by
 * a killed process, is replaced; one that somebody answers at is an error.
 */
export async function listenUnix(
  path: string,
  onStream: (stream: TextStream) => void,
): Promise<Closable> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) {
    if (await answers(path)) throw new UserError(`Another process already serves ${path}`)
    unlinkSync(path)
  }
  const server = createServer((socket) => onStream(holdBack(socket, textStream(socket))))
  server.maxConnections = CONNECTIONS_MAX
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const mask = process.umask(0o177)
    server.listen(path, resolve)
    process.umask(mask)
  })
  chmodSync(path, 0o600)
  return { close: () => void server.close() }
}

/** Connects to a unix socket. Errors: those of connect(2), with the path. */
export function connectUnix(path: string): Promise<TextStream> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(textStream(socket))
    })
  })
}
