import { expect, it } from 'vitest'
import type { NeighborStatus, SpeakerEvent } from '../bgp/status.ts'
import { createSimulatedMachine } from '../kernel/sim/machine.ts'
import { ROUTE_PROTOCOL, ROUTE_TABLE } from '../kernel/kernel.ts'
import { VirtualClock } from '../lib/clock.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import type { Resource } from '../model/resource.ts'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import { memorySysctls } from './dataplane/host-sysctls.ts'
import { NodeAgent } from './agent.ts'

const LEARNED = prefix('10.1.2.0/24')
const NEIGHBOR = ip('10.0.0.2')

const ownNode = {
  apiVersion: 'projectcalico.org/v3',
  kind: 'Node',
  metadata: { name: 'node' },
  spec: { bgp: { ipv4Address: '10.0.0.1/24' } },
} as Resource

/** An agent on a kernel that has a route of an agent before it; the speaker is a script. */
function restarted(configure: () => void = () => {}) {
  const clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  const kernel = machine.createNamespace('node')
  const beyond = machine.createNamespace('switch')
  kernel.createLink({ kind: 'veth', name: 'eth0', peer: { name: 'port', kernel: beyond } })
  beyond.changeLink(beyond.link('port')!.index, { up: true })
  const linkIndex = kernel.link('eth0')!.index
  kernel.changeLink(linkIndex, { up: true })
  kernel.addAddress({ linkIndex, address: ip('10.0.0.1'), prefixLength: 24, scope: 'global' })
  kernel.addRoute({
    destination: LEARNED,
    type: 'unicast',
    table: ROUTE_TABLE.main,
    protocol: ROUTE_PROTOCOL.bird,
    scope: 'global',
    priority: 0,
    nextHops: [{ linkIndex, gateway: NEIGHBOR }],
  })
  let onEvent = (_event: SpeakerEvent): void => {}
  let neighbors: readonly Pick<NeighborStatus, 'families'>[] = []
  const nothing = (): (() => void) => () => {}
  const speaker = {
    configure,
    announce: nothing,
    withdraw: nothing,
    onBestPaths: nothing,
    onEvent(listener: typeof onEvent) {
      onEvent = listener
      return () => {}
    },
    neighbors: () => neighbors,
    stop: async () => {},
  }
  const agent = new NodeAgent({
    node: 'node',
    kernel,
    machine,
    tunnelKind: 'auto',
    savedSysctls: memorySysctls(),
    feed: {
      follow({ onSet, onInSync }) {
        onSet(ownNode, 1)
        onInSync()
        return { close() {} }
      },
      followBlocks(_node, onBlocks) {
        onBlocks([], [])
        return { close() {} }
      },
      followBlockOwners: () => ({ close() {} }),
    },
    addresses: { claimBlock: async () => {}, ensureTunnelAddress: async () => undefined },
    speaker: speaker as unknown as ConstructorParameters<typeof NodeAgent>[0]['speaker'],
    clock,
    random: new SeededRandom(1),
    log: silentLog,
    pods: () => [],
  })
  agent.start()
  const hasHeard = (...endOfRibReceived: readonly (boolean | undefined)[]): void => {
    neighbors = endOfRibReceived.map((received) => ({
      families: received === undefined ? [] : [{ ...family, endOfRibReceived: received }],
    }))
  }
  const hasRoute = (): boolean => kernel.routes().some((row) => row.destination === LEARNED)
  return { clock, agent, hasHeard, hasRoute, tell: (event: SpeakerEvent) => onEvent(event) }
}

const family = { family: 4, received: 0, accepted: 0, advertised: 0, stale: 0 } as const
const endOfRib: SpeakerEvent = { kind: 'endOfRib', neighbor: NEIGHBOR, family: 4 }

it('is not converged while its speaker refuses its configuration, and says why', async () => {
  const refusal = 'Listen on 10.0.0.1 port 179: EADDRINUSE'
  let isRefused = true
  const { clock, agent } = restarted(() => {
    if (isRefused) throw new Error(refusal)
  })
  await clock.advance(10_000)
  expect(agent.status()).toMatchObject({
    neighbors: [],
    lacking: [`BGP: ${refusal}`],
    converged: false,
  })
  isRefused = false
  await clock.advance(60_000)
  expect(agent.status()).toMatchObject({ lacking: [], converged: true })
  await agent.stop({ graceful: true })
})

it('keeps the routes of an agent before it until all neighbors have said End-of-RIB', async () => {
  const { clock, agent, hasHeard, hasRoute, tell } = restarted()
  for (const [first, second] of [
    [false, true],
    [true, undefined],
  ]) {
    hasHeard(first, second)
    tell(endOfRib)
    await clock.advance(10_000)
    expect(hasRoute()).toBe(true)
  }
  hasHeard(true, true)
  tell(endOfRib)
  await clock.advance(2000)
  expect(hasRoute()).toBe(false)
  await agent.stop({ graceful: true })
})

it('does not end its restart by an event that is no End-of-RIB', async () => {
  const { clock, agent, hasHeard, hasRoute, tell } = restarted()
  hasHeard(true)
  const neighbor = NEIGHBOR
  tell({ kind: 'neighborState', neighbor, from: 'OpenConfirm', to: 'Established', reason: '' })
  tell({ kind: 'prefixLimit', neighbor, family: 4 })
  tell({ kind: 'routeRefresh', neighbor, family: 4, what: 'request' })
  await clock.advance(10_000)
  expect(hasRoute()).toBe(true)
  await agent.stop({ graceful: true })
})

it('waits two minutes for neighbors that do not come back', async () => {
  const { clock, agent, hasRoute } = restarted()
  await clock.advance(119_000)
  expect(hasRoute()).toBe(true)
  await clock.advance(2000)
  expect(hasRoute()).toBe(false)
  await agent.stop({ graceful: true })
})
