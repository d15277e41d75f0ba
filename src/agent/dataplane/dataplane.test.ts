import { expect, it } from 'vitest'
import { attachPod } from '../../cni/networking.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { createSimulatedMachine } from '../../kernel/sim/machine.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip, type IpAddress } from '../../net/ip-address.ts'
import { type Prefix, prefix } from '../../net/prefix.ts'
import { Dataplane, type DataplaneSettings, ROUTES_PER_PASS } from './dataplane.ts'
import { memorySysctls } from './host-sysctls.ts'
import type { PodEnd, PodLinkSettings } from './pod-links.ts'

const block = prefix('10.1.0.0/26')
const address = ip('10.1.0.5')

/** What lists everything there is of something, which takes longer the more there is. */
const LISTINGS = ['routes', 'links', 'addresses', 'neighbors'] as const

/** A node whose kernel counts what is listed. */
function node() {
  const clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  const kernel = machine.createNamespace('node')
  const uplink = machine.createNamespace('switch')
  kernel.createLink({ kind: 'veth', name: 'eth0', peer: { name: 'port', kernel: uplink } })
  const { index } = kernel.link('eth0')!
  for (const end of [kernel.link('lo')!.index, index]) kernel.changeLink(end, { up: true })
  uplink.changeLink(uplink.link('port')!.index, { up: true })
  kernel.addAddress({
    linkIndex: index,
    address: ip('10.0.0.1'),
    prefixLength: 24,
    scope: 'global',
  })

  const listed: string[] = []
  const counting = new Proxy<Kernel>(kernel, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      if (LISTINGS.some((name) => name === property)) listed.push(String(property))
      return value.bind(target) as unknown
    },
  })
  const learned = new Map<Prefix, readonly IpAddress[]>()
  const pods: (PodEnd & { addresses: readonly IpAddress[]; hostInterfaceName: string })[] = []
  let podLinks: PodLinkSettings = { mtu: 1500, mtuMayGrow: true, segmentOctets: undefined }
  let settings: Omit<DataplaneSettings, 'podLinks'> = {
    blocks: [block],
    pools: [{ cidr: prefix('10.1.0.0/16'), ipipMode: 'Never', vxlanMode: 'Never' }],
    serviceRanges: [],
    nodeNetworks: [prefix('10.0.0.0/24')],
    tunnel: undefined,
    ownAddress: ip('10.0.0.1'),
    nodeAddresses: () => [],
    externalNodes: [],
    vxlan: undefined,
    tunnelEnds: [],
    isTunnelUsed: false,
    isUnfiltered: false,
  }
  const dataplane = new Dataplane({
    kernel: counting,
    machine,
    tunnelKind: 'auto',
    tunnelPrograms: undefined,
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    savedSysctls: memorySysctls(),
    settings: () => {
      listed.push('settings')
      return { ...settings, podLinks }
    },
    pods: () => pods,
    learned,
    remote: new Map(),
    keepsLearnedRoutes: () => false,
    keepsRemoteRoutes: () => false,
  })
  const attach = (name: string): void => {
    const pod = machine.createNamespace(name)
    const hostInterfaceName = `cali${name}`
    attachPod(kernel, pod, {
      hostInterfaceName,
      interfaceName: 'eth0',
      addresses: [address],
      mtu: 1500,
    })
    const networkNamespace = machine.namespacePath(name)
    const end = { networkNamespace, interfaceName: 'eth0', followsNodeMtu: true }
    pods.push({ addresses: [address], hostInterfaceName, ...end })
    dataplane.podsChanged()
  }
  const wayTo = (destination: string) =>
    kernel.routes().find((route) => route.destination === destination)?.nextHops
  const ends = (name: string): unknown[] => {
    const podEnd = machine.openNamespace(name).link('eth0')
    return [kernel.link(`cali${name}`), podEnd].map((link) => [link?.mtu, link?.segmentOctets])
  }
  const setPodLinks = (change: Partial<PodLinkSettings>): void => {
    podLinks = { ...podLinks, ...change }
    dataplane.settingsChanged()
  }
  const set = (change: Partial<DataplaneSettings>): void => {
    settings = { ...settings, ...change }
    dataplane.settingsChanged()
  }
  const rest = { listed, wayTo, ends, setPodLinks, set }
  return { clock, machine, kernel, dataplane, learned, pods, attach, ...rest }
}

it('serves pods and learned routes that come and go without listing what the kernel has', async () => {
  const { clock, kernel, dataplane, learned, pods, attach, listed, wayTo } = node()
  dataplane.start()
  await clock.advance(10_000) // until IPv6 has its addresses
  listed.length = 0

  attach('a')
  learned.set(prefix('10.1.0.64/26'), [ip('10.0.0.2')])
  dataplane.waysChanged([prefix('10.1.0.64/26')])
  await clock.advance(1_000)
  dataplane.settle()
  expect(dataplane.problems()).toEqual([])
  const before = listed.splice(0)
  expect(wayTo('10.1.0.64/26')).toMatchObject([{ gateway: '10.0.0.2' }])
  expect(wayTo('10.1.0.5/32')).toEqual([{ linkIndex: kernel.link('calia')!.index }])

  pods.length = 0
  kernel.deleteLink(kernel.link('calia')!.index)
  dataplane.podsChanged()
  learned.clear()
  dataplane.waysChanged([prefix('10.1.0.64/26')])
  await clock.advance(1_000)
  expect([...before, ...listed]).toEqual([])
  expect(wayTo('10.1.0.64/26')).toBeUndefined()
  expect(wayTo('10.1.0.5/32')).toBeUndefined()
  dataplane.stop()
})

