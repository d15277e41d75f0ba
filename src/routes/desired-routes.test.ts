import { describe, expect, it } from 'vitest'
import type { Kernel, Route } from '../kernel/kernel.ts'
import { KernelError } from '../kernel/kernel.ts'
import { silentLog } from '../lib/log.ts'
import { ip } from '../net/ip-address.ts'
import { type Prefix, prefix } from '../net/prefix.ts'
import {
  desiredRoute,
  isCalledFor,
  whyPassedOver,
  POD_GATEWAY_PREFIX,
  type RouteInputs,
} from './desired-routes.ts'
import type { PoolEncapsulation, Surroundings } from './encapsulation.ts'
import { isOurRoute } from './ownership.ts'
import { RouteTable } from './route-table.ts'
import { desiredRoutes } from './testing/desired-routes.ts'

const [lo, ens33, tunl0, cali, vxlan] = [1, 2, 3, 4, 5]
const router = ip('172.16.170.1')

const pod = prefix('10.211.0.6/32')
const inRack = prefix('10.211.1.0/24')
const afar = prefix('10.211.3.0/24')

/** server01 of a cluster with a fourth node in another subnet. */
const server01: RouteInputs = {
  blocks: new Set([prefix('10.211.0.0/24')]),
  pods: new Map([[pod, cali]]),
  learned: new Map([
    [inRack, [ip('172.16.170.129')]],
    [afar, [ip('172.16.171.10')]],
  ]),
  remote: new Map(),
  surroundings: {
    pools: [{ cidr: prefix('10.211.0.0/16'), ipipMode: 'CrossSubnet', vxlanMode: 'Never' }],
    serviceRanges: [],
    ownAddresses: [prefix('172.16.170.128/32')],
    hostRouteLength: (address) => (address.startsWith('172.16.170.') ? 24 : 0),
    pathMtus: {},
    nodeNetworks: [prefix('172.16.170.0/24')],
    tunnelLinkIndex: tunl0,
    vxlanLinkIndex: undefined,
    uplinkIndex: ens33,
    resolve: (address) => ({
      linkIndex: ens33,
      gateway: address.startsWith('172.16.170.') ? undefined : router,
    }),
  },
  loopbackLinkIndex: lo,
}

function among(change: Partial<Surroundings>): RouteInputs {
  return { ...server01, surroundings: { ...server01.surroundings, ...change } }
}

function inMode(ipipMode: PoolEncapsulation['ipipMode']): RouteInputs {
  return among({ pools: [{ cidr: prefix('10.211.0.0/16'), ipipMode, vxlanMode: 'Never' }] })
}

/** The same cluster with VXLAN: what BGP says of its pool does not count. */
function withVxlan(vxlanMode: PoolEncapsulation['vxlanMode']): RouteInputs {
  const inputs = among({
    pools: [{ cidr: prefix('10.211.0.0/16'), ipipMode: 'Never', vxlanMode }],
    vxlanLinkIndex: vxlan,
  })
  return {
    ...inputs,
    learned: new Map([[inRack, [ip('172.16.170.77')]]]),
    remote: new Map([
      [inRack, { address: ip('172.16.170.129'), tunnelAddress: ip('10.211.1.1') }],
      [afar, { address: ip('172.16.171.10'), tunnelAddress: ip('10.211.3.1') }],
    ]),
  }
}

function hopsTo(destination: Prefix, inputs: RouteInputs): unknown {
  return desiredRoute(destination, inputs)?.nextHops
}

