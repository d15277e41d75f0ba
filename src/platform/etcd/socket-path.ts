import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { UserError } from '../../lib/errors.ts'

/** Bytes of sun_path without the final zero, unix(7). */
const MOST_OCTETS = 107

/**
 * Makes a socket appear at `path` complete: `bind` is given another path in a directory that nobody
 * else can enter; the socket gets mode 0600 there and is then moved into place, over a stale one.
 *
 * Throws UserError if the path is too long or something answers there already.
 */
export async function placeSocket(
  path: string,
  bind: (path: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const bytes = Buffer.byteLength(join(folder, '.XXXXXXX/s'))
  if (Math.max(bytes, Buffer.byteLength(path)) > MOST_OCTETS) {
    throw new UserError(`socket path '${path}' is too long: expected at most ${MOST_OCTETS} octets`)
  }
  await demandUnserved(path)
  const hidden = mkdtempSync(`${folder}/.`) // join() would take the dot away
  try {
    const temporary = join(hidden, 's')
    await bind(temporary)
    chmodSync(temporary, 0o600)
    renameSync(temporary, path)
  } finally {
    rmSync(hidden, { recursive: true, force: true })
  }
}

/** Throws UserError if something answers at `path`. */
export async function demandUnserved(path: string): Promise<void> {
  if (await answers(path))
    throw new UserError(`socket '${path}' is already served by another process`)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const done = (connected: boolean): void => {
      socket.destroy()
      resolve(connected)
    }
    socket.once('connect', () => {
      done(true)
    })
    socket.once('error', () => {
      done(false)
    })
  })
}
