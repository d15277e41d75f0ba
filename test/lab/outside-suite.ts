import { afterAll, beforeAll, expect, it } from 'vitest'
import type { AgentStatus } from '../../src/api/agent-status.ts'
import type { CapturedPacket, Kernel } from '../../src/kernel/kernel.ts'
import { echoRequest, encapsulate, unicast } from '../../src/kernel/kernel.contract.ts'
import { ip } from '../../src/net/ip-address.ts'
import { type MacAddress, macOctets } from '../../src/net/mac-address.ts'
import type { Resources } from '../../src/store/resources.ts'

/** The cluster of topologies/outside.yaml, up, on whichever kernel. */
export interface OutsideWorld {
  /** The namespace of a node, router or pod, by its name in the topology. */
  kernel(name: string): Kernel
  readonly resources: Resources
  status(node: string): Promise<AgentStatus>
  /** Lets time pass, real or virtual, until `condition` holds. */
  until(condition: () => boolean, what: string): Promise<void>
  /** Lets time pass until `work` is done. */
  run<T>(work: Promise<T>): Promise<T>
  restartAgent(node: string): Promise<void>
  close(): Promise<void>
}

export const ADDRESS = {
  pod1: '10.211.0.6',
  pod3: '10.211.0.7',
  pod2: '10.211.1.4',
  pod4: '10.211.3.5',
  server01: '172.16.170.128',
  server02: '172.16.170.129',
  server04: '172.16.171.128',
  stranger: '198.51.100.9',
} as const
type Name = keyof typeof ADDRESS

const UPLINK: Readonly<Record<string, string>> = {
  server01: 'ens33',
  server02: 'ens33',
  server04: 'ens33',
}
const ICMP = 1
const [ECHO_REPLY, ECHO_REQUEST] = [0, 8]

