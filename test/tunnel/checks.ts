import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { encode } from '../../src/wire/packet/ipv4.ts'
import { ipv4ToNumber, parseIpAddress, type IpAddress } from '../../src/net/ip-address.ts'
import { contains, type Prefix } from '../../src/net/prefix.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import { eventually } from '../support/command.ts'
import {
  capture,
  echoAt,
  echoes,
  innerOf,
  POINTS,
  type Sighting,
  watchPoints,
} from './sightings.ts'
import { exchange } from './exchange.ts'
import { POD_MTU, POOL, STRANGER } from './topology.ts'
import { setSegments, type Side, type TunnelKind, type World } from './world.ts'

/**
 * What a tunnel must do, whatever it is made of. Run in this order against one {@link World}: on the
 * kernel of this machine, and on one with the ipip module.
 */
export interface Check {
  readonly name: string
  /** Kinds of tunnel that do not do this yet, each with what it waits for. */
  readonly lacking?: Partial<Record<TunnelKind, string>>
  readonly run: (world: World) => void | Promise<void>
}

const PROTOCOL_IPIP = 4
const MEBIOCTET = 1 << 20
/** A DF ping of 1,500 octets. */
const TOO_LARGE = ['-c', '1', '-W', '3', '-M', 'do', '-s', '1472'] as const

const HAS_ETHTOOL = existsSync('/usr/sbin/ethtool')

export const CHECKS: readonly Check[] = [
  {
    name: 'tunl0 is the device that this kernel should have',
    run: ({ kind, near, far }) => {
      for (const { kernel } of [near, far]) {
        assert.equal(kernel.link('tunl0')?.kind === 'ipip', kind === 'kernel')
      }
    },
  },
  {
    name: 'the very first packet arrives, when no neighbor is known yet',
    run: (world) => {
      for (const { node } of [world.near, world.far]) world.run(node, 'ip', 'neigh', 'flush', 'all')
      world.run(world.router.namespace, 'ip', 'neigh', 'flush', 'all')
      ping(world, world.near, world.far, '-c', '1', '-W', '5')
    },
  },
  {
    name: 'pods reach each other, from both sides',
    run: (world) => {
      ping(world, world.near, world.far, '-c', '3', '-i', '0.05')
      ping(world, world.far, world.near, '-c', '3', '-i', '0.05')
    },
  },
  {
    name: 'a node reaches the pod of the other by its tunnel’s address',
    run: (world) => {
      const { output, status } = world.run(
        world.near.node,
        'ping',
        '-c',
        '1',
        '-W',
        '5',
        world.far.pod,
      )
      assert.equal(status, 0, output)
    },
  },
  {
    name: 'TCP carries a mebioctet each way, octet for octet',
    run: async ({ near, far }) => {
      await exchange(near, far, MEBIOCTET)
      await exchange(far, near, MEBIOCTET)
    },
  },
  {
    name: 'the outer header has the nodes’ addresses, protocol 4 and the inner TTL, and the router takes one off',
    run: outerHeader,
  },
  { name: 'DF of the outer header is that of the inner one', run: dontFragment },
  {
    name: 'the outer TOS carries the congestion marks, and the DSCP where programs write it',
    run: trafficClass,
  },
  { name: 'outer identifications vary', run: identifications },
  { name: 'checksums are right at every capture point', run: checksums },
  {
    name: 'tunl0 has one address of its node’s block, and 20 octets less than the link',
    run: device,
  },
  {
    name: 'tunl0 counts what passes, both ways',
    run: counters,
  },
  { name: 'tcpdump on tunl0 sees inner packets, both ways', run: tcpdump },
  {
    name: 'a packet that is too large is answered with the MTU of the tunnel',
    run: (world) => {
      const { output, status } = world.run(
        world.near.podNamespace,
        'ping',
        ...TOO_LARGE,
        world.far.pod,
      )
      assert.notEqual(status, 0)
      assert.match(output, /Frag needed and DF set \(mtu = 1480\)|message too long, mtu=1480/i)
      ping(world, world.near, world.far, '-c', '1', '-M', 'do', '-s', '1452')
    },
  },
  {
    name: 'TCP fills the links between the nodes, cut where it leaves and put together where it comes in',
    ...(HAS_ETHTOOL ? {} : { lacking: { kernel: 'ethtool', ebpf: 'ethtool' } }),
    run: fullSegments,
  },
  {
    name: 'TCP passes a router of smaller MTU between the nodes',
    run: smallRouter,
  },
  {
    name: 'TCP goes in packets larger than 64 KiB where links take them, and arrives',
    run: bigSegments,
  },
  {
    name: 'an agent that is killed and started again loses no packet',
    run: async (world) => {
      await restart(world, world.near)
      await restart(world, world.far)
    },
  },
  {
    name: 'IPIP packets from who is no node do not come out of the tunnel, and are counted',
    run: forged,
  },
  {
    name: 'with mode Never nothing travels in the tunnel, and with CrossSubnet it does again',
    run: modeChange,
  },
]

