import type { LinuxKernel } from '../../src/platform/linux/linux-kernel.ts'
import { dissect, type IpPacket } from '../../src/wire/packet/dissect.ts'
import { eventually } from '../support/command.ts'
import type { World } from './world.ts'

/** One packet at one capture point, taken apart. */
export interface Sighting {
  readonly direction: 'in' | 'out'
  readonly packet: IpPacket
}

/** Where a packet from pod to pod passes between the nodes, in order. */
export const POINTS = ['near tunl0', 'near ens33', 'far ens33', 'far tunl0'] as const
export type Point = (typeof POINTS)[number]
export type Sightings = Readonly<Record<Point, readonly Sighting[]>>

/** Captures everything between pods at all points while `action` runs, until `enough`. */
export async function watchPoints(
  world: World,
  action: () => void | Promise<void>,
  enough: (seen: Sightings) => boolean,
): Promise<Sightings> {
  const seen: Record<Point, Sighting[]> = {
    'near tunl0': [],
    'near ens33': [],
    'far ens33': [],
    'far tunl0': [],
  }
  const captures = POINTS.map((point) => {
    const [side, link] = point.split(' ') as ['near' | 'far', string]
    return capture(world[side].kernel, link, (sighting) => {
      if (isBetweenPods(sighting.packet)) seen[point].push(sighting)
    })
  })
  try {
    await action()
    await eventually(
      'the packets at every capture point',
      5,
      () => enough(seen),
      () => POINTS.map((point) => `${point}: ${seen[point].length}`).join(', '),
    )
    return seen
  } finally {
    for (const one of captures) one.close()
  }
}

/** Captures whole IP packets on a link. */
export function capture(
  kernel: LinuxKernel,
  link: string,
  onPacket: (sighting: Sighting) => void,
): { close(): void } {
  const { index: linkIndex } = kernel.link(link)!
  return kernel.capture({ linkIndex, snapOctets: 65_535 }, ({ octets, direction }) => {
    const packet = dissect(octets)
    if (packet !== undefined) onPacket({ direction, packet })
  })
}

/** The packet between pods in a packet: itself, or what is in its outer header. */
export function innerOf(packet: IpPacket): IpPacket {
  return packet.payload.kind === 'ipip' ? packet.payload.inner : packet
}

/** Whether a packet goes from pod to pod, in an outer header or bare. */
export function isBetweenPods(packet: IpPacket): boolean {
  const { source, destination } = innerOf(packet)
  return source.startsWith('10.213.') && destination.startsWith('10.213.')
}

/** The ICMP echo message of this type at a point. */
export function echoAt(seen: Sightings, point: Point, type: 'request' | 'reply'): Sighting[] {
  return seen[point].filter(({ packet }) => {
    const { payload } = innerOf(packet)
    return payload.kind === 'icmp' && payload.type === (type === 'request' ? 8 : 0)
  })
}

/** Whether so many requests and replies were seen everywhere. */
export const echoes =
  (count: number) =>
  (seen: Sightings): boolean =>
    POINTS.every(
      (point) =>
        echoAt(seen, point, 'request').length >= count &&
        echoAt(seen, point, 'reply').length >= count,
    )