describe('the routes of a node', () => {
  it('sends to a pod by its host end, in link scope', () => {
    expect(desiredRoute(pod, server01)).toMatchObject({
      scope: 'link',
      protocol: 3,
      nextHops: [{ linkIndex: cali }],
    })
  })

  it('ends unassigned addresses of an own block in a blackhole, but never hides a pod', () => {
    expect(desiredRoute(prefix('10.211.0.0/24'), server01)).toMatchObject({
      type: 'blackhole',
      protocol: 12,
    })
    const single = { ...server01, blocks: new Set([pod]) }
    expect(desiredRoute(pod, single)).toMatchObject({ type: 'unicast' })
    expect(desiredRoute(pod, { ...single, pods: new Map() })).toBeUndefined()
  })

  it('goes by VXLAN to the node that has a block, whatever BGP says, and bare in its own network', () => {
    const direct = { linkIndex: ens33, gateway: '172.16.170.129', onlink: true }
    const tunnelled = { linkIndex: vxlan, gateway: '10.211.1.1', onlink: true }
    expect(hopsTo(inRack, withVxlan('CrossSubnet'))).toEqual([direct])
    expect(hopsTo(inRack, withVxlan('Always'))).toEqual([tunnelled])
    expect(hopsTo(afar, withVxlan('CrossSubnet'))).toEqual([
      { linkIndex: vxlan, gateway: '10.211.3.1', onlink: true },
    ])
    expect(desiredRoute(afar, withVxlan('CrossSubnet'))?.protocol).toBe(80)
    expect(desiredRoute(prefix('10.211.0.0/24'), withVxlan('Always'))).toMatchObject({
      type: 'blackhole',
      protocol: 80,
    })
  })

  it('has no way by VXLAN to a node without a tunnel address', () => {
    const inputs = withVxlan('CrossSubnet')
    const remote = new Map([[afar, { address: ip('172.16.171.10'), tunnelAddress: undefined }]])
    expect(desiredRoute(afar, { ...inputs, remote })).toBeUndefined()
  })

  it('goes bare to a next hop in its own network and through the tunnel to any other', () => {
    expect(hopsTo(inRack, server01)).toEqual([{ linkIndex: ens33, gateway: '172.16.170.129' }])
    expect(hopsTo(afar, server01)).toEqual([
      { linkIndex: tunl0, gateway: '172.16.171.10', onlink: true },
    ])
  })

  it('follows the mode of the pool', () => {
    expect(hopsTo(inRack, inMode('Always'))).toEqual([
      { linkIndex: tunl0, gateway: '172.16.170.129', onlink: true },
    ])
    expect(hopsTo(afar, inMode('Never'))).toEqual([{ linkIndex: ens33, gateway: router }])
  })

  it('follows the longest pool that matches, disabled ones included', () => {
    const wide = { cidr: prefix('10.0.0.0/8'), ipipMode: 'Never', vxlanMode: 'Never' } as const
    const long = { cidr: prefix('10.211.2.0/23'), ipipMode: 'Always', vxlanMode: 'Never' } as const
    for (const pools of [
      [wide, long],
      [long, wide],
    ]) {
      expect(hopsTo(afar, among({ pools }))).toMatchObject([{ linkIndex: tunl0 }])
      expect(hopsTo(inRack, among({ pools }))).toMatchObject([{ linkIndex: ens33 }])
    }
  })

  it('tells the kernel of a path that is narrower than the tunnel', () => {
    const narrow = among({ pathMtus: { [ip('172.16.171.10')]: 1280 } })
    expect(desiredRoute(afar, narrow)).toMatchObject({ mtu: 1280 })
    expect(desiredRoute(inRack, narrow)).not.toHaveProperty('mtu')
  })

  it('tells the kernel of the narrowest path where several are equally good', () => {
    const [wide, narrow] = [ip('172.16.171.10'), ip('172.16.172.10')]
    const pathMtus = { [wide]: 1400, [narrow]: 1280 }
    for (const nextHops of [
      [wide, narrow],
      [narrow, wide],
    ]) {
      const learned = new Map([[afar, nextHops]])
      expect(desiredRoute(afar, { ...among({ pathMtus }), learned })).toMatchObject({ mtu: 1280 })
    }
  })

  it('leaves out what it cannot reach yet', () => {
    expect(hopsTo(afar, among({ tunnelLinkIndex: undefined }))).toBeUndefined()
    expect(hopsTo(inRack, among({ resolve: () => undefined }))).toBeUndefined()
  })

  it('prefers its own block to the same prefix from a peer', () => {
    const learned = new Map([[prefix('10.211.0.0/24'), [ip('172.16.170.129')]]])
    const route = desiredRoute(prefix('10.211.0.0/24'), { ...server01, learned })
    expect(route?.type).toBe('blackhole')
  })

  it('has no route to addresses of services, whoever announces them', () => {
    const services = [prefix('10.96.0.0/12')]
    const learned = new Map(
      ['10.96.0.0/12', '10.100.0.7/32', '10.0.0.0/8'].map((text) => [
        prefix(text),
        [ip('172.16.170.129')],
      ]),
    )
    const inputs = { ...among({ serviceRanges: services }), learned }
    const routes = [...desiredRoutes(inputs).keys()]
    expect(routes.filter((each) => learned.has(each))).toEqual(['10.0.0.0/8'])
    // Not even a range that is set where pods are takes their routes away, but one of a balancers' pool.
    const overPool = among({ serviceRanges: [prefix('10.211.0.0/16')] })
    expect(desiredRoute(inRack, overPool)?.nextHops).toHaveLength(1)
    const [pool] = overPool.surroundings.pools
    const balancers = among({ ...overPool.surroundings, pools: [{ ...pool!, isOfServices: true }] })
    expect(desiredRoute(inRack, balancers)).toBeUndefined()
    expect(isCalledFor(prefix('10.100.0.7/32'), inputs)).toBe(false)
    expect(isCalledFor(prefix('10.0.0.0/8'), inputs)).toBe(true)
  })

  it('has no route to its own addresses, nor one that its own next hop would be reached by', () => {
    const learned = new Map(
      [
        ['172.16.170.128/32', ['172.16.170.1']], // own
        ['172.16.170.0/24', ['172.16.170.1']], // as long as the host's
        ['172.16.170.1/32', ['172.16.170.1']],
        ['172.16.0.0/16', ['172.16.170.1']], // the host has a longer one
        ['0.0.0.0/0', ['172.16.170.1']],
        ['192.0.2.0/24', ['192.0.2.1', '172.16.170.1']], // one of two
        ['192.0.2.128/25', ['192.0.2.129']],
      ].map(([text, hops]) => [prefix(text as string), (hops as string[]).map((hop) => ip(hop))]),
    )
    const inputs = { ...server01, learned }
    const routes = desiredRoutes(inputs)
    expect([...routes.keys()].filter((each) => learned.has(each))).toEqual([
      '172.16.0.0/16',
      '0.0.0.0/0',
      '192.0.2.0/24',
    ])
    expect(routes.get(prefix('192.0.2.0/24'))?.nextHops).toMatchObject([
      { gateway: '172.16.170.1' },
    ])
    expect(whyPassedOver(prefix('172.16.170.128/32'), inputs)).toBe('an address of this node')
    expect(whyPassedOver(prefix('172.16.170.1/32'), inputs)).toContain('next hop 172.16.170.1')
    expect(isCalledFor(prefix('172.16.170.1/32'), inputs)).toBe(false)
  })

  it('has the metric of Calico outside the pools, where the host may have routes of its own', () => {
    const outside = prefix('198.51.100.0/24')
    const learned = new Map([...server01.learned, [outside, [router]]])
    expect(desiredRoute(outside, { ...server01, learned })?.priority).toBe(1024)
    expect(desiredRoute(inRack, { ...server01, learned })?.priority).toBe(0)
  })

  it('has a way to the gateway of pods only where there are pods or a block for them', () => {
    const [pods, blocks] = [new Map<Prefix, number>(), new Set<Prefix>()]
    expect(hopsTo(POD_GATEWAY_PREFIX, server01)).toEqual([{ linkIndex: lo }])
    expect(hopsTo(POD_GATEWAY_PREFIX, { ...server01, pods })).toEqual([{ linkIndex: lo }])
    expect(hopsTo(POD_GATEWAY_PREFIX, { ...server01, pods, blocks })).toBeUndefined()
  })
})

