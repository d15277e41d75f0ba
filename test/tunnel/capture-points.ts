import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IpAddress } from '../../src/net/ip-address.ts'
import type { LinuxKernel } from '../../src/platform/linux/linux-kernel.ts'
import { eventually } from '../support/command.ts'
import { exchange } from './exchange.ts'
import { type PacketRow, packetRow } from './packet-row.ts'
import { capture, isBetweenPods } from './sightings.ts'
import type { World } from './world.ts'

/** Where a packet passes from pod to pod, in order, as files are named: "near-tunl0.pcap". */
export const WITNESS_POINTS = [
  'near-pod',
  'near-cali',
  'near-tunl0',
  'near-ens33',
  'router-eth1',
  'router-eth2',
  'far-ens33',
  'far-tunl0',
  'far-cali',
  'far-pod',
] as const
export type WitnessPoint = (typeof WITNESS_POINTS)[number]

/** What our captures read at each point. */
export type OurReading = Readonly<Record<WitnessPoint, readonly PacketRow[]>>

/** Data of the last ping: who has seen it both ways has seen all. */
const MARK = 'feedfacecafe'

/**
 * Has ICMP, TCP and UDP pass between the pods while tcpdump writes a file at every point and our own
 * captures look at the same; leaves `<point>.pcap` and `captures.json` in the world's folder.
 *
 * The pods compute their checksums themselves meanwhile. Left to a device, as veth would, TCP's and
 * UDP's are filled in nowhere on one machine, and every capture shows them wrong; ICMP's never are.
 */
export async function captureAtAllPoints(world: World): Promise<void> {
  leaveChecksumsToDevices(world, false)
  const places = WITNESS_POINTS.map((point) => ({ point, ...placeOf(world, point) }))
  const reading = Object.fromEntries(
    WITNESS_POINTS.map((point) => [point, [] as PacketRow[]]),
  ) as Record<WitnessPoint, PacketRow[]>
  const captures = places.map(({ point, kernel, link }) =>
    capture(kernel, link, ({ packet }) => {
      if (isBetweenPods(packet)) reading[point].push(packetRow(packet))
    }),
  )
  const dumps = places.map(({ point, namespace, link }) => ({
    file: join(world.folder, `${point}.pcap`),
    process: world.start(
      namespace,
      'tcpdump',
      ...TCPDUMP_OPTIONS,
      '-i',
      link,
      '-w',
      join(world.folder, `${point}.pcap`),
      'ip',
    ),
  }))
  try {
    for (const { process } of dumps) {
      await eventually('tcpdump', 10, () => /listening on/.test(process.output()), process.output)
    }
    await sendOfEach(world)
    const mark = Buffer.from(MARK, 'hex')
    for (const { file } of dumps) {
      await eventually(
        `the last packets in ${file}`,
        10,
        () => marked(readFileSync(file), mark) >= 2,
      )
    }
    await eventually('our captures to see the last packets', 10, () =>
      WITNESS_POINTS.every((point) => reading[point].filter(isLast).length >= 2),
    )
  } finally {
    for (const one of captures) one.close()
    for (const { process } of dumps) await process.stop()
    leaveChecksumsToDevices(world, true)
  }
  writeFileSync(join(world.folder, 'captures.json'), JSON.stringify(reading))
}

function leaveChecksumsToDevices({ near, far, run }: World, isLeft: boolean): void {
  for (const { podNamespace } of [near, far]) {
    const { status, output } = run(
      podNamespace,
      'ethtool',
      '-K',
      'eth0',
      'tx',
      isLeft ? 'on' : 'off',
    )
    if (status !== 0) throw new Error(`ethtool: ${output}`)
  }
}

/**
 * Packet by packet, and as root: the folder may be closed to others. With snapshots larger than any
 * packet here its ring has few places, and it loses some.
 */
const TCPDUMP_OPTIONS = ['-U', '--immediate-mode', '-s', '2000', '-B', '4096', '-Z', 'root']
const UDP_PORT = 4001
const LAST_DATA_OCTETS = 33

function placeOf(world: World, point: WitnessPoint) {
  const [where, what] = point.split('-') as ['near' | 'far' | 'router', string]
  if (where === 'router') return { ...world.router, link: what }
  const side = world[where]
  if (what === 'pod') return { namespace: side.podNamespace, kernel: side.podKernel, link: 'eth0' }
  const { kernel, node: namespace } = side
  const link =
    what === 'cali' ? kernel.links().find(({ name }) => name.startsWith('cali'))!.name : what
  return { namespace, kernel, link }
}

function isLast({ headers }: PacketRow): boolean {
  const inner = headers.at(-1)!
  return inner.protocol === 1 && inner.totalLength === 28 + LAST_DATA_OCTETS
}

/** Packets of a capture file that bear the mark; it repeats within one. */
function marked(octets: Buffer, mark: Buffer): number {
  let count = 0
  for (let at = octets.indexOf(mark); at >= 0; at = octets.indexOf(mark, at + LAST_DATA_OCTETS)) {
    count++
  }
  return count
}

async function datagrams(from: LinuxKernel, to: LinuxKernel, address: IpAddress): Promise<void> {
  let arrived = 0
  const receiver = to.udp.bind({ family: 4, address, port: UDP_PORT }, () => arrived++)
  const sender = from.udp.bind({ family: 4, port: UDP_PORT }, () => {})
  try {
    for (const length of [1, 100, 1400]) {
      sender.send(new Uint8Array(length).fill(7), { address, port: UDP_PORT })
    }
    await eventually('three datagrams', 5, () => arrived === 3)
  } finally {
    sender.close()
    receiver.close()
  }
}

async function sendOfEach(world: World): Promise<void> {
  const { near, far } = world
  const ping = (...options: string[]): void => {
    const { status, output } = world.run(near.podNamespace, 'ping', ...options, far.pod)
    if (status !== 0) throw new Error(output)
  }
  ping('-c', '2', '-i', '0.02', '-M', 'do', '-s', '1452')
  ping('-c', '1', '-M', 'dont', '-Q', '0xb9', '-t', '9')
  await exchange(near, far, 20_000)
  await datagrams(near.podKernel, far.podKernel, far.pod as IpAddress)
  ping('-c', '1', '-p', MARK, '-s', String(LAST_DATA_OCTETS))
}
