import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { NextHop, Route } from '../kernel/kernel.ts'
import { ip, type IpAddress } from '../net/ip-address.ts'
import { type Prefix, prefix } from '../net/prefix.ts'
import type { PoolEncapsulation, RemoteNode, Surroundings } from './encapsulation.ts'
import { RoutePlan } from './route-plan.ts'
import { desiredRoutes } from './testing/desired-routes.ts'

/** Few, so that pods, blocks and what is learned claim the same ones. */
const destinations = fc.constantFrom(
  ...['10.1.0.0/26', '10.1.0.64/26', '10.1.0.1/32', '10.1.0.2/32', '169.254.1.1/32'].map((text) =>
    prefix(text),
  ),
)
/** No packet of the node itself gets there, and none of a tunnel. */
const LOST = '10.8.0.1'
const nextHops = fc.constantFrom(
  ...['10.0.0.1', '10.0.0.2', '10.9.0.1', LOST].map((text) => ip(text)),
)

const change = fc.oneof(
  fc.record({
    kind: fc.constant('learn' as const),
    destination: destinations,
    nextHops: fc.uniqueArray(nextHops, { maxLength: 2 }),
  }),
  fc.record({
    kind: fc.constant('pods' as const),
    pods: fc.array(fc.tuple(destinations, fc.integer({ min: 5, max: 7 })), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('blocks' as const),
    blocks: fc.array(destinations, { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('surroundings' as const),
    hasTunnel: fc.boolean(),
    kindOfTunnel: fc.constantFrom('ipip' as const, 'vxlan' as const),
    mode: fc.constantFrom('Never' as const, 'Always' as const, 'CrossSubnet' as const),
  }),
  fc.record({
    kind: fc.constant('remote' as const),
    destination: destinations,
    address: fc.option(nextHops),
    hasTunnel: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('settle' as const) }),
  fc.record({ kind: fc.constant('settleSome' as const), most: fc.nat(3) }),
)

const [UPLINK, TUNL0, VXLAN] = [2, 3, 4]

/** Of next hops those in 10.0.0.0/24 are on the link, another is behind a router. */
function surroundingsOf(
  hasTunnel: boolean,
  kind: 'ipip' | 'vxlan',
  mode: PoolEncapsulation['ipipMode'],
) {
  const modes = { ipipMode: 'Never', vxlanMode: 'Never', [`${kind}Mode`]: mode } as const
  const surroundings: Surroundings = {
    pools: [{ cidr: prefix('10.1.0.0/16'), ...modes }],
    serviceRanges: [],
    ownAddresses: [],
    hostRouteLength: (address) => (address.startsWith('10.0.0.') ? 24 : -1),
    vxlanLinkIndex: hasTunnel ? VXLAN : undefined,
    uplinkIndex: UPLINK,
    pathMtus: {},
    nodeNetworks: [prefix('10.0.0.0/24')],
    tunnelLinkIndex: hasTunnel ? TUNL0 : undefined,
    resolve(address) {
      if (address === LOST) return undefined
      const gateway = address.startsWith('10.0.0.') ? undefined : ip('10.0.0.254')
      return { linkIndex: UPLINK, gateway }
    },
  }
  return surroundings
}

const isOutside = (key: Prefix) => !key.startsWith('10.1.')
const destinationsIn = (rows: ReadonlyMap<Prefix, unknown>) =>
  [...rows.keys()].filter((key) => !isOutside(key))
const outside = (rows: ReadonlyMap<Prefix, unknown>) => [...rows.keys()].filter(isOutside)

it('is after every change what it would be if it were computed anew', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const learned = new Map<Prefix, readonly IpAddress[]>()
      const remote = new Map<Prefix, RemoteNode>()
      const table = new Map<string, Route>()
      const plan = new RoutePlan(
        {
          desire: (destination, route) =>
            route === undefined ? table.delete(destination) : table.set(destination, route),
        },
        learned,
        remote,
      )
      let [blocks, pods] = [new Set<Prefix>(), new Map<Prefix, number>()]
      let surroundings = surroundingsOf(false, 'ipip', 'Never')
      plan.setSurroundings(surroundings, 1)
      const check = (): void => {
        plan.settle()
        const ways = { learned, remote, surroundings, loopbackLinkIndex: 1 }
        const wanted = desiredRoutes({ blocks, pods, ...ways })
        expect(new Map(table)).toEqual(wanted)
        const isVxlan = surroundings.pools[0]!.vxlanMode !== 'Never'
        const heeded = [...destinationsIn(isVxlan ? remote : learned), ...outside(learned)]
        const leadsNowhere = (key: Prefix): boolean => {
          const hops = wanted.get(key)?.nextHops ?? []
          const isLost = ({ linkIndex, gateway }: NextHop): boolean =>
            (linkIndex === TUNL0 && gateway === LOST) ||
            (linkIndex === VXLAN && remote.get(key)?.address === LOST)
          return hops.length > 0 && hops.every(isLost)
        }
        const lost = [...wanted.keys()].filter(leadsNowhere)
        const unreachable = new Set([...heeded.filter((key) => !wanted.has(key)), ...lost])
        expect(plan.unreachableCount).toBe(unreachable.size)
      }
      for (const each of changes) {
        switch (each.kind) {
          case 'learn':
            if (each.nextHops.length === 0) learned.delete(each.destination)
            else learned.set(each.destination, each.nextHops)
            plan.touch(each.destination)
            break
          case 'remote':
            if (each.address === null) remote.delete(each.destination)
            else {
              const tunnelAddress = each.hasTunnel ? ip('10.1.9.1') : undefined
              remote.set(each.destination, { address: each.address, tunnelAddress })
            }
            plan.touch(each.destination)
            break
          case 'pods':
            plan.setPods((pods = new Map(each.pods)))
            break
          case 'blocks':
            plan.setBlocks((blocks = new Set(each.blocks)))
            break
          case 'surroundings':
            surroundings = surroundingsOf(each.hasTunnel, each.kindOfTunnel, each.mode)
            plan.setSurroundings(surroundings, 1)
            break
          case 'settleSome':
            expect(plan.settle(each.most)).toBe(plan.unsettledCount === 0)
            break
          case 'settle':
            check()
        }
      }
      check()
    }),
  )
})

it('settles all again a few at a time, and those that change again first', () => {
  const learned = new Map<Prefix, readonly IpAddress[]>()
  const inTable = new Set<string>()
  const plan = new RoutePlan(
    {
      desire: (destination, route) =>
        route === undefined ? inTable.delete(destination) : inTable.add(destination),
    },
    learned,
  )
  const all = Array.from({ length: 10 }, (_, n) => prefix(`10.2.${n}.0/24`))
  for (const each of all) learned.set(each, [ip('10.0.0.1')])
  plan.setSurroundings(surroundingsOf(false, 'ipip', 'Never'), 1)
  expect(plan.settle(4)).toBe(false)
  expect([...inTable]).toEqual(all.slice(0, 4))
  expect(plan.unsettledCount).toBeGreaterThan(0)
  expect(plan.isSettled(all[0]!)).toBe(false)
  plan.touch(all[9]!)
  expect(plan.settle(2)).toBe(false)
  expect([...inTable]).toEqual([...all.slice(0, 4), all[9], all[4]])
  while (!plan.settle(3)) expect(plan.unsettledCount).toBeGreaterThan(0)
  expect([...inTable].sort()).toEqual(all)
  expect(all.every((each) => plan.isSettled(each))).toBe(true)
})
