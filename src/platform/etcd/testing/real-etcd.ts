import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Debian's etcd on loopback, data in a directory of its own. */
export interface RealEtcd {
  readonly endpoint: string
  readonly process: ChildProcess
  stop(): Promise<void>
}

/** Undefined where a program of that name cannot be run. */
export function programVersion(program: string, argument: string): string | undefined {
  try {
    return execFileSync(program, [argument], {
      encoding: 'utf8',
      stdio: 'pipe',
      env: { ...process.env, ETCDCTL_API: '3' },
    })
  } catch {
    return undefined
  }
}

export async function startEtcd(): Promise<RealEtcd> {
  const folder = mkdtempSync(join(tmpdir(), 'tortie-etcd-'))
  const [clientPort, peerPort] = [await freePort(), await freePort()]
  const [client, peer] = [`http://127.0.0.1:${clientPort}`, `http://127.0.0.1:${peerPort}`]
  const child = spawn(
    'etcd',
    [
      '--data-dir',
      folder,
      '--name',
      'test',
      '--listen-client-urls',
      client,
      '--advertise-client-urls',
      client,
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--initial-cluster',
      `test=${peer}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve()
    })
  })
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  let log = ''
  const ready = new Promise<boolean>((resolve) => {
    child.stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4000)
      if (
        log.includes('ready to serve client requests') ||
        log.includes('serving insecure client requests')
      )
        resolve(true)
    })
    void exited.then(() => {
      resolve(false)
    })
  })
  if (await ready) return { endpoint: client, process: child, stop }
  await stop()
  throw new Error(`etcd did not start: ${log}`)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0)
      })
    })
  })
}
