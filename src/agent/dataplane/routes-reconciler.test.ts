import { describe, expect, it } from 'vitest'
import { silentLog } from '../../lib/log.ts'
import { ip, type IpAddress } from '../../net/ip-address.ts'
import { type Prefix, prefix } from '../../net/prefix.ts'
import type { RemoteNode } from '../../routes/encapsulation.ts'
import { simulatedNode } from '../testing/simulated-node.ts'
import { type DesiredRoutes, ROUTES_PER_PASS, RoutesReconciler } from './routes-reconciler.ts'

const NEAR = prefix('10.1.0.64/26')
const AFAR = prefix('10.1.0.128/26')

const DESIRED: DesiredRoutes = {
  pods: [],
  blocks: [prefix('10.1.0.0/26')],
  surroundings: {
    pools: [{ cidr: prefix('10.1.0.0/16'), ipipMode: 'Never', vxlanMode: 'Never' }],
    serviceRanges: [],
    nodeNetworks: [prefix('10.0.0.0/24')],
    tunnelLinkIndex: undefined,
    pathMtus: {},
    vxlanLinkIndex: undefined,
    uplinkIndex: undefined,
  },
  keepsLearned: false,
  keepsRemote: false,
}

/** A node whose routes are kept, and what BGP tells it. */
function node() {
  const simulated = simulatedNode()
  const { kernel, scheduler, view } = simulated
  const learned = new Map<Prefix, readonly IpAddress[]>()
  const remote = new Map<Prefix, RemoteNode>()
  const needs = { kernel: simulated.counting, view, log: silentLog, learned, remote }
  const reconciler = new RoutesReconciler(needs)
  const routes = scheduler.add(reconciler)
  const touch = (...prefixes: readonly Prefix[]): void => {
    if (reconciler.touch(prefixes)) routes.request()
  }
  const hopsTo = (destination: string) =>
    kernel.routes().find((route) => route.destination === destination)?.nextHops
  return { ...simulated, needs, learned, reconciler, routes, touch, hopsTo }
}