it('mends the route of a pod whose link went down, which the kernel drops without a word', async () => {
  const { clock, kernel, dataplane, attach, wayTo } = node()
  dataplane.start()
  attach('a')
  await clock.advance(1_000)
  const { index } = kernel.link('calia')!
  kernel.changeLink(index, { up: false })
  expect(wayTo('10.1.0.5/32')).toBeUndefined()
  kernel.changeLink(index, { up: true })
  await clock.advance(5_000)
  expect(wayTo('10.1.0.5/32')).toEqual([{ linkIndex: index }])
  dataplane.stop()
})

it('looks for ways anew when the network between the nodes changes', async () => {
  const { clock, kernel, dataplane, learned, wayTo } = node()
  const afar = prefix('10.1.0.128/26')
  learned.set(afar, [ip('10.9.0.1')])
  dataplane.start()
  dataplane.settle()
  expect(dataplane.problems()).toEqual([`no way to ${afar} via 10.9.0.1`])
  const linkIndex = kernel.link('eth0')!.index
  kernel.addRoute({
    destination: prefix('10.9.0.0/24'),
    type: 'unicast',
    table: 254,
    protocol: 4,
    scope: 'global',
    priority: 0,
    nextHops: [{ linkIndex, gateway: ip('10.0.0.254') }],
  })
  await clock.advance(1_000)
  expect(wayTo(afar)).toEqual([{ linkIndex, gateway: '10.0.0.254' }])
  dataplane.settle()
  expect(dataplane.problems()).toEqual([])
  dataplane.stop()
})

it('leaves the rack’s own network and the host’s default route to the host, and says so', async () => {
  const { clock, kernel, dataplane, learned, attach } = node()
  const linkIndex = kernel.link('eth0')!.index
  const gateway = ip('10.0.0.254')
  const route = { type: 'unicast', table: 254, scope: 'global', protocol: 4 } as const
  const nextHops = [{ linkIndex, gateway }]
  const everything = prefix('0.0.0.0/0')
  kernel.addRoute({ ...route, destination: everything, priority: 100, nextHops })
  const foreign = () => kernel.routes({ family: 4 }).filter(({ protocol }) => protocol !== 12)
  const before = foreign()
  dataplane.start()
  const rack = prefix('10.0.0.0/24')
  for (const destination of [rack, everything]) learned.set(destination, [ip('10.0.0.2')])
  learned.set(prefix('10.0.0.1/32'), [ip('10.0.0.2')])
  dataplane.waysChanged([...learned.keys()])
  await clock.advance(1_000)
  dataplane.settle()
  expect(foreign()).toEqual(expect.arrayContaining([...before]))
  expect(kernel.routes({ protocol: 12 }).filter(({ type }) => type === 'unicast')).toMatchObject([
    { destination: everything, priority: 1024, nextHops: [{ gateway: '10.0.0.2' }] },
  ])
  expect(dataplane.problems()).toEqual([])
  expect([...dataplane.passedOver()].sort()).toEqual([
    '0.0.0.0/0: the host has a route of its own, which is used',
    '10.0.0.0/24: its next hop 10.0.0.2 is in it, and the host has no longer route there',
    '10.0.0.1/32: an address of this node',
  ])
  // A pod's address that the host claims is told of.
  const claim = { ...route, destination: prefix('10.1.0.9/32'), priority: 0, nextHops }
  kernel.addRoute(claim)
  attach('a')
  await clock.advance(100)
  expect(dataplane.problems()).toEqual([])
  kernel.replaceRoute({ ...claim, destination: prefix('10.1.0.5/32') })
  await clock.advance(1_000)
  dataplane.settle()
  expect(dataplane.problems()).toEqual([
    'the host has a route of its own to 10.1.0.5/32, which is used instead',
  ])
  dataplane.stop()
})

it('has both ends of pods’ links take the TCP segments that the ways out take', async () => {
  const { clock, dataplane, attach, ends, setPodLinks } = node()
  dataplane.start()
  attach('a')
  await clock.advance(100)
  expect(ends('a')).toEqual([
    [1500, 65_536],
    [1500, 65_536],
  ])
  const wide = [
    [1500, 180_000],
    [1500, 180_000],
  ]
  setPodLinks({ segmentOctets: 180_000 })
  await clock.advance(100)
  expect(ends('a')).toEqual(wide)
  attach('b')
  await clock.advance(100)
  expect(ends('b')).toEqual(wide)
  setPodLinks({ segmentOctets: 65_536 })
  await clock.advance(100)
  expect(ends('a')).toEqual([
    [1500, 65_536],
    [1500, 65_536],
  ])
})

