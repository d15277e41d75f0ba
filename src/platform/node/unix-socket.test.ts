import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Closable } from '../../lib/closable.ts'
import { REQUESTS_AT_ONCE_MAX, RpcClient, serveRpc } from '../../lib/rpc.ts'
import { systemClock } from './clock.ts'
import { CONNECTIONS_MAX, connectUnix, listenUnix, UNREAD_OCTETS_MAX } from './unix-socket.ts'

const ANSWER = 'x'.repeat(64 * 1024)

describe('a unix socket that is served', () => {
  let folder: string
  let path: string
  let server: Closable
  let answered: number
  const sockets: Socket[] = []

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tortie-socket-'))
    path = join(folder, 's.sock')
    answered = 0
    server = await listenUnix(path, (stream) =>
      serveRpc(stream, {
        big: async () => {
          answered++
          return ANSWER
        },
      }),
    )
  })
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy()
    server.close()
    rmSync(folder, { recursive: true })
  })

  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = createConnection(path, () => resolve(socket))
      socket.on('error', reject)
      sockets.push(socket)
    })

  /** Requests that one sends who never reads an answer, until nothing more of them is taken. */
  async function sendWithoutReading(socket: Socket): Promise<number> {
    socket.pause()
    let sent = 0
    for (let quiet = 0; quiet < 20;) {
      const before = answered
      if (socket.writableLength < 1 << 16) {
        for (let n = 0; n < 50; n++) socket.write(`{"id":${++sent},"method":"big"}\n`)
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
      quiet = answered === before ? quiet + 1 : 0
    }
    return sent
  }

  it('holds back one who does not read, and serves others and him when he reads', async () => {
    const socket = await open()
    const sent = await sendWithoutReading(socket)
    // What the limit, one chunk of requests and the kernel's buffers hold; not what was asked for.
    const most = UNREAD_OCTETS_MAX / ANSWER.length + REQUESTS_AT_ONCE_MAX * 20
    expect(answered).toBeLessThan(most)
    expect(sent).toBeGreaterThan(answered)

    const other = new RpcClient(await connectUnix(path), systemClock, 'the server')
    expect(await other.call('big', {})).toBe(ANSWER)
    other.close()

    let lines = 0
    await new Promise<void>((resolve) => {
      socket.setEncoding('utf8').on('data', (text) => {
        lines += String(text).split('\n').length - 1
        if (lines === sent) resolve()
      })
      socket.resume()
    })
    expect(lines).toBe(sent)
  })

  it('turns away those beyond its number of connections', async () => {
    for (let n = 0; n < CONNECTIONS_MAX; n++) await open()
    const beyond = await open()
    await new Promise<void>((resolve) => beyond.once('close', () => resolve()))
    sockets.shift()!.destroy()
    const late = await open()
    late.write('{"id":1,"method":"big"}\n')
    await new Promise<void>((resolve) => late.once('data', () => resolve()))
    expect(answered).toBe(1)
  })
})
