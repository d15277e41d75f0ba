import { type ChildProcess, execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../support/command.ts'
import { Namespaces } from '../support/namespaces.ts'
import { unpackedPeer } from '../support/peer-packages.ts'
import type { PeerContext, PeerDriver, PeerSession, PeerSetup, RunningPeer } from './peer.ts'

/**
 * Two namespaces joined by veth: the speaker under test in one, a peer in the other. Every session has
 * a network of its own on that link, so that one peer process holds sessions of all kinds at once.
 */
export class Testbed {
  readonly namespaces = new Namespaces('interop')
  readonly own: string
  readonly peer: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'tortie-interop-'))
  #runs = 0
  /** What the peer that was started last has written. */
  peerLog: () => string = () => ''

  constructor(sessions: readonly PeerSession[], more: readonly string[] = []) {
    this.own = this.namespaces.add('own')
    this.peer = this.namespaces.add('peer')
    const addresses = (end: 'local' | 'remote'): string[] => [
      ...new Set(sessions.map((one) => `${one[end]}/${one.family === 4 ? 24 : 64}`)),
    ]
    this.namespaces.join(
      { namespace: this.own, interface: 'eth0', addresses: [...addresses('remote'), ...more] },
      { namespace: this.peer, interface: 'eth0', addresses: addresses('local') },
    )
  }

  /** Starts a peer; `run` again after its `crash` starts it afresh. */
  run(driver: PeerDriver, setup: PeerSetup, namespace = this.peer): RunningPeer {
    const unpacked = unpackedPeer(driver.package)
    if ('missing' in unpacked) throw new Error(unpacked.missing)
    const folder = join(this.#folder, `${driver.package}-${this.#runs++}`)
    mkdirSync(folder)
    return driver.start(setup, this.#context(folder, unpacked.root, namespace))
  }

  /** Stops the peer's processes dead, or lets them go on: its connections stay, it says nothing. */
  freeze(frozen: boolean): void {
    for (const pid of this.namespaces.pids(this.peer)) {
      process.kill(pid, frozen ? 'SIGSTOP' : 'SIGCONT')
    }
  }

  close(): void {
    this.namespaces.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #context(folder: string, root: string, namespace: string): PeerContext {
    const children: ChildProcess[] = []
    const log = (): string =>
      readdirSync(folder)
        .filter((name) => name.endsWith('.log'))
        .map((name) => readFileSync(join(folder, name), 'utf8'))
        .join('\n')
    this.peerLog = log
    return {
      namespace,
      folder,
      root,
      start: ([program, ...args], env) => {
        const output = openSync(join(folder, `${children.length}.log`), 'w')
        const stdio = ['ignore', output, output] as const
        children.push(
          this.namespaces.spawn(namespace, program!, args, { env, cwd: folder, stdio: [...stdio] }),
        )
      },
      control: (program, env) => controlled(namespace, program, env),
      log,
      killAll: async () => {
        for (const pid of this.namespaces.pids(namespace)) {
          try {
            process.kill(pid, 'SIGKILL')
          } catch {
            // It ended by itself in between.
          }
        }
        await eventually(
          'the end of the peer',
          10,
          () => this.namespaces.pids(namespace).length === 0,
        )
      },
    }
  }
}

function controlled(
  namespace: string,
  program: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const args = [`--net=/run/netns/${namespace}`, '--', ...program]
  return new Promise((resolve, reject) => {
    execFile('nsenter', args, { env, timeout: 10_000, maxBuffer: 64 << 20 }, (error, out, err) => {
      if (error === null) resolve(out)
      else reject(new Error(`${program.join(' ')}: ${err.trim() || out.trim() || error.message}`))
    })
  })
}
