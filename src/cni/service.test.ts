import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Kernel, KernelError, type Machine } from '../kernel/kernel.ts'
import { createSimulatedMachine } from '../kernel/sim/machine.ts'
import { settled, VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip, type IpAddress } from '../net/ip-address.ts'
import { mac } from '../net/mac-address.ts'
import { prefix } from '../net/prefix.ts'
import { createLinuxMachine } from '../platform/linux/machine.ts'
import { StoreUnavailable } from '../store/store.ts'
import { attachmentKey, MemoryAttachmentStore } from './attachment.ts'
import type { CniRequest, CniResult, NetworkConfiguration } from '../api/cni-protocol.ts'
import type { AddressRequest, CniServiceNeeds } from './cni-ports.ts'
import { CniService } from './service.ts'

const isRoot = process.platform === 'linux' && process.getuid?.() === 0
if (!isRoot) console.log('Skipped: attaching pods on the real kernel needs Linux and root')

/** What a CNI service stands on, with a log of what it did to the cluster. */
function harness(machine: Machine, host: Kernel) {
  const clock = new VirtualClock()
  const attachments = new MemoryAttachmentStore()
  const held = new Map<string, readonly IpAddress[]>()
  const endpoints = new Map<string, string>()
  let fail: { readonly step: string; readonly of?: string } | undefined
  const lacking: string[] = []
  /** Where addresses were to come from. */
  const asked: string[] = []
  let next = 10
  let gate: Promise<void> | undefined
  const failAt = (step: string, of?: string): void => {
    if (fail?.step === step && (fail.of ?? of) === of) throw new Error(`the ${step} failed`)
    if (fail?.step === 'store') throw new StoreUnavailable('no answer')
  }
  const needs: CniServiceNeeds = {
    node: 'server01',
    boot: 'first',
    host,
    machine,
    attachments,
    log: silentLog,
    clock,
    random: new SeededRandom(1),
    addresses: {
      async assign({ handle, wanted, pools = [], isOfPodCidr = false }: AddressRequest) {
        failAt('assignment')
        await gate
        asked.push(...pools, ...(isOfPodCidr ? ['podCIDR'] : []))
        const addresses = wanted.length > 0 ? wanted : [ip(`10.211.0.${next++}`)]
        held.set(handle, [...(held.get(handle) ?? []), ...addresses])
        return addresses
      },
      async release(handle, except) {
        failAt('release', handle)
        const rest = (held.get(handle) ?? []).filter((address) => except.includes(address))
        if (rest.length === 0) held.delete(handle)
        else held.set(handle, rest)
      },
      lost: async (handle, addresses) =>
        addresses.filter((address) => held.get(handle)?.includes(address) !== true),
      handles: async () => [...held.keys()],
      async assertAvailable() {
        failAt('availability')
      },
    },
    endpoints: {
      refusal: ({ interfaceName, orchestrator, pod }) =>
        interfaceName === '-' || (orchestrator === 'k8s' && pod.endsWith('-'))
          ? 'a name ends with "-"'
          : undefined,
      async publish(attachment) {
        failAt('publication')
        endpoints.set(attachment.pod, attachment.containerId)
      },
      async withdraw({ pod, containerId }) {
        if (endpoints.get(pod) === containerId) endpoints.delete(pod)
      },
    },
    podMtu: () => 1480,
    notReady: () => undefined,
    lacking: () => lacking,
    onChange() {},
  }
  const service = new CniService(needs)
  /** Assignments wait until what is returned is called. */
  const hold = (): (() => void) => {
    let release = (): void => {}
    gate = new Promise((resolve) => (release = resolve))
    return release
  }
  /** A step fails from now on, or only for one handle; or none does. */
  const breakAt = (step?: string, of?: string): void => {
    fail = step === undefined ? undefined : { step, ...(of === undefined ? {} : { of }) }
  }
  const lack = (what: string): unknown => lacking.push(what)
  return { needs, service, clock, attachments, held, endpoints, hold, breakAt, lack, asked }
}

const configuration: NetworkConfiguration = {
  cniVersion: '1.1.0',
  name: 'k8s-pod-network',
  type: 'tortie-cni',
  mtu: 1500,
  args: { cni: { ips: ['10.211.0.6'], labels: [{ key: 'app', value: 'network' }] } },
}

const ROUTE = { type: 'unicast', table: 254, protocol: 3, priority: 0 } as const

function drop(kernel: Kernel, destination: string): void {
  for (const route of kernel.routes().filter((row) => row.destination === destination)) {
    kernel.deleteRoute(route)
  }
}

function podArguments(namespace: string, name: string): Record<string, string> {
  return { K8S_POD_NAMESPACE: namespace, K8S_POD_NAME: name }
}