function ping(world: World, from: Side, to: Side, ...options: string[]): string {
  const { output, status } = world.run(from.podNamespace, 'ping', ...options, to.pod)
  assert.equal(status, 0, output)
  assert.match(output, / 0% packet loss/)
  return output
}

async function outerHeader(world: World): Promise<void> {
  const { near, far } = world
  const seen = await watchPoints(
    world,
    () => void ping(world, near, far, '-c', '1', '-t', '50'),
    echoes(1),
  )
  const view = (point: (typeof POINTS)[number]) => {
    const [{ packet, direction }] = echoAt(seen, point, 'request') as [Sighting]
    const inner = innerOf(packet)
    assert.deepEqual([inner.source, inner.destination], [near.pod, far.pod])
    return [
      direction,
      packet.source,
      packet.destination,
      packet.protocol,
      packet.timeToLive,
      inner.timeToLive,
    ]
  }
  assert.deepEqual(POINTS.map(view), [
    ['out', near.pod, far.pod, 1, 49, 49],
    ['out', near.address, far.address, PROTOCOL_IPIP, 49, 49],
    ['in', near.address, far.address, PROTOCOL_IPIP, 48, 49],
    ['in', near.pod, far.pod, 1, 49, 49],
  ])
}

/** The outer headers of requests where they leave, for a ping with these options. */
async function outerRequests(world: World, count: number, ...options: string[]) {
  const { near, far } = world
  const act = () => void ping(world, near, far, '-c', String(count), '-i', '0.02', ...options)
  const seen = await watchPoints(world, act, echoes(count))
  return echoAt(seen, 'near ens33', 'request').map(({ packet }) => packet)
}

async function dontFragment(world: World): Promise<void> {
  const [set] = await outerRequests(world, 1, '-M', 'do')
  assert.deepEqual([set!.dontFragment, innerOf(set!).dontFragment], [true, true])
  const [clear] = await outerRequests(world, 1, '-M', 'dont')
  assert.deepEqual([clear!.dontFragment, innerOf(clear!).dontFragment], [false, false])
}

/**
 * Programs copy the whole octet (RFC 2003 section 3.1, RFC 6040 section 4.1). A tunl0 of the kernel that
 * was not told otherwise writes no DSCP, and ECT(0) for CE (ip_tunnel_xmit, tos 0; RFC 3168).
 */
async function trafficClass(world: World): Promise<void> {
  const outer = async (inner: number): Promise<number> => {
    const [packet] = await outerRequests(world, 1, '-Q', String(inner))
    assert.equal(innerOf(packet!).typeOfService, inner)
    return packet!.typeOfService
  }
  const isCopied = world.kind === 'ebpf'
  assert.equal(await outer(0xb8), isCopied ? 0xb8 : 0)
  assert.equal(await outer(0xb9), isCopied ? 0xb9 : 1)
  assert.equal(await outer(0x02), 2)
  assert.equal(await outer(0x03), isCopied ? 3 : 2)
}

