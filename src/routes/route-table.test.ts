import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KernelEvent, Route } from '../kernel/kernel.ts'
import { createSimulatedMachine } from '../kernel/sim/machine.ts'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { type Prefix, prefix } from '../net/prefix.ts'
import { metricAsChosen, metricBehind } from './foreign-routes.ts'
import { isOurRoute } from './ownership.ts'
import { RouteTable } from './route-table.ts'

const STATIC = 4
const BIRD = 12
const GATEWAYS = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((text) => ip(text))

/** A host with one network, whose kernel tells of changes only when it is asked to. */
function host() {
  const clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  const kernel = machine.createNamespace('host')
  const { index } = kernel.createLink({ kind: 'bridge', name: 'eth0' })
  kernel.changeLink(index, { up: true })
  const network = { linkIndex: index, prefixLength: 24, scope: 'global' } as const
  kernel.addAddress({ ...network, address: ip('10.0.0.9') })
  const untold: KernelEvent[] = []
  kernel.watch((event) => untold.push(event))
  const isOurs = (route: Route): boolean => isOurRoute(route, () => undefined)
  const route = (destination: string, protocol: number, priority: number, gateway = 0): Route => ({
    destination: prefix(destination),
    type: 'unicast',
    table: 254,
    protocol,
    scope: 'global',
    priority,
    nextHops: [{ linkIndex: index, gateway: GATEWAYS[gateway]! }],
  })
  const start = (): RouteTable => {
    const table = new RouteTable({ kernel, isOurs, log: silentLog })
    table.resync()
    return table
  }
  const happened = (): KernelEvent[] => {
    while (clock.next !== undefined && clock.next <= clock.now()) clock.step()
    return untold.splice(0)
  }
  /** Tells the table what happened since. */
  const tell = (table: RouteTable): void => {
    for (const event of happened()) {
      if (event.kind === 'route') table.observe(event.change, event.route)
    }
  }
  const rows = (of: (row: Route) => boolean = () => true): Route[] =>
    kernel.routes({ family: 4 }).filter(of)
  return { kernel, index, network, happened, isOurs, route, start, tell, rows }
}

const at = (destination: string) => (row: Route) => row.destination === destination
const metrics = (rows: readonly Route[]) =>
  rows.map(({ protocol, priority }) => [protocol, priority])

describe('beside routes of the host', () => {
  it('a route stands behind them, and moves to the front when they are gone', () => {
    const { kernel, route, start, tell, rows } = host()
    const theirs = route('10.5.0.0/16', STATIC, 100)
    kernel.addRoute(theirs)
    const table = start()
    table.desire(theirs.destination, route('10.5.0.0/16', BIRD, 0, 1))
    expect(table.apply(() => false)).toMatchObject({ written: 1, isWhole: true })
    expect(metrics(rows(at('10.5.0.0/16')))).toEqual([
      [STATIC, 100],
      [BIRD, 1024],
    ])
    kernel.deleteRoute(theirs)
    tell(table)
    expect(table.apply(() => false)).toMatchObject({ written: 1, removed: 1 })
    expect(rows(at('10.5.0.0/16'))).toEqual([route('10.5.0.0/16', BIRD, 0, 1)])
    expect(table.inSync).toBe(true)
  })

  it('a route yields to one that comes later, whatever its metric', () => {
    for (const metric of [0, 100, 1024, 20_100]) {
      const { kernel, route, start, tell, rows } = host()
      const table = start()
      table.desire(prefix('10.5.0.0/16'), route('10.5.0.0/16', BIRD, 0, 1))
      table.apply(() => false)
      kernel.replaceRoute(route('10.5.0.0/16', STATIC, metric))
      tell(table)
      table.apply(() => true) // what was held for another reason goes all the same
      const behind = metric < 1024 ? [[BIRD, 1024]] : []
      expect(metrics(rows(at('10.5.0.0/16')))).toEqual([[STATIC, metric], ...behind])
      expect(table.inSync).toBe(true)
    }
  })

  it('a row of the kernel’s own behind ours comes to the front', () => {
    const { kernel, network, route, start, tell, rows } = host()
    const table = start()
    table.desire(prefix('10.6.0.0/24'), route('10.6.0.0/24', BIRD, 0))
    table.apply(() => false)
    kernel.addAddress({ ...network, address: ip('10.6.0.1') })
    expect(metrics(rows(at('10.6.0.0/24')))).toEqual([
      [BIRD, 0],
      [2, 0],
    ])
    tell(table)
    table.apply(() => false)
    expect(metrics(rows(at('10.6.0.0/24')))).toEqual([
      [2, 0],
      [BIRD, 1024],
    ])
  })

  it('nothing is written over a row that the kernel has not told of yet', () => {
    const { kernel, route, start, tell, rows } = host()
    const table = start()
    const theirs = route('10.5.0.0/16', STATIC, 0)
    kernel.addRoute(theirs)
    table.desire(theirs.destination, route('10.5.0.0/16', BIRD, 0, 1))
    expect(table.apply(() => false)).toMatchObject({ contested: 1, written: 0, failed: 0 })
    expect(rows(at('10.5.0.0/16'))).toEqual([theirs])
    expect(table.mustResync).toBe(false)
    tell(table)
    expect(table.apply(() => false)).toMatchObject({ written: 1 })
  })

  it('what the kernel never tells of is read after the second try', () => {
    const { kernel, route, start, happened, rows } = host()
    const table = start()
    kernel.addRoute(route('10.5.0.0/16', STATIC, 0))
    happened()
    table.desire(prefix('10.5.0.0/16'), route('10.5.0.0/16', BIRD, 0, 1))
    table.apply(() => false)
    table.apply(() => false)
    expect(table.mustResync).toBe(true)
    table.resync()
    table.apply(() => false)
    expect(metrics(rows(at('10.5.0.0/16')))).toEqual([
      [STATIC, 0],
      [BIRD, 1024],
    ])
  })

  it('has no room behind the last metric, and keeps a metric that was chosen', () => {
    expect(metricBehind(0, [1023])).toBe(1024)
    expect(metricBehind(2000, [1024])).toBe(2000)
    expect(metricBehind(20, [1024])).toBeUndefined()
    expect(metricBehind(0, [4_294_967_295])).toBeUndefined()
    expect(metricAsChosen(20, [100])).toBe(20)
    expect(metricAsChosen(20, [10, 20])).toBeUndefined()
  })
})