/** The machines that pods are attached on: the rules are the same without root. */
const MACHINES = [
  {
    kernel: 'simulated',
    canRun: true,
    make: (): Machine =>
      createSimulatedMachine({ clock: new VirtualClock(), random: new SeededRandom(1) }),
  },
  { kernel: 'real', canRun: isRoot, make: createLinuxMachine },
]

describe.each(MACHINES.filter(({ canRun }) => canRun))('attaching pods, $kernel', ({ make }) => {
  const names = {
    host: `tcni${process.pid}h`,
    pod: `tcni${process.pid}p`,
    newer: `tcni${process.pid}n`,
  }
  let machine: Machine
  let host: Kernel
  let pod: Kernel
  let request: (command: CniRequest['command'], change?: Partial<CniRequest>) => CniRequest

  beforeEach(() => {
    machine = make()
    host = machine.createNamespace(names.host)
    host.writeSysctl('ipv4.ip_forward', '1') // as the agent keeps it
    pod = machine.createNamespace(names.pod)
    machine.createNamespace(names.newer).close()
    request = (command, change) => ({
      command,
      containerId: 'c1',
      networkNamespace: machine.namespacePath(names.pod),
      interfaceName: 'eth0',
      arguments: { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: 'network-5z4qp' },
      configuration,
      ...change,
    })
  })

  afterEach(() => {
    for (const kernel of [pod, host]) kernel.close()
    for (const name of Object.values(names)) machine.deleteNamespace(name)
  })

  it('makes the pair, addresses and routes as Calico does', async () => {
    const { service, endpoints } = harness(machine, host)
    const result = await service.handle(request('ADD'))
    expect(result?.ips).toEqual([
      { address: '10.211.0.6/32', gateway: '169.254.1.1', interface: 1 },
    ])
    expect(result?.routes).toEqual([
      { dst: '169.254.1.1/32', scope: 253 },
      { dst: '0.0.0.0/0', gw: '169.254.1.1' },
    ])
    expect(result?.interfaces[0]).toEqual({ name: 'cali50914021272' })
    expect(result?.interfaces[1]).toMatchObject({ name: 'eth0', mtu: 1500 })
    const hostEnd = host.link('cali50914021272')
    expect(hostEnd).toMatchObject({ up: true, mtu: 1500, macAddress: 'ee:ee:ee:ee:ee:ee' })
    expect(host.readSysctl('ipv4.conf.cali50914021272.proxy_arp')).toBe('1')
    expect(host.routes()).toContainEqual(
      expect.objectContaining({
        destination: '10.211.0.6/32',
        scope: 'link',
        protocol: 3,
        nextHops: [expect.objectContaining({ linkIndex: hostEnd?.index })],
      }),
    )
    expect(pod.routes().map((route) => route.destination)).toEqual(
      expect.arrayContaining(['0.0.0.0/0', '169.254.1.1/32']),
    )
    expect(endpoints.get('network-5z4qp')).toBe('c1')
    await expect(service.handle(request('CHECK'))).resolves.toBeNull()
  })

  it('takes the MTU of the configuration, and else the node’s, which the pod then follows', async () => {
    const { service, attachments } = harness(machine, host)
    await service.handle(request('ADD'))
    expect(attachments.list()).toMatchObject([{ mtu: 1500, followsNodeMtu: false }])
    await service.handle(request('DEL'))
    const { mtu: _, ...rest } = configuration
    await service.handle(request('ADD', { configuration: { ...rest, mtu: 0 } }))
    expect(attachments.list()).toMatchObject([{ mtu: 1480, followsNodeMtu: true }])
    expect(pod.link('eth0')?.mtu).toBe(1480)
  })

  it('leaves nothing after DEL, however often and in whatever state', async () => {
    const { service, attachments, held, endpoints } = harness(machine, host)
    await service.handle(request('DEL'))
    await service.handle(request('ADD'))
    await service.handle(request('DEL'))
    await service.handle(request('DEL', { networkNamespace: '' }))
    await service.handle(request('DEL', { networkNamespace: '/run/netns/never-was' }))
    expect(host.link('cali50914021272')).toBeUndefined()
    expect(pod.link('eth0')).toBeUndefined()
    expect([attachments.list().length, held.size, endpoints.size]).toEqual([0, 0, 0])
  })

  it.each(['assignment', 'publication'])('undoes everything when the %s fails', async (step) => {
    const { service, attachments, held, breakAt } = harness(machine, host)
    breakAt(step)
    await expect(service.handle(request('ADD'))).rejects.toThrow(`the ${step} failed`)
    expect([attachments.list().length, held.size]).toEqual([0, 0])
    expect(host.link('cali50914021272')).toBeUndefined()
    breakAt()
    await service.handle(request('ADD'))
    expect(pod.link('eth0')?.up).toBe(true)
  })

  it('undoes at the next start what a crash left half made', async () => {
    const first = harness(machine, host)
    await first.service.handle(request('ADD'))
    for (const row of first.attachments.list()) first.attachments.put({ ...row, state: 'adding' })
    first.service.recover()
    await settled()
    expect(pod.link('eth0')).toBeUndefined()
    expect(first.held.size).toBe(0)
  })

  it('undoes it later when the datastore is away at the start', async () => {
    const { service, clock, attachments, held, breakAt } = harness(machine, host)
    await service.handle(request('ADD'))
    for (const row of attachments.list()) attachments.put({ ...row, state: 'adding' })
    breakAt('store')
    service.recover()
    await clock.advance(200_000)
    expect(attachments.list()).toHaveLength(1)
    expect(held.size).toBe(1)
    breakAt()
    await clock.advance(60_000)
    expect([attachments.list().length, held.size]).toEqual([0, 0])
  })

  it('undoes in the background what a failed ADD left while the datastore was away', async () => {
    const { service, clock, attachments, held, breakAt } = harness(machine, host)
    breakAt('store')
    await expect(service.handle(request('ADD'))).rejects.toThrow('no answer')
    expect(attachments.list()).toMatchObject([{ state: 'adding' }])
    breakAt()
    await clock.advance(60_000)
    expect([attachments.list().length, held.size]).toEqual([0, 0])
    await service.handle(request('ADD'))
    expect(pod.link('eth0')?.up).toBe(true)
  })

  it('takes a pod away while the datastore is away, and what stands there later', async () => {
    const { service, clock, attachments, held, endpoints, breakAt } = harness(machine, host)
    await service.handle(request('ADD'))
    breakAt('store')
    expect(await service.handle(request('DEL'))).toBeNull()
    expect(host.link('cali50914021272')).toBeUndefined()
    expect(attachments.list()).toHaveLength(1)
    breakAt()
    await clock.advance(60_000)
    expect([attachments.list().length, held.size, endpoints.size]).toEqual([0, 0, 0])
  })

  it('says "try again later" while the datastore is away, and undoes the rest at the next ADD', async () => {
    const { service, attachments, held, breakAt } = harness(machine, host)
    breakAt('store')
    await expect(service.handle(request('ADD'))).rejects.toMatchObject({
      cniCode: 11,
      message: 'The datastore does not answer: no answer',
    })
    expect(attachments.list()).toMatchObject([{ state: 'adding' }])
    breakAt()
    await service.handle(request('ADD'))
    expect(attachments.list()).toMatchObject([{ state: 'ready' }])
    expect(held.size).toBe(1)
  })

  it('is ready, or says what ADD would fail for', async () => {
    const { service, attachments, breakAt, lack } = harness(machine, host)
    expect(await service.handle(request('STATUS'))).toBeNull()
    breakAt('store')
    await expect(service.handle(request('STATUS'))).rejects.toMatchObject({
      cniCode: 50,
      message: 'The datastore does not answer: no answer',
    })
    breakAt()
    await service.handle(request('ADD'))
    lack('forwarding is off')
    expect(await service.handle(request('STATUS'))).toBeNull()
    attachments.assertWritable = () => {
      const error = new Error('ENOSPC: no space left on device, write')
      throw Object.assign(error, { errno: -28, syscall: 'write', code: 'ENOSPC' })
    }
    await expect(service.handle(request('STATUS'))).rejects.toMatchObject({
      cniCode: 51,
      message: 'ENOSPC: no space left on device, write; forwarding is off',
    })
  })

  it('leaves the namespace of the node itself alone', async () => {
    const { service, attachments } = harness(machine, host)
    const networkNamespace = machine.namespacePath(names.host)
    await expect(service.handle(request('ADD', { networkNamespace }))).rejects.toMatchObject({
      cniCode: 8,
      message: expect.stringContaining('the network namespace of the node itself'),
    })
    expect(attachments.list()).toEqual([])
    expect(host.link('eth0')).toBeUndefined()
  })

  it('gives back at GC what can be, and tells of what cannot', async () => {
    const { service, held, breakAt } = harness(machine, host)
    held.set('k8s-pod-network.lost', [ip('10.211.0.98')])
    held.set('k8s-pod-network.lost-too', [ip('10.211.0.99')])
    const none = { ...configuration, 'cni.dev/valid-attachments': [] }
    breakAt('release', 'k8s-pod-network.lost')
    await expect(service.handle(request('GC', { configuration: none }))).rejects.toThrow(
      'the release failed',
    )
    expect([...held.keys()]).toEqual(['k8s-pod-network.lost'])
  })

  it('never takes away at GC what the list names, known here or not', async () => {
    const { service, held } = harness(machine, host)
    held.set('k8s-pod-network.c9', [ip('10.211.0.99')])
    const valid = [{ containerID: 'c9', ifname: 'eth0' }]
    const gc = { ...configuration, 'cni.dev/valid-attachments': valid }
    await service.handle(request('GC', { configuration: gc }))
    expect([...held.keys()]).toEqual(['k8s-pod-network.c9'])
  })

  it('touches nothing at GC without the list', async () => {
    const { service, attachments } = harness(machine, host)
    await service.handle(request('ADD'))
    await expect(service.handle(request('GC'))).rejects.toMatchObject({ cniCode: 7 })
    expect(attachments.list()).toHaveLength(1)
  })

  it.each([
    ['an interface of a dash', { interfaceName: '-' }],
    ['a pod whose name ends with a dash', { arguments: podArguments('default', 'web-') }],
  ])('refuses %s before anything is written, and deletes it', async (_, change) => {
    const { service, attachments, held } = harness(machine, host)
    await expect(service.handle(request('ADD', change))).rejects.toMatchObject({
      cniCode: 4,
      message: expect.stringContaining('cannot be a workload endpoint'),
    })
    expect([attachments.list().length, held.size]).toEqual([0, 0])
    expect(await service.handle(request('DEL', change))).toBeNull()
  })

  it.each([
    podArguments('', 'web'),
    podArguments('default', ''),
    podArguments('', ''),
    { K8S_POD_NAME: 'web' },
    {},
  ])('knows a pod by its container unless Kubernetes gave both its names: %j', async (given) => {
    const { service, attachments } = harness(machine, host)
    await service.handle(request('ADD', { arguments: given }))
    expect(attachments.list()).toMatchObject([
      { orchestrator: 'cni', namespace: 'default', pod: 'c1', hostInterfaceName: 'calic1' },
    ])
    expect(await service.handle(request('DEL', { arguments: given }))).toBeNull()
  })

  it('goes on with DEL and GC when something cannot be undone, and with it later', async () => {
    const { service, clock, attachments, held, breakAt } = harness(machine, host)
    await service.handle(request('ADD'))
    breakAt('release')
    expect(await service.handle(request('DEL'))).toBeNull()
    const gc = { ...configuration, 'cni.dev/valid-attachments': [] }
    expect(await service.handle(request('GC', { configuration: gc }))).toBeNull()
    expect(attachments.list()).toMatchObject([{ state: 'adding' }])
    breakAt()
    await clock.advance(60_000)
    expect([attachments.list().length, held.size]).toEqual([0, 0])
  })

  it('refuses a second ADD of the same container and leaves the first alone', async () => {
    const { service } = harness(machine, host)
    await service.handle(request('ADD'))
    await expect(service.handle(request('ADD'))).rejects.toThrow(
      'Container c1 already has eth0 with 10.211.0.6: a second ADD needs a DEL first',
    )
    await expect(service.handle(request('CHECK'))).resolves.toBeNull()
  })

  it('gives a container several interfaces, each with an end, an address and a DEL of its own', async () => {
    const { service, held, attachments } = harness(machine, host)
    await service.handle(request('ADD'))
    const second = { interfaceName: 'eth1', configuration: { ...configuration, args: {} } }
    const result = await service.handle(request('ADD', second))
    expect(result?.ips[0]).toMatchObject({ address: '10.211.0.10/32' })
    const [first, other] = attachments.list().map((row) => row.hostInterfaceName)
    expect(first).toBe('cali50914021272')
    expect(other).toMatch(/^cali[0-9a-f]{11}$/)
    expect(other).not.toBe(first)
    const ways = () =>
      pod
        .routes()
        .filter(({ destination }) => destination === '0.0.0.0/0')
        .map(({ priority, nextHops }) => [priority, nextHops[0]?.linkIndex])
    expect(ways()).toEqual([
      [0, pod.link('eth0')?.index],
      [1, pod.link('eth1')?.index],
    ])
    await service.handle(request('CHECK'))
    await service.handle(request('CHECK', second))
    await service.handle(request('DEL', second))
    expect([...held.values()]).toEqual([['10.211.0.6']])
    expect(pod.link('eth1')).toBeUndefined()
    await service.handle(request('CHECK'))
    await service.handle(request('DEL'))
    expect(held.size).toBe(0)
  })

  it('never takes the end of another container, whose id begins as its own does', async () => {
    const { service, attachments } = harness(machine, host)
    const args = { configuration: { ...configuration, args: {} }, arguments: {} }
    const other = { ...args, networkNamespace: machine.namespacePath(names.newer) }
    await service.handle(request('ADD', { ...args, containerId: 'default-web1' }))
    await service.handle(request('ADD', { ...other, containerId: 'default-web2' }))
    const [first, second] = attachments.list().map((row) => row.hostInterfaceName)
    expect(first).toBe('calidefault-web')
    expect(second).toMatch(/^cali[0-9a-f]{11}$/)
    await service.handle(request('CHECK', { ...args, containerId: 'default-web1' }))
    await service.handle(request('DEL', { ...other, containerId: 'default-web2' }))
    await service.handle(request('CHECK', { ...args, containerId: 'default-web1' }))
    await service.handle(request('DEL', { ...args, containerId: 'default-web3' }))
    await service.handle(request('CHECK', { ...args, containerId: 'default-web1' }))
  })

  it.each(['web-', 'Abc_DEF.1', 'a', 'x'.repeat(200), 'my.app_-'])(
    'attaches a container of any legal name: %s',
    async (containerId) => {
      const { service, attachments } = harness(machine, host)
      const named = { containerId, arguments: {} }
      await service.handle(request('ADD', named))
      await service.handle(request('CHECK', named))
      await service.handle(request('DEL', named))
      expect(attachments.list()).toEqual([])
    },
  )

  it('leaves an interface at DEL that it did not make', async () => {
    const { service } = harness(machine, host)
    pod.createLink({ kind: 'veth', name: 'eth0', peer: { name: 'other', kernel: host } })
    await expect(service.handle(request('ADD'))).rejects.toMatchObject({ cniCode: 100 })
    expect(await service.handle(request('DEL'))).toBeNull()
    expect(pod.link('eth0')).toBeDefined()
    host.deleteLink(host.link('other')!.index)
  })

  it('leaves what another network made at the DEL of one that was refused', async () => {
    const { service } = harness(machine, host)
    await service.handle(request('ADD'))
    const other = { configuration: { ...configuration, name: 'other' } }
    await expect(service.handle(request('ADD', other))).rejects.toMatchObject({ cniCode: 100 })
    await service.handle(request('DEL', other))
    await service.handle(request('CHECK'))
  })

  it('removes at DEL what it made though its memory is lost', async () => {
    const { service, attachments, held } = harness(machine, host)
    await service.handle(request('ADD'))
    for (const row of attachments.list()) attachments.delete(attachmentKey(row))
    await service.handle(request('DEL'))
    expect(pod.link('eth0')).toBeUndefined()
    expect(held.size).toBe(0)
  })

  it('attaches again after the machine was started anew, without a DEL', async () => {
    const { needs, service, attachments } = harness(machine, host)
    await service.handle(request('ADD'))
    pod.deleteLink(pod.link('eth0')!.index)
    await new CniService({ ...needs, boot: 'second' }).handle(request('ADD'))
    expect(attachments.list()).toMatchObject([{ boot: 'second', state: 'ready' }])
  })

  it('attaches again a container whose namespace is gone, without a DEL', async () => {
    const { service, attachments, held } = harness(machine, host)
    const networkNamespace = machine.namespacePath(names.newer)
    await service.handle(request('ADD', { networkNamespace }))
    machine.deleteNamespace(names.newer)
    machine.createNamespace(names.newer).close()
    await expect
      .poll(() => host.link('cali50914021272'), { interval: 1, timeout: 5_000 })
      .toBeUndefined()
    await service.handle(request('ADD', { networkNamespace }))
    expect(attachments.list()).toMatchObject([{ state: 'ready' }])
    expect([...held.values()]).toEqual([['10.211.0.6']])
  })

  it('gives back at its start what pods had that are gone', async () => {
    const { needs, service, attachments, held } = harness(machine, host)
    const networkNamespace = machine.namespacePath(names.newer)
    await service.handle(request('ADD'))
    const other = { ...configuration, args: {} }
    const gone = { containerId: 'c2', networkNamespace, arguments: {}, configuration: other }
    await service.handle(request('ADD', gone))
    machine.deleteNamespace(names.newer)
    machine.createNamespace(names.newer).close()
    await expect.poll(() => host.link('calic2'), { interval: 1, timeout: 5_000 }).toBeUndefined()
    new CniService(needs).recover()
    await settled()
    expect(attachments.list()).toMatchObject([{ containerId: 'c1', state: 'ready' }])
    expect([...held.keys()]).toEqual(['k8s-pod-network.c1'])
    new CniService({ ...needs, boot: 'second' }).recover()
    await settled()
    expect(held.size).toBe(0)
  })

  it('takes no pod for gone by what the machine lacks at the moment', async () => {
    const { needs, clock, attachments } = harness(machine, host)
    let isOut = false
    const openNamespace = (path: string): Kernel => {
      if (isOut) throw new KernelError('EMFILE', `Open ${path}`)
      return machine.openNamespace(path)
    }
    const service = new CniService({ ...needs, machine: { openNamespace } })
    service.recover()
    await service.handle(request('ADD'))
    host.deleteLink(host.link('cali50914021272')!.index)
    isOut = true
    await clock.advance(120_000)
    expect(attachments.list()).toMatchObject([{ state: 'ready' }])
    await expect(service.handle(request('CHECK'))).rejects.toMatchObject({ cniCode: 5 })
    isOut = false
    await clock.advance(120_000)
    expect(attachments.list()).toMatchObject([{ state: 'ready' }])
    service.stop()
  })

  it('gives back what a pod had that goes without a DEL, in a while', async () => {
    const { needs, clock, attachments, held } = harness(machine, host)
    const service = new CniService(needs)
    service.recover()
    const networkNamespace = machine.namespacePath(names.newer)
    await service.handle(request('ADD', { networkNamespace }))
    await clock.advance(120_000)
    expect(attachments.list()).toHaveLength(1)
    machine.deleteNamespace(names.newer)
    machine.createNamespace(names.newer).close()
    await expect
      .poll(() => host.link('cali50914021272'), { interval: 1, timeout: 5_000 })
      .toBeUndefined()
    await clock.advance(120_000)
    expect([attachments.list().length, held.size]).toEqual([0, 0])
    service.stop()
  })

  it('obeys addresses, MAC address, DNS, routes and forwarding that are asked for', async () => {
    const { service, attachments } = harness(machine, host)
    const asking = {
      arguments: { IP: '10.211.0.8', MAC: '02:00:00:00:00:08' },
      configuration: {
        ...configuration,
        ipam: { routes: [{ dst: '10.0.0.0/8' }] },
        container_settings: { allow_ip_forwarding: true },
        dns: { nameservers: ['10.96.0.10'], domain: 'a.test' },
        runtimeConfig: {
          ips: ['10.211.0.7/24', '10.211.0.7'],
          mac: '02:00:00:00:00:07',
          dns: { servers: ['10.96.0.11'], searches: ['b.test'] },
        },
      },
    }
    const result = await service.handle(request('ADD', asking))
    expect(result?.ips.map(({ address }) => address)).toEqual(['10.211.0.7/32'])
    expect(result?.interfaces[1]?.mac).toBe('02:00:00:00:00:07')
    expect(pod.link('eth0')?.macAddress).toBe('02:00:00:00:00:07')
    expect(result?.dns).toEqual({
      nameservers: ['10.96.0.11'],
      domain: 'a.test',
      search: ['b.test'],
    })
    expect(pod.routes().map(({ destination }) => destination)).toEqual(
      expect.arrayContaining(['10.0.0.0/8', '169.254.1.1/32']),
    )
    expect(pod.routes().map(({ destination }) => destination)).not.toContain('0.0.0.0/0')
    expect(pod.readSysctl('ipv4.ip_forward')).toBe('1')
    const { hostInterfaceName } = attachments.list()[0]!
    expect(host.link(hostInterfaceName)?.macAddress).toBe('ee:ee:ee:ee:ee:ee')
    await service.handle(request('CHECK', asking))
  })

  it('takes addresses of CNI_ARGS only where the configuration has none', async () => {
    const { service } = harness(machine, host)
    const { args: _, ...rest } = configuration
    const both = { arguments: { IP: '10.211.0.8' } }
    const first = await service.handle(request('ADD', both))
    expect(first?.ips.map(({ address }) => address)).toEqual(['10.211.0.6/32'])
    await service.handle(request('DEL', both))
    const second = await service.handle(request('ADD', { ...both, configuration: rest }))
    expect(second?.ips.map(({ address }) => address)).toEqual(['10.211.0.8/32'])
  })

  it.each([
    ['IP', '10.211', 4, 'IP in CNI_ARGS has "10.211", which is no IP address'],
    ['IP', 'fd00::6', 2, 'IP in CNI_ARGS has "fd00::6", which is not supported'],
    ['MAC', 'x', 4, 'MAC in CNI_ARGS is "x"'],
    ['MAC', '01:00:00:00:00:01', 4, 'expected the MAC address of one interface'],
  ])('refuses %s=%s in CNI_ARGS', async (name, value, cniCode, message) => {
    const { service, attachments } = harness(machine, host)
    const { args: _, ...rest } = configuration
    const asking = { arguments: { [name]: value }, configuration: rest }
    await expect(service.handle(request('ADD', asking))).rejects.toMatchObject({
      cniCode,
      message: expect.stringContaining(message),
    })
    expect(attachments.list()).toEqual([])
  })

  it('refuses an address of the node itself', async () => {
    const { service, attachments } = harness(machine, host)
    const { index } = host.createLink({ kind: 'bridge', name: 'br0' })
    const own = { linkIndex: index, address: ip('10.211.0.6'), prefixLength: 32 } as const
    host.addAddress({ ...own, scope: 'global' })
    await expect(service.handle(request('ADD'))).rejects.toMatchObject({
      cniCode: 101,
      message: 'The address 10.211.0.6 is one of node server01 itself',
    })
    expect(attachments.list()).toEqual([])
  })

  it('asks the pools that are named, or the range of the node', async () => {
    const { service, asked } = harness(machine, host)
    const of = (ipam: object) => ({ configuration: { ...configuration, args: {}, ipam } })
    await service.handle(request('ADD', of({ ipv4_pools: ['blue', '10.9.0.0/16'] })))
    await service.handle(request('DEL'))
    await service.handle(request('ADD', of({ type: 'host-local', subnet: 'usePodCidr' })))
    expect(asked).toEqual(['blue', '10.9.0.0/16', 'podCIDR'])
  })

  it.each([
    [{ nodename: 'server02' }, 'nodename is "server02"; expected "server01"'],
    [{ hostname: 'server02' }, 'hostname is "server02"'],
    [{ kubernetes: { node_name: 'server02' } }, 'kubernetes.node_name is "server02"'],
  ])('refuses what is meant for another node: %j', async (change, message) => {
    const { service } = harness(machine, host)
    const asking = { configuration: { ...configuration, ...change } }
    for (const [command, cniCode] of [
      ['ADD', 7],
      ['STATUS', 50],
    ] as const) {
      await expect(service.handle(request(command, asking))).rejects.toMatchObject({
        cniCode,
        message: expect.stringContaining(message),
      })
    }
    const own = { ...configuration, nodename: 'server01', hostname: 'server02' }
    await service.handle(request('ADD', { configuration: own }))
  })

  it('adds to what plugins before it made', async () => {
    const { service } = harness(machine, host)
    const prevResult = {
      interfaces: [{ name: 'br0' }, { name: 'net1', sandbox: '/n' }],
      ips: [{ address: '10.1.0.2/24', interface: 1 }],
      routes: [{ dst: '10.1.0.0/16', gw: '10.1.0.1' }],
      dns: { nameservers: ['10.1.0.1'] },
    }
    const chained = { configuration: { ...configuration, prevResult } }
    const result = await service.handle(request('ADD', chained))
    expect(result?.interfaces.map(({ name }) => name)).toEqual([
      'br0',
      'net1',
      'cali50914021272',
      'eth0',
    ])
    expect(result?.ips).toEqual([
      ...prevResult.ips,
      { address: '10.211.0.6/32', gateway: '169.254.1.1', interface: 3 },
    ])
    expect(result?.routes).toHaveLength(3)
    expect(result?.dns).toEqual(prevResult.dns)
  })

  it('compares at CHECK with what the runtime says that ADD ended with', async () => {
    const { service } = harness(machine, host)
    const prevResult = (await service.handle(request('ADD')))!
    const check = (change: Partial<CniResult>) =>
      service.handle(
        request('CHECK', {
          configuration: { ...configuration, prevResult: { ...prevResult, ...change } },
        }),
      )
    expect(await check({})).toBeNull()
    const [host0, eth0] = prevResult.interfaces
    await expect(check({ interfaces: [host0!, { ...eth0!, name: 'ethX' }] })).rejects.toThrow(
      'prevResult has no interface eth0 of a container',
    )
    await expect(check({ ips: [{ address: '10.1.1.1/32', interface: 1 }] })).rejects.toThrow(
      'eth0 lacks the address 10.1.1.1/32 of prevResult',
    )
    const other = '02:00:00:00:00:99'
    await expect(check({ interfaces: [host0!, { ...eth0!, mac: other }] })).rejects.toThrow(
      `in prevResult ${other}`,
    )
    pod.changeLink(pod.link('eth0')!.index, { macAddress: mac(other), mtu: 1400 })
    const changed = [host0!, { ...eth0!, mac: other, mtu: 1400 }]
    expect(await check({ interfaces: changed })).toBeNull()
    await expect(check({})).rejects.toThrow('eth0 has an MTU of 1400, in prevResult 1500')
  })

  it('tells at CHECK that the address was given back behind its back', async () => {
    const { service, held } = harness(machine, host)
    await service.handle(request('ADD'))
    held.clear()
    await expect(service.handle(request('CHECK'))).rejects.toThrow(
      'IPAM no longer has 10.211.0.6 for this container',
    )
  })

  it.each([
    ['the route to the gateway', () => drop(pod, '169.254.1.1/32'), 'no route to its gateway'],
    ['the default route', () => drop(pod, '0.0.0.0/0'), 'no default route via 169.254.1.1'],
    [
      'forwarding',
      () => host.writeSysctl('ipv4.ip_forward', '0'),
      'net.ipv4.ip_forward is 0 on the host, expected 1',
    ],
    [
      'proxy ARP',
      () => host.writeSysctl('ipv4.conf.cali50914021272.proxy_arp', '0'),
      'proxy_arp is 0 on the host, expected 1',
    ],
  ])('tells at CHECK that somebody took away %s', async (_, take, message) => {
    const { service } = harness(machine, host)
    const prevResult = (await service.handle(request('ADD')))!
    take()
    const check = request('CHECK', { configuration: { ...configuration, prevResult } })
    await expect(service.handle(check)).rejects.toThrow(message)
  })

  it('allows at CHECK that a plugin behind it moved the routes', async () => {
    const { service } = harness(machine, host)
    const prevResult = (await service.handle(request('ADD')))!
    for (const route of pod.routes().filter(({ nextHops }) => nextHops.length > 0)) {
      pod.deleteRoute(route)
    }
    const { index: linkIndex } = pod.link('eth0')!
    const gateway = { ...ROUTE, destination: prefix('169.254.1.1/32'), scope: 'link' } as const
    pod.addRoute({ ...gateway, table: 100, nextHops: [{ linkIndex }] })
    const check = request('CHECK', {
      configuration: {
        ...configuration,
        prevResult: { ...prevResult, routes: [{ dst: '169.254.1.1/32' }] },
      },
    })
    expect(await service.handle(check)).toBeNull()
  })

  it('refuses a namespace that does not exist', async () => {
    const { service, attachments } = harness(machine, host)
    const add = service.handle(request('ADD', { networkNamespace: '/run/netns/no-such' }))
    await expect(add).rejects.toThrow('CNI_NETNS is /run/netns/no-such')
    expect(attachments.list()).toEqual([])
  })

  it('refuses a file that is no namespace, and DEL does without it', async () => {
    const { service, held } = harness(machine, host)
    const plain = { networkNamespace: '/etc/hostname' }
    await expect(service.handle(request('ADD', plain))).rejects.toThrow(
      'CNI_NETNS is /etc/hostname',
    )
    await service.handle(request('ADD'))
    await service.handle(request('DEL', plain))
    expect(held.size).toBe(0)
    expect(host.link('cali50914021272')).toBeUndefined()
  })

  it('leaves a newer container of the same pod alone when the older one is deleted late', async () => {
    const { service, endpoints } = harness(machine, host)
    await service.handle(request('ADD'))
    const other = { ...configuration, args: { cni: { ips: ['10.211.0.7'] } } }
    const networkNamespace = machine.namespacePath(names.newer)
    await service.handle(
      request('ADD', { containerId: 'c2', configuration: other, networkNamespace }),
    )
    await service.handle(request('DEL'))
    expect(host.link('cali50914021272')?.up).toBe(true)
    expect(endpoints.get('network-5z4qp')).toBe('c2')
  })

  it('tells at CHECK what is not as it was', async () => {
    const { service } = harness(machine, host)
    await service.handle(request('ADD'))
    const row = pod.addresses().find(({ address }) => address === '10.211.0.6')!
    pod.deleteAddress(row)
    host.changeLink(host.link('cali50914021272')!.index, { up: false })
    await expect(service.handle(request('CHECK'))).rejects.toThrow(
      /cali50914021272 is down; eth0 lacks the address 10\.211\.0\.6/,
    )
  })

  it('tells at CHECK that the host end is missing', async () => {
    const { service } = harness(machine, host)
    await service.handle(request('ADD'))
    host.deleteLink(host.link('cali50914021272')!.index)
    await expect(service.handle(request('CHECK'))).rejects.toThrow(
      'cali50914021272 is missing on the host',
    )
  })

  it('serves requests for one container in turn, and others meanwhile', async () => {
    const { service, attachments, hold } = harness(machine, host)
    const done: string[] = []
    const serve = (what: string, asked: CniRequest) =>
      service.handle(asked).then(
        () => done.push(what),
        () => done.push(`${what} refused`),
      )
    const release = hold()
    const add = serve('ADD', request('ADD'))
    const del = serve('DEL', request('DEL'))
    await serve('other DEL', request('DEL', { containerId: 'c2' }))
    expect(done).toEqual(['other DEL'])
    release()
    await Promise.all([add, del])
    expect(done).toEqual(['other DEL', 'ADD', 'DEL'])
    expect(attachments.list()).toEqual([])
    expect(host.link('cali50914021272')).toBeUndefined()
  })

  it('checks an attachment once it is whole', async () => {
    const { service, hold } = harness(machine, host)
    const release = hold()
    const add = service.handle(request('ADD'))
    const check = service.handle(request('CHECK'))
    await settled()
    release()
    await add
    await expect(check).resolves.toBeNull()
  })

  it('collects nothing of another network', async () => {
    const { service, attachments, held } = harness(machine, host)
    await service.handle(request('ADD'))
    await service.handle(
      request('GC', {
        configuration: { ...configuration, name: 'other', 'cni.dev/valid-attachments': [] },
      }),
    )
    expect(attachments.list()).toHaveLength(1)
    expect([...held.keys()]).toEqual(['k8s-pod-network.c1'])
    await expect(service.handle(request('CHECK'))).resolves.toBeNull()
  })

  it('collects what the runtime no longer knows', async () => {
    const { service, attachments, held } = harness(machine, host)
    await service.handle(request('ADD'))
    held.set('k8s-pod-network.lost', [ip('10.211.0.99')])
    held.set('other-network.kept', [ip('10.211.0.98')])
    const keep = {
      ...configuration,
      'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
    }
    await service.handle(request('GC', { configuration: keep }))
    expect([...held.keys()].sort()).toEqual(['k8s-pod-network.c1', 'other-network.kept'])
    const none = { ...configuration, 'cni.dev/valid-attachments': [] }
    await service.handle(request('GC', { configuration: none }))
    expect(attachments.list()).toEqual([])
    expect([...held.keys()]).toEqual(['other-network.kept'])
  })
})
