import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ip } from '../src/net/ip-address.ts'
import { SeededRandom } from '../src/lib/random.ts'
import { Framer } from '../src/wire/bgp/framer.ts'
import { MESSAGE_TYPE } from '../src/wire/bgp/iana.ts'
import { encodeMessage, messageType } from '../src/wire/bgp/message.ts'
import { scanUpdate } from '../src/wire/bgp/scan-update.ts'
import { SESSION } from '../src/wire/bgp/testing/goldens.ts'
import { encodeAttributeBlock } from '../src/wire/bgp/update.ts'
import { UpdateScan } from '../src/wire/bgp/update-scan.ts'
import { UpdateWriter } from '../src/wire/bgp/update-writer.ts'
import { eventually } from './support/command.ts'
import { ownLoopback, TortieProcesses } from './support/tortie-process.ts'

/*
 * One daemon, real TCP: a feeder floods it, a reader is to get all of it, and beside them one neighbor
 * never reads, one sends garbage and comes back, one never says anything.
 */
const isLinux = process.platform === 'linux'
if (!isLinux) console.warn('skipped: bgpd as a process needs Linux')

const ROUTES = 100_000
const { net, port } = ownLoopback()
const HOSTS = { feeder: 2, reader: 3, deaf: 4, garbler: 5, mute: 6 } as const
type Name = keyof typeof HOSTS

const processes = new TortieProcesses()
const files = mkdtempSync(join(tmpdir(), 'tortie-bgpd-bad-'))
const sockets = new Set<Socket>()
beforeAll(() => (isLinux ? processes.build() : undefined))
afterAll(() => {
  for (const socket of sockets) socket.destroy()
  processes.remove()
  rmSync(files, { recursive: true })
})

function dial(name: Name): Socket {
  const socket = connect({ host: `${net}.1`, port, localAddress: `${net}.${HOSTS[name]}` })
  socket.on('error', () => {}) // what becomes of it is seen elsewhere
  sockets.add(socket)
  return socket
}

const open = (name: Name): Uint8Array =>
  Buffer.concat([
    encodeMessage(
      {
        kind: 'open',
        asn: 65000 + HOSTS[name],
        holdTimeSeconds: 240,
        bgpIdentifier: ip(`10.0.0.${HOSTS[name]}`),
        capabilities: [
          { kind: 'multiprotocol', afi: 1, safi: 1 },
          { kind: 'fourOctetAs', asn: 65000 + HOSTS[name] },
        ],
      },
      SESSION,
    ),
    encodeMessage({ kind: 'keepalive' }, SESSION),
  ])

function flood(): Uint8Array {
  const writer = new UpdateWriter({})
  for (let n = 0; n < ROUTES; n += 5) {
    const asPath = [{ kind: 'sequence', asns: [65000 + HOSTS.feeder, 100_000 + n] }] as const
    const block = encodeAttributeBlock({ origin: 0, asPath, nextHop: ip(`${net}.${HOSTS.feeder}`) })
    writer.beginAnnounce(4, block, 0, block.length)
    for (let m = n; m < n + 5; m++) writer.add4(0x14000000 + m * 256, 24, 0)
    writer.end()
  }
  return writer.take()
}

/** Reads and counts the routes that are announced. */
function reader(): { readonly routes: () => number } {
  let routes = 0
  const scan = new UpdateScan()
  const framer = new Framer((octets, start, end) => {
    if (messageType(octets, start) === MESSAGE_TYPE.update) {
      scanUpdate(octets, start, end, { ...SESSION, internal: false }, scan)
      routes += scan.announced.count
    }
    return true
  })
  framer.messageOctetsMax = 65535
  const socket = dial('reader')
  socket.write(open('reader'))
  socket.on('data', (octets) => framer.push(octets))
  return { routes: () => routes }
}

/** Comes, sends what is no BGP, and comes again as soon as it is thrown out. */
function garbler(): { readonly turns: () => number; stop(): void } {
  const random = new SeededRandom(1)
  let turns = 0
  let isOver = false
  const again = (): void => {
    if (isOver) return
    const socket = dial('garbler')
    socket.on('connect', () => {
      turns++
      if (turns % 2 === 0) socket.write(open('garbler'))
      socket.write(random.bytes(5_000))
    })
    socket.resume()
    socket.on('close', () => {
      sockets.delete(socket)
      setTimeout(again, 20)
    })
  }
  again()
  return {
    turns: () => turns,
    stop: () => {
      isOver = true
    },
  }
}

const residentMegabytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

describe.skipIf(!isLinux)('bgpd among bad neighbors', () => {
  it(
    'gives the good one everything while others flood, do not read, and send garbage',
    { timeout: 240_000 },
    async () => {
      const path = join(files, 'bgpd.yaml')
      const control = join(files, 'bgpd.sock')
      const neighbors = Object.values(HOSTS).map(
        (host) =>
          `  - { address: ${net}.${host}, remoteAs: ${65000 + host}, passive: true, import: accept, export: accept }`,
      )
      writeFileSync(
        path,
        `localAs: 65001\nrouterId: 10.0.0.1\nlisten: [{ address: ${net}.1, port: ${port} }]\ncontrol: ${control}\n` +
          `historyPerRoute: 0\nneighbors:\n${neighbors.join('\n')}\n`,
      )
      const daemon = processes.run('bgpd', '--config', path)
      const states = async (): Promise<Record<string, string>> => {
        const asked = await processes.run('bgp', 'neighbors', '--socket', control, '--json').done
        if (asked.status !== 0) return {}
        const list = JSON.parse(asked.out) as { address: string; state: string }[]
        return Object.fromEntries(list.map(({ address, state }) => [address.split('.')[3], state]))
      }
      await eventually('the daemon', 60, async () => Object.keys(await states()).length > 0)

      const garbage = garbler()
      dial('mute').resume()
      const deaf = dial('deaf')
      deaf.pause()
      deaf.write(open('deaf'))
      const read = reader()
      const feeder = dial('feeder')
      feeder.resume()
      feeder.write(open('feeder'))
      await eventually('three sessions', 60, async () => {
        const found = await states()
        return [2, 3, 4].every((host) => found[host] === 'Established')
      })
      feeder.write(flood())
      const explain = (): string => `${read.routes()} routes read`
      await eventually('all routes at the reader', 90, () => read.routes() >= ROUTES, explain)

      expect(read.routes()).toBe(ROUTES)
      expect(await states()).toMatchObject({ 2: 'Established', 3: 'Established', 4: 'Established' })
      expect(residentMegabytes(daemon.child.pid!)).toBeLessThan(400)
      await eventually('garbage, several times', 20, () => garbage.turns() >= 3)
      garbage.stop()
      daemon.child.kill('SIGTERM')
      expect((await daemon.done).status).toBe(0)
    },
  )
})