/** A main table that records what is done to it. */
function recordingKernel(rows: Route[]) {
  const done: string[] = []
  let refuse: string | undefined
  const write = (verb: string, route: Route, before?: Route): void => {
    if (refuse !== undefined) throw new KernelError(refuse, 'Add route')
    done.push(`${verb} ${route.destination}`)
    rows = [...rows.filter((row) => row !== before), route]
  }
  const kernel: Pick<Kernel, 'routes' | 'addRoute' | 'swapRoute' | 'deleteRoute'> = {
    routes: () => rows,
    addRoute: (route) => write('add', route),
    swapRoute: (before, after) => write('swap', after, before),
    deleteRoute(route) {
      done.push(`delete ${route.destination}`)
      rows = rows.filter((row) => row.destination !== route.destination)
    },
  }
  return { kernel, done, refuse: (code: string | undefined) => (refuse = code) }
}

const foreign: Route = {
  destination: prefix('0.0.0.0/0'),
  type: 'unicast',
  table: 254,
  protocol: 3,
  scope: 'global',
  priority: 0,
  nextHops: [{ linkIndex: ens33, gateway: router }],
}
const stale: Route = { ...foreign, destination: prefix('10.211.9.0/24'), protocol: 12 }

function reconcile(table: RouteTable, hold = false) {
  table.resync()
  return table.apply(() => hold)
}

