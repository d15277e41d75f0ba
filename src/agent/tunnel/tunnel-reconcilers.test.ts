import { describe, expect, it } from 'vitest'
import { KernelError, type Link } from '../../kernel/kernel.ts'
import { silentLog } from '../../lib/log.ts'
import { newResource } from '../../model/parse-resource.ts'
import { ip, type IpAddress } from '../../net/ip-address.ts'
import { mac } from '../../net/mac-address.ts'
import { prefix } from '../../net/prefix.ts'
import { simulatedNode } from '../testing/simulated-node.ts'
import { type DesiredIpip, IpipReconciler } from './ipip-reconciler.ts'
import type { TunnelEnds, TunnelPrograms } from './tunnel-device.ts'
import { type DesiredVxlan, VxlanReconciler } from './vxlan-reconciler.ts'

const node = (name: string, ipv4Address: string) =>
  newResource({ kind: 'Node', metadata: { name }, spec: { bgp: { ipv4Address } } })

const IPIP: DesiredIpip = {
  device: { mtu: 1480, address: ip('10.1.0.1') },
  isUsed: true,
  isUnfiltered: false,
  ownAddress: ip('10.0.0.1'),
  underlays: [2],
  nodes: [node('one', '10.0.0.1/24'), node('two', '10.0.1.2/24')],
  externalNodes: [],
}

/** A node whose tunl0 is kept, of programs or the kernel's, and what was found out. */
function ipipNode(kind: 'kernel' | 'ebpf') {
  const simulated = simulatedNode()
  const { kernel, view, clock } = simulated
  const host = {
    refusal: undefined as string | undefined,
    link: undefined as number | undefined,
    pathMtus: {} as Readonly<Record<IpAddress, number>>,
    equipped: [] as TunnelEnds[],
    tellPathMtu: (_node: IpAddress, _mtu: number): void => {},
  }
  const programs: TunnelPrograms = {
    create: (name, mtu) => kernel.createLink({ kind: 'tun', name, mtu }),
    made: ({ kind: of }: Link) => of === 'tun',
    equip: (_link, ends) => void host.equipped.push(ends),
    guard() {},
    remove: (name) => kernel.deleteLink(kernel.link(name)!.index),
    watchPathMtus: (_address, listener) => {
      host.tellPathMtu = listener
      return { close() {} }
    },
    drops: () => new Map(),
  }
  const reconciler = new IpipReconciler({
    kernel: new Proxy(kernel, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (name !== 'createLink' || host.refusal === undefined)
          return value.bind(target) as unknown
        return () => {
          throw new KernelError(host.refusal!, 'Unable to create tunl0')
        }
      },
    }),
    view,
    kind,
    programs,
    clock,
    log: silentLog,
    onLink: (index) => void (host.link = index),
    onPathMtus: (pathMtus) => void (host.pathMtus = pathMtus),
  })
  return { ...simulated, host, reconciler, ipip: simulated.add(reconciler) }
}

describe('the reconciler of tunl0', () => {
  it('makes it, tells where it is, and mends it', async () => {
    const { clock, kernel, host, ipip } = ipipNode('kernel')
    ipip.want(IPIP)
    await clock.advance(100)
    const made = kernel.link('tunl0')!
    expect([made.up, made.mtu, host.link]).toEqual([true, 1480, made.index])
    kernel.changeLink(made.index, { up: false, mtu: 1400 })
    await clock.advance(100)
    expect(kernel.link('tunl0')).toMatchObject({ up: true, mtu: 1480 })
    kernel.deleteLink(made.index)
    await clock.advance(100)
    expect(host.link).toBe(kernel.link('tunl0')!.index)
    kernel.changeLink(host.link!, { name: 'other' })
    await clock.advance(100)
    expect(host.link).toBe(kernel.link('tunl0')!.index)
  })

  it('tells programs of the nodes when they are others, and again when somebody may have taken them', async () => {
    const { clock, kernel, host, ipip } = ipipNode('ebpf')
    ipip.want(IPIP)
    await clock.advance(1_000)
    const count = host.equipped.length
    expect(host.equipped.at(-1)).toEqual({
      localAddress: '10.0.0.1',
      underlays: [2],
      senders: ['10.0.0.1/32', '10.0.1.2/32'],
    })
    ipip.want({ ...IPIP })
    await clock.advance(1_000)
    expect(host.equipped).toHaveLength(count)
    ipip.want({ ...IPIP, externalNodes: [prefix('192.0.2.0/24')] })
    await clock.advance(1_000)
    expect(host.equipped.at(-1)!.senders).toContain('192.0.2.0/24')
    const before = host.equipped.length
    kernel.changeLink(kernel.link('tunl0')!.index, { up: false })
    await clock.advance(1_000)
    expect(host.equipped.length).toBeGreaterThan(before)
  })

  it('has a problem while programs have no link to hang at, and the kernel’s own device has none', async () => {
    const said = ['no link has 10.0.0.1, the address of this node (spec.bgp.ipv4Address)']
    for (const [kind, problems] of [
      ['ebpf', said],
      ['kernel', []],
    ] as const) {
      const { clock, ipip } = ipipNode(kind)
      ipip.want({ ...IPIP, underlays: [] })
      await clock.advance(1_000)
      expect(ipip.problems()).toEqual(problems)
      ipip.want(IPIP)
      await clock.advance(1_000)
      expect(ipip.problems()).toEqual([])
    }
  })

  it('believes of nodes alone that the path to them is narrow, and for ten minutes', async () => {
    const { clock, host, ipip, reconciler } = ipipNode('ebpf')
    ipip.want(IPIP)
    await clock.advance(100)
    host.tellPathMtu(ip('10.0.1.2'), 1400)
    host.tellPathMtu(ip('192.0.2.1'), 1300)
    expect(host.pathMtus).toEqual({ '10.0.1.2': 1380 })
    expect(reconciler.status()).toMatchObject({ kind: 'ebpf', pathMtus: { '10.0.1.2': 1380 } })
    await clock.advance(600_000)
    expect(host.pathMtus).toEqual({})
  })

  it('has a problem where it is needed and refused, and tries again', async () => {
    const { clock, host, ipip } = ipipNode('kernel')
    host.refusal = 'EPERM'
    ipip.want({ ...IPIP, isUsed: false })
    await clock.advance(100)
    expect(ipip.problems()).toEqual([])
    ipip.want(IPIP)
    await clock.advance(100)
    expect([ipip.problems(), host.link]).toEqual([['Unable to create tunl0: EPERM'], undefined])
    host.refusal = undefined
    await clock.advance(5_000)
    expect(ipip.problems()).toEqual([])
    expect(host.link).toBeDefined()
  })
})