async function identifications(world: World): Promise<void> {
  for (const fragmentation of ['do', 'dont']) {
    const packets = await outerRequests(world, 6, '-M', fragmentation)
    const distinct = new Set(packets.map(({ identification }) => identification))
    assert.ok(distinct.size >= 5, `with -M ${fragmentation}: ${[...distinct].join(' ')}`)
  }
}

async function checksums(world: World): Promise<void> {
  const { near, far } = world
  const act = () => void ping(world, near, far, '-c', '2', '-i', '0.02', '-s', '700')
  const seen = await watchPoints(world, act, echoes(2))
  for (const point of POINTS) {
    for (const { packet } of seen[point]) {
      const inner = innerOf(packet)
      assert.equal(packet.headerChecksumValid, true, `outer, ${point}`)
      assert.equal(inner.headerChecksumValid, true, `inner, ${point}`)
      assert.ok(inner.payload.kind === 'icmp')
      assert.equal(inner.payload.checksumValid, true, `ICMP, ${point}`)
    }
  }
}

function device({ near, far }: World): void {
  for (const { kernel, block } of [near, far]) {
    const link = kernel.link('tunl0')!
    const rows = kernel
      .addresses()
      .filter(({ linkIndex, address }) => linkIndex === link.index && !address.includes(':'))
    assert.equal(rows.length, 1)
    assert.equal(rows[0]!.prefixLength, 32)
    assert.ok(contains(block as Prefix, rows[0]!.address), rows[0]!.address)
    assert.equal(link.mtu, kernel.link('ens33')!.mtu - 20)
    assert.equal(link.up, true)
  }
}

function counters(world: World): void {
  const read = (namespace: string) => {
    const { output } = world.run(namespace, 'ip', '-s', '-j', 'link', 'show', 'tunl0')
    const [{ stats64 }] = JSON.parse(output) as [
      { stats64: Record<'rx' | 'tx', { packets: number; bytes: number }> },
    ]
    return stats64
  }
  for (const { node } of [world.near, world.far]) {
    const before = read(node)
    ping(world, world.near, world.far, '-c', '5', '-i', '0.02', '-s', '100')
    const after = read(node)
    for (const way of ['rx', 'tx'] as const) {
      assert.ok(after[way].packets - before[way].packets >= 5, `${way} packets of ${node}`)
      assert.ok(after[way].bytes - before[way].bytes >= 5 * 128, `${way} bytes of ${node}`)
    }
  }
}

async function tcpdump(world: World): Promise<void> {
  const { near, far } = world
  const dump = world.start(near.node, 'tcpdump', '-i', 'tunl0', '-n', '-l', 'icmp')
  await eventually('tcpdump', 10, () => /listening on/.test(dump.output()), dump.output)
  ping(world, near, far, '-c', '1')
  const both = [
    `${near.pod} > ${far.pod}: ICMP echo request`,
    `${far.pod} > ${near.pod}: ICMP echo reply`,
  ]
  await eventually(
    'tcpdump to print both ways',
    5,
    () => both.every((line) => dump.output().includes(line)),
    dump.output,
  )
  await dump.stop()
}

