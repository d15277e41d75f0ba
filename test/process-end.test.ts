import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Running, TortieProcesses } from './support/tortie-process.ts'

/** A process is alive or gone: how each of the long-running ones starts, fails to, and ends. */
const canRun = process.platform === 'linux' && process.getuid?.() === 0
if (!canRun) console.warn('skipped: agents as processes need Linux and root')

const processes = new TortieProcesses()

describe.skipIf(!canRun)('a process', () => {
  let folder: string
  let socket: string

  beforeAll(() => processes.build())
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tortie-end-'))
    socket = join(folder, 'agent.sock')
  })
  afterEach(() => {
    processes.killAll()
    rmSync(folder, { recursive: true })
  })
  afterAll(() => processes.remove())

  /** An agent of a node that no datastore knows: it touches nothing of this machine. */
  const agent = (store: string): Running =>
    processes.run(
      'agent',
      '--node=nobody',
      `--store=${store}`,
      `--socket=${socket}`,
      `--state-dir=${folder}`,
    )

  const answersStatus = async ({ child, done }: Running): Promise<unknown> => {
    while (child.exitCode === null) {
      try {
        return await ask(socket)
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    throw new Error(`The agent ended: ${(await done).err}`)
  }

  const UNFINISHED = {
    network: 'net',
    containerId: 'c1',
    networkNamespace: '/run/netns/never-was',
    interfaceName: 'eth0',
    hostInterfaceName: 'calinever0000',
    orchestrator: 'k8s',
    namespace: 'default',
    pod: 'web-',
    labels: {},
    addresses: [],
    mtu: 1500,
    state: 'adding',
  }

  it.each([
    ['that is away', () => ({ address: `unix:${folder}/none.sock`, close() {} })],
    [
      'that hangs',
      () => {
        const path = join(folder, 'hangs.sock')
        const server = createServer(() => {}).listen(path)
        return { address: `unix:${path}`, close: () => server.close() }
      },
    ],
  ])('serves its socket and ends in a second with a datastore %s', async (_, open) => {
    const { address, close } = open()
    mkdirSync(join(folder, 'attachments'))
    const record = (name: string, text: string): void =>
      writeFileSync(join(folder, 'attachments', name), text)
    record('c1-eth0.json', JSON.stringify(UNFINISHED))
    record('c2-eth0.json', 'null')
    record('c3-eth0.json', '')
    const running = agent(address)
    const { child, done } = running
    expect(await answersStatus(running)).toMatchObject({ notReady: expect.any(String) })
    child.kill('SIGTERM')
    const { status, err } = await done
    close()
    expect(status).toBe(0)
    expect(err.match(/Set aside an unreadable file/g)).toHaveLength(2)
  })

  it('ends with one line when another serves its socket', async () => {
    const first = agent(`unix:${folder}/none.sock`)
    await answersStatus(first)
    const second = await agent(`unix:${folder}/none.sock`).done
    expect(second.status).toBe(1)
    expect(second.err).toBe(`tortie: Another process already serves ${socket}\n`)
    expect(first.child.exitCode).toBeNull()
  })

  it('ends with one line when a store cannot be served', async () => {
    const { status, err } = await processes.run('store', '--socket', '/dev/null/x.sock').done
    expect(status).toBe(1)
    expect(err).toMatch(/^tortie: .*\n$/)
  })

  it('ends as a store in a second', async () => {
    const { child, done } = processes.run('store', '--socket', join(folder, 's.sock'))
    await new Promise<void>((resolve) => child.stderr!.once('data', () => resolve()))
    child.kill('SIGTERM')
    expect((await done).status).toBe(0)
  })
})

function ask(path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.on('error', reject)
    socket.on('data', (text) => {
      socket.destroy()
      resolve((JSON.parse(String(text)) as { result: unknown }).result)
    })
    socket.write('{"id":1,"method":"status","params":{}}\n')
  })
}
