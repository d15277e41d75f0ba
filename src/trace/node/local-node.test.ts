import { checkedMethods } from '../../api/checked-methods.ts'
import { connect } from '../../api/connect.ts'
import type { TraceApi } from '../../api/methods.ts'
import { TRACE_PARAMS } from '../../api/params-schemas.ts'
import { beforeEach, describe, expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { RpcClient, serveRpc, streamPair } from '../../lib/rpc.ts'
import { ip } from '../../net/ip-address.ts'
import { createSimulatedMachine, type SimulatedMachine } from '../../kernel/sim/machine.ts'
import { type ArmRequest, NODE_LIMITS, type NodeAccess } from '../../api/node-access.ts'
import { nodeMethods, remoteNode } from './node-rpc.ts'
import { newProbe, probePacket } from '../observe/probe-packet.ts'
import { type TestNode, testCluster } from '../testing/test-cluster.ts'

describe('a node as a trace reaches it', () => {
  let clock: VirtualClock
  let machine: SimulatedMachine
  let one: TestNode
  let two: TestNode
  /** The same node over a stream of lines, as an agent serves it. */
  let remote: NodeAccess

  beforeEach(() => {
    clock = new VirtualClock()
    machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
    ;[one, two] = testCluster({ machine, clock, unique: 'sim' }).nodes as [TestNode, TestNode]
    const [ours, theirs] = streamPair()
    serveRpc(theirs, checkedMethods<TraceApi>(TRACE_PARAMS, nodeMethods(one.access)))
    remote = remoteNode('server01', connect<TraceApi>(ours, clock, 'the agent of server01'))
  })

  const request = (change: Partial<ArmRequest> = {}): ArmRequest => ({
    id: 'one',
    points: [{ netns: 'host', link: 'ens33' }],
    addresses: [one.podAddress, two.podAddress],
    deadlineMilliseconds: 1000,
    ...change,
  })
  const arm = async (access: NodeAccess, change: Partial<ArmRequest> = {}) => {
    const armed = access.arm(request(change))
    armed.catch(() => {})
    await clock.advance(10)
    return armed
  }
  const probe = () =>
    newProbe(
      { source: one.podAddress, destination: two.podAddress },
      { octets: 84, ttl: 64, dontFragment: true },
      new SeededRandom(3),
    )

  it('gives the same snapshot over the socket as beside the kernel', async () => {
    const local = await one.access.snapshot({})
    const far = remote.snapshot({})
    await clock.advance(1)
    expect(await far).toEqual(JSON.parse(JSON.stringify(local)))
    expect(local.namespaces.map(({ netns }) => netns)).toEqual(['host', 'default/pod1'])
    expect(local.namespaces[0]!.sysctls['ipv4.conf.cali00000000001.proxy_arp']).toBe('1')
  })

  it('reads only the pods and the routes that are asked for', async () => {
    const snapshot = await one.access.snapshot({ pods: [], toward: [two.podAddress] })
    expect(snapshot.pods).toHaveLength(1)
    expect(snapshot.namespaces).toHaveLength(1)
    const destinations = snapshot.namespaces[0]!.routes.map(({ destination }) => destination)
    expect(destinations.toSorted()).toEqual(['0.0.0.0/0', '10.211.1.0/24'])
  })

  it('listens, sends and tells what it saw, over the socket', async () => {
    const marked = probe()
    const answer = await arm(remote, {
      points: [
        { netns: 'default/pod1', link: 'eth0' },
        { netns: 'host', link: 'nothing0' },
      ],
    })
    expect(answer.points).toEqual([
      { armed: true },
      { armed: false, reason: 'host has no interface nothing0' },
    ])
    const sending = remote.probe({ netns: 'default/pod1', packets: [probePacket(marked, 1)] })
    await clock.advance(50)
    expect(await sending).toEqual({ packets: [{ sent: true }] })
    const collecting = remote.collect({ id: 'one', after: 0, waitMilliseconds: 0 })
    await clock.advance(1)
    const { sightings } = await collecting
    expect(sightings.map(({ direction }) => direction)).toEqual(['out', 'in'])
    expect(sightings[0]!.octets).toBe(probePacket(marked, 1))
    const finishing = remote.finish({ id: 'one', after: 1 })
    await clock.advance(1)
    const end = await finishing
    expect(end.sightings).toEqual(sightings.slice(1))
    expect(end.lost).toEqual([0, 0])
    await expect(one.access.finish({ id: 'one', after: 0 })).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })

  it('keeps nothing but what holds the marker', async () => {
    await arm(one.access, { points: [{ netns: 'default/pod1', link: 'eth0' }], marker: 'c0ffee' })
    await one.access.probe({ netns: 'default/pod1', packets: [probePacket(probe(), 1)] })
    await clock.advance(50)
    const { sightings } = await one.access.collect({ id: 'one', after: 0, waitMilliseconds: 0 })
    expect(sightings).toEqual([])
  })

  it('waits for news no longer than it was told to', async () => {
    await arm(one.access)
    let answered = false
    const waiting = one.access.collect({ id: 'one', after: 0, waitMilliseconds: 200 })
    void waiting.then(() => (answered = true))
    await clock.advance(190)
    expect(answered).toBe(false)
    await clock.advance(20)
    expect(await waiting).toEqual({ sightings: [] })
  })

  it('closes its captures by itself when nobody comes back', async () => {
    await arm(one.access, { deadlineMilliseconds: 300 })
    await clock.advance(280)
    await expect(one.access.collect({ id: 'one', after: 0, waitMilliseconds: 0 })).resolves.toEqual(
      { sightings: [] },
    )
    await clock.advance(20)
    await expect(
      one.access.collect({ id: 'one', after: 0, waitMilliseconds: 0 }),
    ).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('refuses more than it can carry', async () => {
    const point = { netns: 'host', link: 'ens33' } as const
    const points = Array.from({ length: NODE_LIMITS.points + 1 }, () => point)
    await expect(arm(one.access, { points })).rejects.toMatchObject({ code: 'EINVAL' })
    for (let at = 0; at < NODE_LIMITS.traces; at++) {
      await arm(one.access, { id: String(at), deadlineMilliseconds: 60_000 })
    }
    await expect(arm(one.access, { id: '0' })).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(arm(one.access, { id: 'more' })).rejects.toMatchObject({ code: 'EBUSY' })
  })

  it.each([
    ['trace.arm', { id: 'x' }, 'trace.arm: points'],
    ['trace.probe', { netns: 'host', packets: ['zz'] }, 'expected octets in hexadecimal'],
    ['trace.snapshot', { toward: ['1.2.3'] }, 'expected an IP address'],
    ['trace.lookup', { queries: [{ netns: 'a' }] }, 'expected "host" or "namespace/pod"'],
    ['trace.collect', { id: 'x', after: -1, waitMilliseconds: 1 }, 'trace.collect: after'],
  ])('refuses a request to %s that makes no sense', async (method, params, message) => {
    const [ours, theirs] = streamPair()
    serveRpc(theirs, checkedMethods<TraceApi>(TRACE_PARAMS, nodeMethods(one.access)))
    const client = new RpcClient(ours, clock, 'the agent')
    await expect(client.call(method, params)).rejects.toThrow(message)
  })

  it('tells a refusal of the kernel as an answer', async () => {
    const away = newProbe(
      { source: one.podAddress, destination: ip('10.9.9.9') },
      { octets: 84, ttl: 64, dontFragment: true },
      new SeededRandom(3),
    )
    one.podKernel.deleteRoute(
      one.podKernel.routes().find(({ destination }) => destination === '0.0.0.0/0')!,
    )
    const packets = [probePacket(away, 1)]
    expect((await one.access.probe({ netns: 'default/pod1', packets })).packets[0]).toMatchObject({
      sent: false,
      code: 'ENETUNREACH',
    })
    await expect(one.access.probe({ netns: 'default/none', packets })).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })
})