/** As over real links: these cut what the stack leaves whole (TSO), and put together what comes in (GRO). */
async function fullSegments(world: World): Promise<void> {
  const { near, far, router, networks, run } = world
  const offload = (namespace: string, link: string, ...words: string[]): void => {
    const { status, output } = run(namespace, 'ethtool', '-K', link, ...words)
    assert.equal(status, 0, output)
  }
  const setOffload = (isWhole: boolean): void => {
    const [whole, single] = isWhole ? ['on', 'off'] : ['off', 'on']
    for (const [at, { node }] of [near, far].entries()) {
      offload(node, 'ens33', 'tso', whole, 'gso', whole, 'gro', single)
      // A veth puts nothing together that comes from one which could have left it whole.
      offload(networks[at]!.name, node, 'tso', whole)
    }
  }
  const setPodMtus = (mtu: number): void => {
    for (const { kernel, podKernel } of [near, far]) {
      for (const one of [kernel, podKernel]) {
        for (const { name, index } of one.links()) {
          if (/^(cali|eth0$)/.test(name)) one.changeLink(index, { mtu })
        }
      }
    }
  }
  const lengths = new Map<number, number>()
  const watching = capture(router.kernel, 'eth1', ({ packet: { totalLength } }) => {
    if (totalLength > 1000) lengths.set(totalLength, (lengths.get(totalLength) ?? 0) + 1)
  })
  try {
    // What the tunnel takes, and not an octet more: a segment that grew on the way would not come out.
    setPodMtus(near.kernel.link('tunl0')!.mtu)
    setOffload(false)
    await exchange(near, far, MEBIOCTET)
    await exchange(far, near, MEBIOCTET)
  } finally {
    watching.close()
    setOffload(true)
    setPodMtus(POD_MTU)
  }
  const all = [...lengths.values()].reduce((sum, count) => sum + count, 0)
  const full = lengths.get(near.kernel.link('ens33')!.mtu) ?? 0
  assert.ok(all > 1000 && full > 0.9 * all, `packets by length: ${[...lengths].join(' ')}`)
}

async function smallRouter(world: World): Promise<void> {
  const { router, near, far } = world
  const link = router.kernel.link('eth2')!
  router.kernel.changeLink(link.index, { mtu: 1300 })
  try {
    await exchange(near, far, MEBIOCTET)
  } finally {
    router.kernel.changeLink(link.index, { mtu: link.mtu })
    for (const { node } of [near, far]) world.run(node, 'ip', 'route', 'flush', 'cache')
    world.run(near.podNamespace, 'ip', 'route', 'flush', 'cache')
  }
}

/** More than an IPv4 header can say. */
const BIG_OCTETS = 180_000

/** The links between the nodes are made to take more at a time; agents see to tunl0 and the pods. */
async function bigSegments(world: World): Promise<void> {
  const { near, far, kind } = world
  // The kernel's own ipip device takes 64 KiB, and Linux 6.1 knows of no more anywhere.
  const isKnown = near.kernel.link('ens33')!.segmentOctets !== undefined
  const isBig = isKnown && kind === 'ebpf'
  if (isKnown) await setSegments(world, BIG_OCTETS, isBig ? BIG_OCTETS : 65_536)
  const largest = new Map(POINTS.map((point) => [point, 0]))
  const captures = POINTS.map((point) => {
    const [side, link] = point.split(' ') as ['near' | 'far', string]
    return capture(world[side].kernel, link, ({ packet }) => {
      largest.set(point, Math.max(largest.get(point)!, packet.totalLength))
    })
  })
  try {
    await exchange(near, far, (isBig ? 16 : 1) * MEBIOCTET)
    await exchange(far, near, MEBIOCTET)
  } finally {
    for (const one of captures) one.close()
    if (isKnown) await setSegments(world, 65_536)
  }
  for (const [point, octets] of largest) {
    assert.equal(octets > 65_535, isBig, `the largest packet at ${point} has ${octets} octets`)
  }
}

async function restart(world: World, side: Side): Promise<void> {
  const { near, far } = world
  const running = world.start(near.podNamespace, 'ping', '-i', '0.01', far.pod)
  const last = () => Number([...running.output().matchAll(/icmp_seq=(\d+)/g)].at(-1)?.[1] ?? 0)
  await eventually('echo replies', 5, () => last() >= 20, running.output)
  await world.restartAgent(side.node)
  const then = last()
  await eventually('more echo replies', 5, () => last() >= then + 50)
  const output = await running.stop()
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(output)!
  // Interrupted between a request and its reply, ping counts the request alone.
  assert.ok(Number(sent) - Number(received) <= 1, output.split('\n').slice(-4).join('\n'))
  const numbers = [...output.matchAll(/icmp_seq=(\d+)/g)].map((match) => Number(match[1]))
  assert.equal(new Set(numbers).size, Math.max(...numbers), 'a sequence number is missing')
}