/** What is masqueraded, what is not, and what is dropped: one suite for every kernel. */
export function outsideSuite(open: () => Promise<OutsideWorld>): void {
  let world: OutsideWorld
  let lastId = 100

  beforeAll(async () => {
    world = await open()
  }, 60_000)
  afterAll(() => world?.close())

  /** Source addresses of the echo requests with an identifier that pass a host's link. */
  function listen(
    at: Name,
    way: 'in' | 'out' = 'in',
  ): { sources(id: number): readonly string[]; close(): void } {
    const kernel = world.kernel(at)
    const packets: CapturedPacket[] = []
    const linkIndex = kernel.link(UPLINK[at] ?? 'eth0')!.index
    const capture = kernel.capture({ linkIndex }, (packet) => void packets.push(packet))
    const sources = (id: number): readonly string[] =>
      packets
        .filter(({ direction, octets }) => direction === way && isEcho(octets, ECHO_REQUEST, id))
        .map(({ octets }) => octets.subarray(12, 16).join('.'))
    return { sources, close: () => capture.close() }
  }

  /** Pings as a pod, and answers with which source that came to the other end; the reply is awaited. */
  async function sourceOfPing(from: Name, to: Name): Promise<string> {
    const id = ++lastId
    const kernel = world.kernel(from)
    const far = listen(to)
    let replies = 0
    const linkIndex = kernel.link('eth0')!.index
    const near = kernel.capture({ linkIndex }, ({ direction, octets }) => {
      if (direction === 'in' && isEcho(octets, ECHO_REPLY, id)) replies++
    })
    try {
      kernel.sendPacket(echoRequest({ source: ADDRESS[from], destination: ADDRESS[to], id }))
      await world.until(() => replies > 0, `${to} to answer ${from}`)
      await world.until(() => far.sources(id).length > 0, `${to} to see it`)
      return far.sources(id).join()
    } finally {
      far.close()
      near.close()
    }
  }

  async function counters(node: Name): Promise<Readonly<Record<string, number>>> {
    const { packetFilter, tunnel } = await world.run(world.status(node))
    return { ...packetFilter.counters, ...tunnel?.drops }
  }

  /** Sends what must not arrive, then what must; answers which counters of a node went up meanwhile. */
  async function counted(node: Name, send: () => void): Promise<Readonly<Record<string, number>>> {
    const before = await counters(node)
    send()
    await sourceOfPing('pod1', 'pod2')
    await sourceOfPing('pod2', 'pod1')
    const after = await counters(node)
    const rows = Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0)])
    return Object.fromEntries(rows.filter(([, more]) => more !== 0)) as Record<string, number>
  }

  /** Makes FelixConfiguration "default" say this. */
  const felix = (spec: object) =>
    world.resources.apply({
      apiVersion: 'projectcalico.org/v3',
      kind: 'FelixConfiguration',
      metadata: { name: 'default' },
      spec,
    })

  it('gives a pod that speaks to the outside the address of its node, and the answers back', async () => {
    expect(await sourceOfPing('pod1', 'stranger')).toBe(ADDRESS.server01)
    expect(await sourceOfPing('pod4', 'stranger')).toBe(ADDRESS.server04)
  })

  it('does so for UDP and TCP, for two pods with one port at once', async () => {
    const outside = world.kernel('stranger')
    const remote = { address: ip(ADDRESS.stranger), port: 7000 }
    const seen: string[] = []
    const server = outside.udp.bind({ family: 4, port: 7000 }, ({ from, octets }) => {
      seen.push(`udp ${from.address}`)
      server.send(octets, from)
    })
    const listener = outside.tcp.listen({ family: 4, port: 7000 }, (connection) => {
      seen.push(`tcp ${connection.remote.address}`)
      connection.handlers = {
        onData: (octets) => void connection.write(octets.slice()),
        onClose() {},
      }
    })
    const answers: string[] = []
    const pods = (['pod1', 'pod3'] as const).map((name) => world.kernel(name))
    const clients = pods.map((pod, index) => {
      const text = new TextEncoder().encode(`pod ${index}`)
      const said = (how: string) => (octets: Uint8Array) =>
        void answers.push(`${how} ${new TextDecoder().decode(octets)}`)
      const udp = pod.udp.bind({ family: 4, port: 7001 }, ({ octets }) => said('udp')(octets))
      udp.send(text, remote)
      const tcp = pod.tcp.connect(
        { remote },
        { onConnect: () => void tcp.write(text), onData: said('tcp'), onClose() {} },
      )
      return { udp, tcp }
    })
    await world.until(() => answers.length === 4, 'four answers')
    expect(answers.toSorted()).toEqual(['tcp pod 0', 'tcp pod 1', 'udp pod 0', 'udp pod 1'])
    expect(new Set(seen)).toEqual(new Set([`udp ${ADDRESS.server01}`, `tcp ${ADDRESS.server01}`]))
    for (const { udp, tcp } of clients) {
      udp.close()
      tcp.close()
    }
    listener.close()
    server.close()
  })

  it('does so with the address and from the ports that FelixConfiguration asks for', async () => {
    const own = '192.0.2.77'
    for (const [name, gateway] of [
      ['stranger', '198.51.100.1'],
      ['router01', ADDRESS.server01],
    ] as const) {
      const kernel = world.kernel(name)
      kernel.addRoute(unicast(`${own}/32`, kernel.link('eth0')!, gateway))
    }
    const seen: string[] = []
    const server = world.kernel('stranger').udp.bind({ family: 4, port: 7000 }, (datagram) => {
      const { address, port } = datagram.from
      seen.push(`${address} ${port >= 20_000 && port < 20_010 ? 'in the range' : port}`)
      server.send(datagram.octets, datagram.from)
    })
    let answers = 0
    /** From ever new ports, for connections keep what they began with. */
    const untilFrom = (source: string) =>
      world.until(() => {
        const options = { family: 4, port: ++lastPort } as const
        const client = world.kernel('pod1').udp.bind(options, () => void answers++)
        client.send(new Uint8Array(4), { address: ip(ADDRESS.stranger), port: 7000 })
        clients.push(client)
        return seen.at(-1)?.startsWith(source) === true
      }, `a datagram from ${source}`)
    const clients: { close(): void }[] = []
    let lastPort = 30_000
    await world.run(felix({ natOutgoingAddress: own, natPortRange: '20000:20009' }))
    await untilFrom(`${own} in the range`)
    await world.until(() => answers > 0, 'an answer')
    expect(await sourceOfPing('pod1', 'stranger')).toBe(own)
    await world.run(felix({}))
    await untilFrom(`${ADDRESS.server01} `)
    for (const client of clients) client.close()
    server.close()
  })

  it.each([
    ['pod1', 'pod3'],
    ['pod1', 'pod2'],
    ['pod1', 'pod4'],
    ['pod4', 'pod1'],
    ['pod1', 'server02'],
  ] as const)('leaves the source of %s to %s alone', async (from, to) => {
    expect(await sourceOfPing(from, to)).toBe(ADDRESS[from])
  })

  it('masquerades to a node whose answer would come back through the tunnel', async () => {
    expect(await sourceOfPing('pod1', 'server04')).toBe(ADDRESS.server01)
  })

  it('follows the pool at run time, both ways', async () => {
    const natOutgoing = (value: boolean) =>
      world.run(
        world.resources.modify('IPPool', 'default-ipv4-ippool', (pool) => {
          pool.spec.natOutgoing = value
        }),
      )
    const pod = world.kernel('pod1')
    const leaving = listen('server01', 'out')
    /** Pings with ever new identifiers, for connections keep what they began with. */
    const untilSource = (source: string) =>
      world.until(() => {
        const id = ++lastId
        const destination = ADDRESS.stranger
        pod.sendPacket(echoRequest({ source: ADDRESS.pod1, destination, id }))
        return leaving.sources(id - 1).includes(source)
      }, `${source} to be seen outside`)
    await natOutgoing(false)
    await untilSource(ADDRESS.pod1)
    expect(Object.keys((await counters('server01')) ?? {})).not.toContain('masqueraded')
    await natOutgoing(true)
    await untilSource(ADDRESS.server01)
    expect(await sourceOfPing('pod1', 'stranger')).toBe(ADDRESS.server01)
    leaving.close()
  })

  it('drops and counts what a pod sends in another’s name', async () => {
    const pod = world.kernel('pod1')
    const seen = listen('pod2')
    const sources = [ADDRESS.pod3, ADDRESS.server01, ADDRESS.stranger, '10.211.0.99']
    const id = ++lastId
    const more = await counted('server01', () => {
      for (const source of sources) {
        pod.sendPacket(echoRequest({ source, destination: ADDRESS.pod2, id }))
      }
    })
    expect(more).toEqual({ 'spoofed-source': 4 })
    expect(seen.sources(id)).toEqual([])
    seen.close()
  })

  it('drops what a pod sends to its gateway, which would go round on lo until its TTL ends', async () => {
    const node = world.kernel('server01')
    let onLoopback = 0
    const linkIndex = node.link('lo')!.index
    const id = ++lastId
    const capture = node.capture({ linkIndex }, ({ octets }) => {
      if (isEcho(octets, ECHO_REQUEST, id)) onLoopback++
    })
    const request = echoRequest({ source: ADDRESS.pod1, destination: '169.254.1.1', id })
    const more = await counted('server01', () => world.kernel('pod1').sendPacket(request))
    expect(more).toEqual({ 'to-gateway': 1 })
    expect(onLoopback).toBe(0)
    capture.close()
  })

  it('drops and counts IPIP from a host that is no node, before it is decapsulated', async () => {
    const seen = listen('pod1')
    const id = ++lastId
    const inner = echoRequest({ source: ADDRESS.pod2, destination: ADDRESS.pod1, id })
    const forged = encapsulate(ADDRESS.stranger, ADDRESS.server01, inner)
    const more = await counted('server01', () => {
      for (let count = 0; count < 3; count++) world.kernel('stranger').sendPacket(forged)
    })
    // Programs at the link see it before the packet filter does.
    expect([{ 'forged-ipip': 3 }, { stranger: 3 }]).toContainEqual(more)
    expect(seen.sources(id)).toEqual([])
    seen.close()
  })

  it('takes IPIP from a network of externalNodesList as long as that is said', async () => {
    const seen = listen('pod1')
    const stranger = world.kernel('stranger')
    // A pod behind the tunnel, so that no filter of reverse paths has a say.
    const [source, destination] = [ADDRESS.pod4, ADDRESS.pod1]
    const send = (id: number): void => {
      const inner = echoRequest({ source, destination, id })
      stranger.sendPacket(encapsulate(ADDRESS.stranger, ADDRESS.server01, inner))
    }
    const trust = (externalNodesList: string[]) => world.run(felix({ externalNodesList }))
    await trust(['192.0.2.1', '198.51.100.0/24'])
    const trusted = ++lastId
    await world.until(() => {
      send(trusted)
      return seen.sources(trusted).length > 0
    }, 'a packet of the external node')
    await trust([])
    await world.until(() => {
      send(++lastId)
      return lastId > trusted + 5 && seen.sources(lastId - 1).length === 0
    }, 'packets of the former external node to stay out')
    await sourceOfPing('pod1', 'stranger') // those under way are there before
    const id = ++lastId
    const more = await counted('server01', () => send(id))
    expect([{ 'forged-ipip': 1 }, { stranger: 1 }]).toContainEqual(more)
    expect(seen.sources(id)).toEqual([])
    seen.close()
  })

  it('puts fragments of an outer header together, or counts them where programs see them first', async () => {
    const seen = listen('pod1')
    const id = ++lastId
    const inner = echoRequest({ source: ADDRESS.pod4, destination: ADDRESS.pod1, id })
    const whole = encapsulate(ADDRESS.server04, ADDRESS.server01, inner)
    const [first, second] = fragmentsOf(whole)
    const more = await counted('server01', () => {
      world.kernel('server04').sendPacket(first)
      world.kernel('server04').sendPacket(second)
    })
    const isWhole = world.kernel('server01').link('tunl0')?.kind === 'ipip'
    expect(more).toEqual(isWhole ? {} : { fragment: 2 })
    expect(seen.sources(id)).toEqual(isWhole ? [ADDRESS.pod4] : [])
    seen.close()
  })

  it('drops and counts what a pod puts into tunnels itself', async () => {
    const seen = listen('pod2')
    const id = ++lastId
    const inner = echoRequest({ source: ADDRESS.pod3, destination: ADDRESS.pod2, id })
    const packet = encapsulate(ADDRESS.pod1, ADDRESS.server02, inner)
    const udp = world.kernel('pod1').udp.bind({ family: 4, port: 9 }, () => {})
    const more = await counted('server01', () => {
      world.kernel('pod1').sendPacket(packet)
      udp.send(new Uint8Array(50), { address: ip(ADDRESS.server02), port: 4789 })
    })
    expect(more).toEqual({ 'tunnel-of-pod': 2 })
    expect(seen.sources(id)).toEqual([])
    udp.close()
    seen.close()
  })

  it('drops and counts VXLAN from a host that is no node, where the pool uses it', async () => {
    const encapsulation = (ipipMode: 'Never' | 'CrossSubnet', vxlanMode: typeof ipipMode) =>
      world.run(
        world.resources.modify('IPPool', 'default-ipv4-ippool', (pool) => {
          Object.assign(pool.spec, { ipipMode, vxlanMode })
        }),
      )
    const node = world.kernel('server01')
    await encapsulation('Never', 'CrossSubnet')
    await world.until(
      () =>
        node.link('vxlan.calico')?.up === true &&
        node.packetFilterCounters('tortie').has('forged-vxlan'),
      'VXLAN on server01',
    )
    const seen = listen('pod1')
    const id = ++lastId
    const inner = echoRequest({ source: ADDRESS.pod2, destination: ADDRESS.pod1, id })
    const udp = world.kernel('stranger').udp.bind({ family: 4, port: 9 }, () => {})
    const forged = vxlan(node.link('vxlan.calico')!.macAddress!, inner)
    const more = await counted('server01', () => {
      for (let count = 0; count < 3; count++) {
        udp.send(forged, { address: ip(ADDRESS.server01), port: 4789 })
      }
    })
    expect(more).toEqual({ 'forged-vxlan': 3 })
    expect(seen.sources(id)).toEqual([])
    udp.close()
    seen.close()
    await encapsulation('CrossSubnet', 'Never')
    await world.until(
      () => !node.packetFilterCounters('tortie').has('forged-vxlan'),
      'IPIP on server01',
    )
  })

  it('is mended when somebody removes it, and nothing else is touched', async () => {
    const node = world.kernel('server02')
    node.deletePacketFilter('tortie')
    await world.until(
      () => node.packetFilterCounters('tortie').size > 0,
      'the table to be there again',
    )
  })

  it('survives its agent, rules and counts, and finds nothing to do after', async () => {
    const node = world.kernel('server01')
    // What the test before it did goes on for a while: the last node has to give its end of VXLAN back.
    await world.until(() => node.link('vxlan.calico') === undefined, 'the end of VXLAN')
    // The rule for its reverse path goes after it.
    await world.run(world.status('server01'))
    const before = node.packetFilterCounters('tortie')
    let changes = 0
    const watch = node.watch(({ kind }) => void (changes += kind === 'packetFilter' ? 1 : 0))
    await world.run(world.restartAgent('server01'))
    expect(await sourceOfPing('pod1', 'pod2')).toBe(ADDRESS.pod1)
    const { converged } = await world.run(world.status('server01'))
    expect(converged).toBe(true)
    expect(changes).toBe(0)
    expect(before.get('spoofed-source')?.packets).toBeGreaterThan(0)
    expect(node.packetFilterCounters('tortie')).toEqual(before)
    watch.close()
  })
}