describe('the reconciler of vxlan.calico', () => {
  const DEVICE = {
    mtu: 1450,
    vni: 4096,
    port: 4789,
    macAddress: mac('66:00:00:00:00:01'),
    address: ip('10.1.0.1'),
    localAddress: ip('10.0.0.1'),
  }
  const END = {
    address: ip('10.0.1.2'),
    tunnelAddress: ip('10.1.2.1'),
    macAddress: mac('66:00:00:00:00:02'),
  }

  function vxlanNode() {
    const simulated = simulatedNode()
    const { kernel, view, uplink } = simulated
    const found = { link: undefined as number | undefined }
    const reconciler = new VxlanReconciler({
      kernel,
      view,
      log: silentLog,
      onLink: (index) => void (found.link = index),
    })
    const desired: DesiredVxlan = { device: DEVICE, uplink, ends: [END] }
    return { ...simulated, found, reconciler, desired, vxlan: simulated.add(reconciler) }
  }

  it('makes it with its rows, mends them, and takes it away once nothing needs it', async () => {
    const { clock, kernel, found, vxlan, desired, add } = vxlanNode()
    let isBusy = true
    const routes = add({
      name: 'routes',
      pace: { retry: { firstMilliseconds: 1_000, mostMilliseconds: 1_000 } },
      reconcile: () => (isBusy ? 'more' : 'done'),
    })
    vxlan.want(desired)
    await clock.advance(100)
    const { index } = kernel.link('vxlan.calico')!
    expect(found.link).toBe(index)
    const { macAddress } = END
    expect(kernel.forwardingEntries(index)).toMatchObject([{ macAddress }])
    kernel.deleteForwardingEntry({ linkIndex: index, macAddress })
    await clock.advance(100)
    expect(kernel.forwardingEntries(index)).toMatchObject([{ macAddress }])
    kernel.changeLink(index, { name: 'other' })
    await clock.advance(100)
    expect(vxlan.problems()).toEqual(['Unable to create vxlan.calico: VNI 4096 is taken: EEXIST'])
    kernel.changeLink(index, { name: 'vxlan.calico' })
    await clock.advance(100)
    expect(vxlan.problems()).toEqual([])
    routes.want({})
    vxlan.want({ ...desired, device: undefined })
    await clock.advance(1_000)
    // Routes lead there still.
    expect([found.link, kernel.link('vxlan.calico')?.index]).toEqual([undefined, index])
    isBusy = false
    await clock.advance(100)
    expect(kernel.link('vxlan.calico')).toBeUndefined()
  })

  it('has a problem while the node’s own address is on no link', async () => {
    const { clock, vxlan, desired } = vxlanNode()
    vxlan.want({ ...desired, uplink: undefined })
    await clock.advance(100)
    expect(vxlan.problems()).toEqual([
      'no link has 10.0.0.1, the address of this node (spec.bgp.ipv4Address)',
    ])
    vxlan.want(desired)
    await clock.advance(100)
    expect(vxlan.problems()).toEqual([])
  })

  it('asks nothing of a kernel where there is no VXLAN and was none', async () => {
    const { clock, listed, vxlan, desired } = vxlanNode()
    vxlan.want({ ...desired, device: undefined })
    listed.length = 0
    await clock.advance(1_000)
    expect(listed).toEqual([])
  })
})