describe('routes of a node', () => {
  it('to pods and what is learned come and go without a listing of what the kernel has', async () => {
    const { clock, kernel, learned, routes, touch, attach, listed, hopsTo } = node()
    routes.want(DESIRED)
    await clock.advance(10_000) // until IPv6 has its addresses
    listed.length = 0
    routes.want({ ...DESIRED, pods: [attach('a')] })
    learned.set(NEAR, [ip('10.0.0.2')])
    touch(NEAR)
    await clock.advance(1_000)
    expect(routes.problems()).toEqual([])
    const before = listed.splice(0)
    expect(hopsTo(NEAR)).toMatchObject([{ gateway: '10.0.0.2' }])
    expect(hopsTo('10.1.0.5/32')).toEqual([{ linkIndex: kernel.link('calia')!.index }])
    kernel.deleteLink(kernel.link('calia')!.index)
    routes.want(DESIRED)
    learned.clear()
    touch(NEAR)
    await clock.advance(1_000)
    expect([...before, ...listed]).toEqual([])
    expect(hopsTo(NEAR)).toBeUndefined()
    expect(hopsTo('10.1.0.5/32')).toBeUndefined()
  })

  it('of a pod are known as such though they are read before the kernel tells of its link', async () => {
    const { clock, reconciler, routes, attach } = node()
    routes.want(DESIRED)
    await clock.advance(10_000)
    const desired = { ...DESIRED, pods: [attach('a')] }
    routes.want(desired)
    reconciler.forget()
    reconciler.reconcile(desired)
    await clock.advance(1_000)
    expect(routes.problems()).toEqual([])
  })

  it('are mended where a pod’s link went down, with which the kernel drops them without a word', async () => {
    const { clock, kernel, routes, attach, hopsTo } = node()
    routes.want({ ...DESIRED, pods: [attach('a')] })
    await clock.advance(1_000)
    const { index } = kernel.link('calia')!
    kernel.changeLink(index, { up: false })
    expect(hopsTo('10.1.0.5/32')).toBeUndefined()
    kernel.changeLink(index, { up: true })
    await clock.advance(5_000)
    expect(hopsTo('10.1.0.5/32')).toEqual([{ linkIndex: index }])
  })

  it('are worked out again when the network between the nodes changes', async () => {
    const { clock, kernel, learned, routes, hopsTo, uplink } = node()
    learned.set(AFAR, [ip('10.9.0.1')])
    routes.want(DESIRED)
    await clock.advance(1_000)
    expect(routes.problems()).toEqual([`no route to ${AFAR} via 10.9.0.1`])
    kernel.addRoute({
      destination: prefix('10.9.0.0/24'),
      type: 'unicast',
      table: 254,
      protocol: 4,
      scope: 'global',
      priority: 0,
      nextHops: [{ linkIndex: uplink, gateway: ip('10.0.0.254') }],
    })
    await clock.advance(1_000)
    expect(hopsTo(AFAR)).toEqual([{ linkIndex: uplink, gateway: '10.0.0.254' }])
    expect(routes.problems()).toEqual([])
  })

  it('leave the rack’s own network and the host’s default route to the host, and say so', async () => {
    const { clock, kernel, reconciler, routes, learned, touch, attach, uplink } = node()
    const gateway = ip('10.0.0.254')
    const route = { type: 'unicast', table: 254, scope: 'global', protocol: 4 } as const
    const nextHops = [{ linkIndex: uplink, gateway }]
    const everything = prefix('0.0.0.0/0')
    kernel.addRoute({ ...route, destination: everything, priority: 100, nextHops })
    const foreign = () => kernel.routes({ family: 4 }).filter(({ protocol }) => protocol !== 12)
    const before = foreign()
    routes.want(DESIRED)
    const rack = prefix('10.0.0.0/24')
    for (const destination of [rack, everything]) learned.set(destination, [ip('10.0.0.2')])
    learned.set(prefix('10.0.0.1/32'), [ip('10.0.0.2')])
    touch(...learned.keys())
    await clock.advance(1_000)
    expect(foreign()).toEqual(expect.arrayContaining([...before]))
    expect(kernel.routes({ protocol: 12 }).filter(({ type }) => type === 'unicast')).toMatchObject([
      { destination: everything, priority: 1024, nextHops: [{ gateway: '10.0.0.2' }] },
    ])
    expect(routes.problems()).toEqual([])
    expect([...reconciler.passedOver()].sort()).toEqual([
      '0.0.0.0/0: the host has a route of its own, which is used',
      '10.0.0.0/24: its next hop 10.0.0.2 is in it, and the host has no longer route there',
      '10.0.0.1/32: an address of this node',
    ])
    // A pod's address that the host claims is told of.
    const claim = { ...route, destination: prefix('10.1.0.9/32'), priority: 0, nextHops }
    kernel.addRoute(claim)
    routes.want({ ...DESIRED, pods: [attach('a')] })
    await clock.advance(100)
    expect(routes.problems()).toEqual([])
    kernel.replaceRoute({ ...claim, destination: prefix('10.1.0.5/32') })
    await clock.advance(1_000)
    expect(routes.problems()).toEqual([
      'the host has a route of its own to 10.1.0.5/32, which is used instead',
    ])
  })

  it('into a tunnel are written again when its link was down, with which they went without a word', async () => {
    const { clock, kernel, learned, routes, hopsTo } = node()
    const { index: tunnelLinkIndex } = kernel.createLink({ kind: 'ipip', name: 'tunl0' })
    kernel.changeLink(tunnelLinkIndex, { up: true })
    const pools = DESIRED.surroundings.pools.map(
      (pool) => ({ ...pool, ipipMode: 'Always' }) as const,
    )
    learned.set(AFAR, [ip('10.9.0.1')])
    routes.want({ ...DESIRED, surroundings: { ...DESIRED.surroundings, pools, tunnelLinkIndex } })
    await clock.advance(1_000)
    const hops = [{ linkIndex: tunnelLinkIndex, gateway: '10.9.0.1', onlink: true }]
    expect(hopsTo(AFAR)).toEqual(hops)
    kernel.changeLink(tunnelLinkIndex, { up: false })
    kernel.changeLink(tunnelLinkIndex, { up: true })
    expect(hopsTo(AFAR)).toBeUndefined()
    await clock.advance(1_000)
    expect(hopsTo(AFAR)).toEqual(hops)
  })

  it('into a tunnel are a problem while its outer packets cannot be sent', async () => {
    const { clock, kernel, learned, routes, hopsTo, uplink } = node()
    const { index: tunnelLinkIndex } = kernel.createLink({ kind: 'ipip', name: 'tunl0' })
    kernel.changeLink(tunnelLinkIndex, { up: true })
    const pools = DESIRED.surroundings.pools.map(
      (pool) => ({ ...pool, ipipMode: 'Always' }) as const,
    )
    learned.set(AFAR, [ip('10.0.0.9')])
    routes.want({ ...DESIRED, surroundings: { ...DESIRED.surroundings, pools, tunnelLinkIndex } })
    await clock.advance(1_000)
    expect(routes.problems()).toEqual([])
    kernel.changeLink(uplink, { up: false })
    await clock.advance(100)
    expect(routes.problems()).toEqual([`no route to ${AFAR} via 10.0.0.9`])
    expect(hopsTo(AFAR)).toHaveLength(1)
    kernel.changeLink(uplink, { up: true })
    await clock.advance(100)
    expect(routes.problems()).toEqual([])
  })

  it('are worked out again when the rules change by which tables are asked', async () => {
    const { clock, kernel, learned, routes, hopsTo } = node()
    learned.set(NEAR, [ip('10.0.0.2')])
    routes.want(DESIRED)
    await clock.advance(1_000)
    const main = kernel.rules(4).find(({ table }) => table === 254)!
    kernel.deleteRule(main)
    await clock.advance(100)
    expect(routes.problems()).toEqual([`no route to ${NEAR} via 10.0.0.2`])
    kernel.addRule(main)
    await clock.advance(100)
    expect([routes.problems(), hopsTo(NEAR)?.length]).toEqual([[], 1])
  })

  it('of a pod whose link has another name now are told of, and are back with its name', async () => {
    const { clock, kernel, routes, attach, hopsTo } = node()
    routes.want({ ...DESIRED, pods: [attach('a')] })
    await clock.advance(100)
    const { index } = kernel.link('calia')!
    kernel.changeLink(index, { name: 'other' })
    await clock.advance(100)
    expect(routes.problems()).toEqual(['calia of 10.1.0.5 is missing'])
    kernel.changeLink(index, { name: 'calia' })
    await clock.advance(100)
    expect([routes.problems(), hopsTo('10.1.0.5/32')]).toEqual([[], [{ linkIndex: index }]])
  })

  it('of a pod whose link is missing are told of, by name', async () => {
    const { clock, kernel, routes, attach } = node()
    const pods = [attach('a')]
    routes.want({ ...DESIRED, pods })
    await clock.advance(100)
    kernel.deleteLink(kernel.link('calia')!.index)
    await clock.advance(100)
    expect(routes.problems()).toEqual(['calia of 10.1.0.5 is missing'])
  })

  it('of an agent before stay while they are kept, and go when they no longer are', async () => {
    const { clock, learned, routes, touch, hopsTo } = node()
    learned.set(NEAR, [ip('10.0.0.2')])
    routes.want({ ...DESIRED, keepsLearned: true })
    await clock.advance(100)
    learned.clear()
    touch(NEAR)
    await clock.advance(1_000)
    expect(hopsTo(NEAR)).toHaveLength(1)
    routes.want(DESIRED)
    await clock.advance(100)
    expect(hopsTo(NEAR)).toBeUndefined()
  })

  it('that are a great many are written in turns, and are told of before they are', async () => {
    const { clock, kernel, scheduler, learned, routes, touch } = node()
    routes.want(DESIRED)
    await clock.advance(100)
    const many = Array.from({ length: 6 * ROUTES_PER_PASS }, (_, n) =>
      prefix(`10.${2 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}/32`),
    )
    const written = (): number => kernel.routes({ protocol: 12 }).length
    const before = written()
    for (const destination of many) learned.set(destination, [ip('10.0.0.2')])
    touch(...many)
    const answers: { readonly written: number; readonly problems: readonly string[] }[] = []
    const ask = (): void => {
      scheduler.settle()
      answers.push({ problems: scheduler.problems(), written: written() - before })
      if (answers.length < 4) clock.after(20, ask)
    }
    clock.after(15, ask)
    await clock.advance(1_000)
    expect(answers[0]!.written).toBeLessThan(many.length)
    expect(answers[0]!.problems).toEqual([
      expect.stringMatching(/^\d+ routes are still to be written$/),
    ])
    expect(answers.at(-1)).toEqual({ written: many.length, problems: [] })
  })

  it('that are a great many are found by an agent that starts, in turns, without one being removed', async () => {
    const { clock, kernel, needs, learned, routes, touch } = node()
    routes.want(DESIRED)
    await clock.advance(100)
    const many = Array.from({ length: 3 * ROUTES_PER_PASS }, (_, n) =>
      prefix(`10.2.${n >> 8}.${n & 255}/32`),
    )
    for (const destination of many) learned.set(destination, [ip('10.0.0.2')])
    touch(...many)
    await clock.advance(1_000)
    const before = kernel.routes({ protocol: 12 })
    expect(before.length).toBeGreaterThan(many.length)
    const next = new RoutesReconciler(needs)
    let passes = 1
    for (; next.reconcile(DESIRED) === 'more'; passes++) {
      expect(kernel.routes({ protocol: 12 })).toHaveLength(before.length)
    }
    expect(passes).toBeGreaterThan(3)
    expect(kernel.routes({ protocol: 12 })).toEqual(before)
    expect(next.problems()).toEqual([])
  })

  it('are left alone, and nothing is listed, when the same is desired and the kernel is silent', async () => {
    const { clock, routes, listed, learned } = node()
    learned.set(NEAR, [ip('10.0.0.2')])
    routes.want(DESIRED)
    await clock.advance(10_000)
    listed.length = 0
    routes.want(DESIRED)
    await clock.advance(70_000)
    expect(listed).toEqual([])
    await clock.advance(20_000)
    expect(listed).toContain('routes')
  })
})