/** RFC 7348: the header with Calico's network identifier, an Ethernet header, the packet. */
function vxlan(destination: MacAddress, inner: Uint8Array): Uint8Array {
  const octets = new Uint8Array(22 + inner.length)
  octets.set([0x08, 0, 0, 0, 0x00, 0x10, 0x00, 0])
  octets.set(macOctets(destination), 8)
  octets.set([0x66, 0, 0, 0, 0, 1, 0x08, 0x00], 14)
  octets.set(inner, 22)
  return octets
}

/** A packet as two fragments (RFC 791), of which the first has 24 octets behind its header. */
function fragmentsOf(packet: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const [header, first] = [20, 24]
  const fragment = (from: number, to: number, flags: number): Uint8Array => {
    const octets = Uint8Array.of(...packet.subarray(0, header), ...packet.subarray(from, to))
    const offset = (from - header) / 8
    octets.set([octets.length >>> 8, octets.length & 255], 2)
    octets.set([0x12, 0x34, flags | (offset >>> 8), offset & 255], 4)
    octets.set([0, 0], 10) // who sends it fills in the checksum
    return octets
  }
  const MORE = 0x20
  return [fragment(header, header + first, MORE), fragment(header + first, packet.length, 0)]
}

function isEcho(octets: Uint8Array, type: number, id: number): boolean {
  return (
    octets[0] === 0x45 &&
    octets[9] === ICMP &&
    octets[20] === type &&
    ((octets[24]! << 8) | octets[25]!) === id
  )
}