it('has pods follow its MTU, those that were not given one, and larger only when that is safe', async () => {
  const { clock, machine, dataplane, pods, attach, ends, setPodLinks } = node()
  const mtus = (name: string): unknown => ends(name).map((end) => (end as number[])[0])
  dataplane.start()
  attach('a')
  attach('given')
  pods[1] = { ...pods[1]!, followsNodeMtu: false }
  setPodLinks({ mtu: 1480, mtuMayGrow: false })
  await clock.advance(100)
  expect(mtus('a')).toEqual([1480, 1480])
  expect(mtus('given')).toEqual([1500, 1500])
  // What somebody made of such a pod's own end is not undone by another change.
  const given = machine.openNamespace('given')
  given.changeLink(given.link('eth0')!.index, { mtu: 1300 })
  setPodLinks({ mtu: 1500, segmentOctets: 180_000 })
  await clock.advance(100)
  expect(mtus('a')).toEqual([1480, 1480])
  expect(ends('given')).toEqual([
    [1500, 180_000],
    [1300, 180_000],
  ])
  setPodLinks({ mtuMayGrow: true })
  await clock.advance(100)
  expect(mtus('a')).toEqual([1500, 1500])
})

it('goes on where a pod’s link cannot be changed, and tries again with the next look at all', async () => {
  const { clock, dataplane, pods, attach, ends, setPodLinks, wayTo } = node()
  dataplane.start()
  attach('a')
  const [pod] = pods
  pods[0] = { ...pod!, networkNamespace: '/run/netns/gone' }
  setPodLinks({ segmentOctets: 180_000 })
  await clock.advance(5_000)
  expect(ends('a')).toEqual([
    [1500, 65_536],
    [1500, 65_536],
  ])
  expect(wayTo(`${pod!.addresses[0]}/32`)).toHaveLength(1)
  pods[0] = pod!
  await clock.advance(90_000)
  expect(ends('a')).toEqual([
    [1500, 180_000],
    [1500, 180_000],
  ])
})

it('takes packets of pods by any link while it has a tunnel, and is as strict as the host was after', async () => {
  const { clock, kernel, dataplane, set } = node()
  const filter = (link: string): string => kernel.readSysctl(`ipv4.conf.${link}.rp_filter`)
  kernel.writeSysctl('ipv4.conf.default.rp_filter', '1')
  kernel.writeSysctl('ipv4.conf.eth0.rp_filter', '1')
  dataplane.start()
  expect([filter('eth0'), dataplane.strictLinks]).toEqual(['1', []])
  set({ tunnel: { mtu: 1480, address: undefined } })
  await clock.advance(100)
  expect([filter('eth0'), filter('tunl0')]).toEqual(['2', '2'])
  expect(dataplane.strictLinks).toEqual(['eth0', 'tunl0'])
  set({ tunnel: undefined })
  await clock.advance(100)
  expect([filter('eth0'), dataplane.strictLinks]).toEqual(['1', []])
})

it('sets again what pods need of their links, also what the kernel tells nobody of', async () => {
  const { clock, kernel, dataplane, attach } = node()
  dataplane.start()
  attach('a')
  await clock.advance(1_000)
  const told = ['ipv4.ip_forward', 'ipv4.conf.calia.proxy_arp', 'ipv6.conf.calia.proxy_ndp']
  const silent = ['ipv4.conf.calia.route_localnet']
  for (const path of [...told, ...silent]) kernel.writeSysctl(path, '0')
  await clock.advance(100)
  expect(told.map((path) => kernel.readSysctl(path))).toEqual(['1', '1', '1'])
  await clock.advance(10_000)
  expect(silent.map((path) => kernel.readSysctl(path))).toEqual(['1'])
})

it('is asked how it is in the midst of a great many routes, and answers before they are written', async () => {
  const { clock, kernel, dataplane, learned } = node()
  dataplane.start()
  await clock.advance(100)
  const many = Array.from({ length: 6 * ROUTES_PER_PASS }, (_, n) =>
    prefix(`10.${2 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}/32`),
  )
  const written = (): number => kernel.routes({ protocol: 12 }).length
  const before = written()
  for (const destination of many) learned.set(destination, [ip('10.0.0.2')])
  dataplane.waysChanged(many)

  const answers: { readonly written: number; readonly problems: readonly string[] }[] = []
  const ask = (): void => {
    dataplane.settle()
    answers.push({ problems: dataplane.problems(), written: written() - before })
    if (answers.length < 4) clock.after(20, ask)
  }
  clock.after(15, ask)
  await clock.advance(1_000)

  expect(answers[0]!.written).toBeLessThan(many.length)
  expect(answers[0]!.problems).toEqual([
    expect.stringMatching(/^\d+ routes are still to be written$/),
  ])
  expect(answers.at(-1)).toEqual({ written: many.length, problems: [] })
  dataplane.stop()
})
