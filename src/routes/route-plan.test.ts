import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Route } from '../kernel/kernel.ts'
import { ip, type IpAddress } from '../net/ip-address.ts'
import { type Prefix, prefix } from '../net/prefix.ts'
import { desiredRoutes } from './desired-routes.ts'
import type { Surroundings } from './encapsulation.ts'
import { RoutePlan } from './route-plan.ts'

/** Few, so that pods, blocks and what is learned claim the same ones. */
const destinations = fc.constantFrom(
  ...['10.1.0.0/26', '10.1.0.64/26', '10.1.0.1/32', '10.1.0.2/32', '169.254.1.1/32'].map((text) =>
    prefix(text),
  ),
)
const nextHops = fc.constantFrom(...['10.0.0.1', '10.0.0.2', '10.9.0.1'].map((text) => ip(text)))

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
    ipipMode: fc.constantFrom('Never' as const, 'Always' as const, 'CrossSubnet' as const),
  }),
  fc.record({ kind: fc.constant('settle' as const) }),
)

/** Of next hops those in 10.0.0.0/24 are reached, others only through the tunnel. */
function surroundingsOf(hasTunnel: boolean, ipipMode: 'Never' | 'Always' | 'CrossSubnet') {
  const surroundings: Surroundings = {
    pools: [{ cidr: prefix('10.1.0.0/16'), ipipMode }],
    nodeNetworks: [prefix('10.0.0.0/24')],
    tunnelLinkIndex: hasTunnel ? 3 : undefined,
    resolve: (address) =>
      address.startsWith('10.0.0.') ? { linkIndex: 2, gateway: undefined } : undefined,
  }
  return surroundings
}

it('is after every change what it would be if it were computed anew', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const learned = new Map<Prefix, readonly IpAddress[]>()
      let table = new Map<string, Route>()
      const plan = new RoutePlan(
        {
          setDesired: (routes) => (table = new Map(routes)),
          desire: (destination, route) =>
            route === undefined ? table.delete(destination) : table.set(destination, route),
        },
        learned,
      )
      let [blocks, pods] = [new Set<Prefix>(), new Map<Prefix, number>()]
      let surroundings = surroundingsOf(false, 'Never')
      plan.setSurroundings(surroundings, 1)
      const check = (): void => {
        plan.settle()
        const wanted = desiredRoutes({ blocks, pods, learned, surroundings, loopbackLinkIndex: 1 })
        expect(new Map(table)).toEqual(wanted)
        const unreachable = [...learned.keys()].filter((key) => !wanted.has(key))
        expect(plan.unreachable.length).toBe(unreachable.length)
      }
      for (const each of changes) {
        switch (each.kind) {
          case 'learn':
            if (each.nextHops.length === 0) learned.delete(each.destination)
            else learned.set(each.destination, each.nextHops)
            plan.touch(each.destination)
            break
          case 'pods':
            plan.setPods((pods = new Map(each.pods)))
            break
          case 'blocks':
            plan.setBlocks((blocks = new Set(each.blocks)))
            break
          case 'surroundings':
            surroundings = surroundingsOf(each.hasTunnel, each.ipipMode)
            plan.setSurroundings(surroundings, 1)
            break
          case 'settle':
            check()
        }
      }
      check()
    }),
  )
})