/** An echo request in an outer header of which only the source is not a node's. */
async function forged(world: World): Promise<void> {
  const { near, far, router } = world
  const arrived: Sighting[] = []
  const eth0 = far.podKernel.links().find(({ kind }) => kind === 'veth')!
  const watching = capture(far.podKernel, eth0.name, (sighting) => arrived.push(sighting))
  const before = await droppedForgeries(world)
  try {
    for (let count = 0; count < FORGERIES; count++) {
      router.kernel.sendPacket(forgedPacket(near, far))
    }
    // Whoever sends later arrives later: when this one is seen, the others would have been.
    ping(world, near, far, '-c', '1')
    await eventually('the genuine packet', 5, () =>
      arrived.some(({ packet }) => packet.payload.kind === 'icmp' && packet.payload.type === 8),
    )
    assert.deepEqual(
      arrived.filter(
        ({ packet: { payload } }) => payload.kind === 'icmp' && payload.identifier === FORGED_ID,
      ),
      [],
    )
    assert.equal(await droppedForgeries(world), before + FORGERIES)
  } finally {
    watching.close()
  }
}

const FORGED_ID = 0xf0f0
const FORGERIES = 5

/** What the far node says that it dropped: the programs themselves, or the packet filter before the device. */
async function droppedForgeries({ far, status }: World): Promise<number> {
  const { tunnel, packetFilter } = await status(far.node)
  return (tunnel?.drops?.['stranger'] ?? 0) + (packetFilter.counters['forged-ipip'] ?? 0)
}

function forgedPacket(near: Side, far: Side): Uint8Array {
  const number = (text: string): number => ipv4ToNumber(parseIpAddress(text) as IpAddress)
  const echo = Uint8Array.of(8, 0, 0, 0, FORGED_ID >> 8, FORGED_ID & 255, 0, 1)
  const sum = 0xffff - ((0x0800 + FORGED_ID + 1) % 0xffff)
  echo.set([sum >> 8, sum & 255], 2)
  const inner = encode(
    { source: number(near.pod), destination: number(far.pod), protocol: 1, timeToLive: 60 },
    echo,
  )
  return encode(
    {
      source: number(STRANGER),
      destination: number(far.address),
      protocol: PROTOCOL_IPIP,
      timeToLive: 60,
    },
    inner,
  )
}

async function modeChange(world: World): Promise<void> {
  const { near, far, resources } = world
  const route = (side: Side): string => world.run(side.node, 'ip', 'route').output
  // The store may take this process for gone while it waits for a command on a busy machine.
  const change = (ipipMode: 'Never' | 'CrossSubnet') =>
    eventually(`the pool to be ${ipipMode}`, 10, async () => {
      try {
        return await resources.modify('IPPool', POOL.name, (pool) => {
          pool.spec.ipipMode = ipipMode
        })
      } catch (thrown) {
        if (thrown instanceof StoreUnavailable) return undefined
        throw thrown
      }
    })
  await change('Never')
  for (const side of [near, far]) {
    await eventually(
      'routes without tunl0',
      10,
      () => !/dev tunl0/.test(route(side)),
      () => route(side),
    )
  }
  for (const { node } of [near, far]) {
    const addresses = (): string =>
      world.run(node, 'ip', '-4', 'addr', 'show', 'dev', 'tunl0').output
    await eventually(
      'tunl0 without its address',
      20,
      () => !addresses().includes('scope global'),
      addresses,
    )
  }
  await change('CrossSubnet')
  for (const side of [near, far]) {
    await eventually(
      'routes by tunl0',
      10,
      () => /dev tunl0 proto bird/.test(route(side)),
      () => route(side),
    )
  }
  await eventually('the pods to reach each other again', 10, () => {
    return world.run(near.podNamespace, 'ping', '-c', '1', '-W', '1', far.pod).status === 0
  })
}