describe('the route table', () => {
  const linkName = (index: number) => (index === cali ? 'cali50914021272' : 'ens33')
  const make = (rows: Route[]) => {
    const recording = recordingKernel(rows)
    const isOurs = (route: Route) => isOurRoute(route, linkName)
    const table = new RouteTable({ kernel: recording.kernel, isOurs, log: silentLog })
    return { ...recording, table }
  }

  it('writes and removes only what differs, and nothing at the second time', () => {
    const { table, done } = make([foreign, stale])
    table.setDesired(desiredRoutes(server01))
    expect(reconcile(table)).toMatchObject({ written: 5, removed: 1, failed: 0, held: 0 })
    expect(done).toContain('delete 10.211.9.0/24')
    done.length = 0
    reconcile(table)
    expect(done).toEqual([])
  })

  it('mends what a notification says, without reading the table anew', () => {
    const { table, done } = make([])
    table.setDesired(desiredRoutes(server01))
    reconcile(table)
    done.length = 0
    const blackhole = desiredRoute(prefix('10.211.0.0/24'), server01)!
    table.observe('set', blackhole)
    table.observe('set', stale)
    table.observe('removed', desiredRoute(inRack, server01)!)
    table.apply(() => false)
    expect(done).toEqual(['add 10.211.1.0/24', 'delete 10.211.9.0/24'])
  })

  it('leaves alone what is not ours', () => {
    const { table, done } = make([foreign])
    table.setDesired(new Map())
    reconcile(table)
    expect(done).toEqual([])
  })

  it('keeps what is held until it no longer is', () => {
    const { table, done } = make([stale])
    table.setDesired(new Map())
    expect(reconcile(table, true).held).toBe(1)
    expect(done).toEqual([])
    reconcile(table)
    expect(done).toEqual(['delete 10.211.9.0/24'])
  })

  it('goes on where it left off, and is whole only when nothing is left', () => {
    const { table, done } = make([stale])
    table.resync()
    table.setDesired(desiredRoutes(server01))
    expect(table.apply(() => false, 4)).toMatchObject({ written: 4, isWhole: false })
    expect(table.apply(() => false, 1)).toMatchObject({ written: 1, isWhole: false })
    expect(table.apply(() => false, 1)).toMatchObject({ removed: 1, isWhole: false })
    table.setDesired(new Map([...desiredRoutes(server01)].slice(0, 4)))
    expect(table.apply(() => false, 9)).toMatchObject({ removed: 1, isWhole: true })
    expect(done).toHaveLength(7)
    expect(table.inSync).toBe(true)
  })

  it('is not whole while something is desired that its walk has passed', () => {
    const { table } = make([stale, foreign])
    table.resync()
    const routes = [...desiredRoutes(server01)]
    table.setDesired(new Map(routes.slice(1)))
    expect(table.apply(() => false, 5)).toMatchObject({ written: 4, removed: 1, isWhole: false })
    table.setDesired(new Map(routes))
    expect(table.apply(() => false, 5)).toMatchObject({ written: 0, isWhole: false })
    expect(table.apply(() => false, 5)).toMatchObject({ written: 1, isWhole: true })
  })

  it('is whole though the kernel refused all, so that nothing is tried without end', () => {
    const { table, refuse } = make([])
    table.setDesired(desiredRoutes(server01))
    refuse('ENETUNREACH')
    expect(table.apply(() => false, 3)).toMatchObject({ failed: 3, isWhole: false })
    expect(table.apply(() => false, 3)).toMatchObject({ failed: 2, isWhole: true })
  })

  it('tries again what the kernel refused', () => {
    const { table, refuse } = make([])
    table.setDesired(desiredRoutes(server01))
    refuse('ENETUNREACH')
    expect(reconcile(table)).toMatchObject({ written: 0, failed: 5 })
    expect(table.missingCount).toBe(5)
    refuse(undefined)
    expect(reconcile(table)).toMatchObject({ written: 5, failed: 0 })
    expect([...table.missing]).toEqual([])
  })

  it('claims every IPv4 route on a host end of a pod, whoever made it', () => {
    const byHand: Route = {
      ...foreign,
      destination: prefix('10.9.9.9/32'),
      nextHops: [{ linkIndex: cali }],
    }
    expect(isOurRoute(byHand, linkName)).toBe(true)
    expect(isOurRoute({ ...byHand, table: 100 }, linkName)).toBe(false)
  })

  it('forgets the routes of a link that is gone, and writes them again', () => {
    const { table, done } = make([])
    table.setDesired(desiredRoutes(server01))
    reconcile(table)
    done.length = 0
    table.forgetLink(cali)
    table.apply(() => false)
    expect(done).toEqual(['add 10.211.0.6/32'])
  })
})