/** Protocols of others: what the kernel, DHCP clients, administrators and daemons write; BIRD 2 with its own metric. */
const foreignRows = fc.oneof(
  fc.record({
    protocol: fc.constantFrom(2, 3, 4, 9, 11, 16, 186, 188, 196),
    metric: fc.constantFrom(0, 20, 100, 512, 1024, 20_100),
  }),
  fc.record({ protocol: fc.constant(BIRD), metric: fc.constantFrom(32, 100) }),
)
const destinations = fc.constantFrom('0.0.0.0/0', '10.5.0.0/16', '10.6.0.0/24', '10.7.7.7/32')
const gateway = fc.nat({ max: 2 })
const action = fc.oneof(
  fc.record({
    kind: fc.constantFrom('add', 'replace', 'remove'),
    destinations,
    foreignRows,
    gateway,
  }),
  fc.record({
    kind: fc.constant('desire'),
    destinations,
    gateway,
    metric: fc.constantFrom(undefined, 0, 1024),
  }),
  fc.record({ kind: fc.constantFrom('tell', 'apply', 'crash', 'address') }),
  fc.record({ kind: fc.constant('read'), most: fc.nat(3) }),
)

interface Scene {
  readonly theirs: ReturnType<typeof host>
  readonly alone: ReturnType<typeof host>
  readonly desired: Map<Prefix, Route>
  table: RouteTable
  isReading: boolean
}

/** What the host does is done on a host without us as well, as far as ours did not keep it from being done. */
function onHost({ theirs, alone }: Scene, act: (on: ReturnType<typeof host>) => void): void {
  try {
    act(theirs)
  } catch {
    return
  }
  act(alone)
}

function play(scene: Scene, step: { readonly kind: string } & Record<string, unknown>): void {
  const { theirs, desired } = scene
  const destination = step['destinations'] as string
  const { protocol, metric } = (step['foreignRows'] ?? step) as {
    protocol: number
    metric?: number
  }
  const row = (on: ReturnType<typeof host>): Route =>
    on.route(destination, protocol, metric!, step['gateway'] as number)
  const isIt = (each: Route): boolean =>
    each.destination === destination && each.protocol === protocol && each.priority === metric
  switch (step.kind) {
    case 'add':
      return onHost(scene, (on) => on.kernel.addRoute(row(on)))
    case 'replace':
      return onHost(scene, (on) => on.kernel.replaceRoute(row(on)))
    case 'remove':
      return onHost(scene, (on) => {
        for (const each of on.rows(isIt)) on.kernel.deleteRoute(each)
      })
    case 'address': {
      const has = theirs.kernel.addresses().some(({ address }) => address === '10.6.0.1')
      return onHost(scene, ({ kernel, network }) => {
        const address = { ...network, address: ip('10.6.0.1') }
        if (has) kernel.deleteAddress(address)
        else kernel.addAddress(address)
      })
    }
    case 'desire': {
      const route =
        metric === undefined
          ? undefined
          : theirs.route(destination, BIRD, metric, step['gateway'] as number)
      if (route === undefined) desired.delete(prefix(destination))
      else desired.set(prefix(destination), route)
      return scene.table.desire(prefix(destination), route)
    }
    case 'tell':
      return theirs.tell(scene.table)
    case 'read':
      scene.isReading = !scene.table.resync(step['most'] as number)
      return
    case 'apply':
      if (scene.isReading) return
      return void scene.table.apply(() => false, 2)
    case 'crash':
      theirs.happened()
      scene.table = theirs.start()
      scene.isReading = false
      for (const [each, route] of desired) scene.table.desire(each, route)
  }
}

it('leaves the host’s own routes as they would be without us, and has ours where they leave room', () => {
  const property = fc.property(fc.array(action, { maxLength: 40 }), (steps) => {
    const theirs = host()
    const [alone, desired, table] = [host(), new Map(), theirs.start()]
    const scene: Scene = { theirs, alone, desired, table, isReading: false }
    const foreign = (on: ReturnType<typeof host>): Set<string> =>
      new Set(on.rows((row) => !on.isOurs(row)).map((row) => JSON.stringify(row)))
    for (const step of steps) {
      play(scene, step)
      expect(foreign(theirs)).toEqual(foreign(scene.alone))
    }
    // At rest everything has been told, and what has a place has it, behind whatever the host has.
    if (scene.isReading) scene.table.resync()
    for (let round = 0; round < 4; round++) {
      theirs.tell(scene.table)
      scene.table.apply(() => false)
      if (scene.table.mustResync) scene.table.resync()
    }
    for (const destination of ['0.0.0.0/0', '10.5.0.0/16', '10.6.0.0/24', '10.7.7.7/32']) {
      const all = theirs.rows(at(destination))
      const others = all.filter((row) => !theirs.isOurs(row)).map(({ priority }) => priority)
      const wanted = scene.desired.get(prefix(destination))
      const metric =
        wanted && (others.length === 0 ? wanted.priority : metricBehind(wanted.priority, others))
      const expected = metric === undefined ? [] : [{ ...wanted, priority: metric }]
      expect(all.filter((row) => theirs.isOurs(row))).toEqual(expected)
    }
  })
  fc.assert(property, { numRuns: 300 })
})

describe('a table that is read in turns', () => {
  const read = (table: RouteTable): void => {
    while (!table.resync(1)) continue
  }

  it('has what the kernel tells meanwhile rather than what was read before', () => {
    const on = host()
    const [stays, goes, comes] = ['10.5.1.0/24', '10.5.2.0/24', '10.5.3.0/24'] as const
    for (const each of [stays, goes]) on.kernel.addRoute(on.route(each, BIRD, 0))
    const table = on.start()
    on.happened()
    for (const each of [stays, goes, comes]) table.desire(prefix(each), on.route(each, BIRD, 0))
    table.apply(() => false)
    on.kernel.deleteRoute(on.route(comes, BIRD, 0))
    on.tell(table)
    expect(table.resync(1)).toBe(false)
    on.kernel.deleteRoute(on.route(goes, BIRD, 0))
    on.kernel.addRoute(on.route(comes, BIRD, 0))
    on.tell(table)
    read(table)
    expect([...table.missing].map(({ destination }) => destination)).toEqual([goes])
    table.apply(() => false)
    expect(table.inSync).toBe(true)
  })

  it('has no route by a link that went meanwhile', () => {
    const on = host()
    const destination = prefix('10.5.1.0/24')
    const route = on.route(destination, BIRD, 0)
    on.kernel.addRoute(route)
    const table = on.start()
    table.desire(destination, route)
    expect(table.resync(0)).toBe(false)
    table.forgetLink(on.index)
    read(table)
    expect([...table.missing]).toEqual([route])
  })

  it('drops what is not there any more, ours, strays and the host’s', () => {
    const on = host()
    const [ours, theirs] = ['10.5.1.0/24', '10.5.2.0/24'] as const
    for (const metric of [0, 7]) on.kernel.addRoute(on.route(ours, BIRD, metric))
    on.kernel.addRoute(on.route(theirs, STATIC, 0))
    const table = on.start()
    table.desire(prefix(ours), on.route(ours, BIRD, 0))
    for (const row of on.rows((each) => each.destination.startsWith('10.5.'))) {
      on.kernel.deleteRoute(row)
    }
    on.happened()
    read(table)
    expect([...table.foreignDestinations()]).not.toContain(theirs)
    expect(table.missingCount).toBe(1)
    expect(table.apply(() => false)).toMatchObject({ written: 1, removed: 0, failed: 0 })
    expect(table.inSync).toBe(true)
  })
})
