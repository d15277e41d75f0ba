import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { SeededRandom } from '../lib/random.ts'
import { ip } from '../net/ip-address.ts'
import { BLOCK_CONTEXT, decodeUpdate } from '../wire/bgp/update.ts'
import { Advertiser, type Subscriber, type Subscription } from './advertiser.ts'
import { policyAdapter } from './export-policy.ts'
import type { RoutePolicy } from './policy.ts'
import { AttributeTable } from './rib/attribute-table.ts'
import { comparePaths } from './rib/decision.ts'
import type { ExportRules } from './rib/export-rules.ts'
import { PATH_STATUS } from './rib/path-state.ts'
import { prefixOfRow } from './rib/prefix-text.ts'
import { Rib } from './rib/rib.ts'
import { SOURCE_KIND, Sources } from './rib/sources.ts'
import { blockOfAttributes, type RouteAttributes } from './route-attributes.ts'
import { Work } from './work.ts'

const PREFIXES = 60
const RULES: ExportRules = {
  family: 4,
  external: true,
  localAs: 65000,
  fourOctetAs: true,
  nextHop: 'auto',
  localAddress: Uint8Array.of(10, 0, 0, 1),
  extendedNextHop: false,
  clusterId: 1,
  messageOctetsMax: 4096,
  addPath: false,
  addPathMaximum: 16,
  toClient: false,
  longLived: false,
}

/** Takes UPDATEs as a neighbor would: prefix to the AS path it was told. */
class Listener implements Subscriber {
  readonly source: number
  readonly told = new Map<string, string>()
  isCongested = false

  constructor(source: number) {
    this.source = source
  }

  send(octets: Uint8Array): void {
    let at = 0
    while (at < octets.length) {
      const length = (octets[at + 16]! << 8) | octets[at + 17]!
      const { update } = decodeUpdate(octets.slice(at, at + length), BLOCK_CONTEXT)
      at += length
      for (const { prefix } of update.withdrawn) this.told.delete(prefix)
      const path = update.attributes.asPath?.flatMap(({ asns }) => asns).join(' ') ?? ''
      for (const { prefix } of update.announced) this.told.set(prefix, path)
    }
  }
}

/** Rejects every fourth prefix and marks every third. */
const picky: RoutePolicy = ({ prefix, attributes }) => {
  const number = Number(prefix.split('.')[2])
  if (number % 4 === 0) return { accept: false }
  if (number % 3 !== 0) return { accept: true }
  return { accept: true, attributes: { ...attributes, asPath: [...attributes.asPath, MARK] } }
}
const MARK = { kind: 'sequence', asns: [99] } as const

function world(seed: number) {
  const random = new SeededRandom(seed)
  const clock = new VirtualClock()
  const attributes = new AttributeTable()
  attributes.localAs = 65000
  const sources = new Sources()
  const ribs = { 4: new Rib(4, attributes, sources), 6: new Rib(6, attributes, sources) }
  const rib = ribs[4]
  const work = new Work(clock, (task) => void clock.after(0, task))
  const advertiser = new Advertiser(ribs, clock, work, () => {})
  const listeners = Array.from({ length: 6 }, (_, at) => {
    const source = sources.add(SOURCE_KIND.external, `0a0000${10 + at}`)
    sources.routerIds[source] = 10 + at
    return new Listener(source)
  })
  const subscription = (policy: RoutePolicy | undefined): Subscription => ({
    family: 4,
    rules: RULES,
    policy,
    adapt: (own) =>
      policyAdapter(
        rib,
        own,
        { address: ip('10.0.0.9'), as: 1, kind: 'external' },
        RULES,
        () => undefined,
      ),
  })
  return { random, clock, attributes, rib, advertiser, listeners, subscription }
}

function attributesFor(source: number, variant: number): RouteAttributes {
  const asns = Array.from({ length: 1 + (variant % 3) }, (_, at) => 64000 + source * 10 + at)
  return {
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns }],
    nextHop: ip(`10.0.1.${source}`),
    ...(variant % 5 === 4 ? { communities: [0xffffff01] } : {}),
  }
}

/** What a listener should know, worked out from nothing but all paths. */
function expected(rib: Rib, source: number, policy: RoutePolicy | undefined): Map<string, string> {
  const told = new Map<string, string>()
  for (let row = 0; row < rib.prefixes.rowLimit; row++) {
    const paths: number[] = []
    for (let path = rib.first[row]!; path >= 0; path = rib.pathNexts[path]!) {
      if (rib.pathStatus[path] === PATH_STATUS.eligible) paths.push(path)
    }
    const best = paths.sort((a, b) => comparePaths(rib, b, a))[0]
    if (best === undefined || rib.pathSources[best] === source) continue
    const from = rib.pathSources[best]!
    const prefix = prefixOfRow(rib.prefixes, row)
    const given = variants.get(`${from} ${prefix}`)!
    if (given % 5 === 4) continue
    const attributes = attributesFor(from, given)
    const verdict = policy?.({ prefix, attributes, from: undefined, neighbor: undefined as never })
    if (verdict?.accept === false) continue
    const path = (verdict?.attributes ?? attributes).asPath.flatMap(({ asns }) => asns)
    told.set(prefix, [65000, ...path].join(' '))
  }
  return told
}

/** What each source last announced; kept beside the table, to compare with. */
const variants = new Map<string, number>()

describe.each([1, 2, 3, 4, 5, 6, 7, 8])('update groups, seed %d', (seed) => {
  it('tell every neighbor exactly what it should know, whatever happened', async () => {
    variants.clear()
    const { random, clock, attributes, rib, advertiser, listeners, subscription } = world(seed)
    const policies = new Map<Listener, RoutePolicy | undefined>()
    const present = new Set<Listener>()
    const change = (): void => {
      const words = Uint32Array.of((10 << 24) | (random.below(PREFIXES) << 8))
      const source = 1 + random.below(6)
      const prefix = `10.0.${(words[0]! >>> 8) & 255}.0/24`
      if (random.below(3) === 0) {
        rib.withdraw(words, 0, 24, source, 0)
        variants.delete(`${source} ${prefix}`)
      } else {
        const variant = random.below(10)
        const block = blockOfAttributes(attributesFor(source, variant), 4)
        const set = attributes.intern(block, 0, block.length)
        rib.update(words, 0, 24, source, 0, set, set, PATH_STATUS.eligible)
        attributes.release(set)
        variants.set(`${source} ${prefix}`, variant)
      }
    }
    for (let round = 0; round < 300; round++) {
      for (let count = random.below(12); count > 0; count--) change()
      const listener = listeners[random.below(6)]!
      const what = random.below(10)
      if (!present.has(listener) && what < 4) {
        const policy = random.below(2) === 0 ? picky : undefined
        listener.told.clear()
        present.add(listener)
        policies.set(listener, policy)
        advertiser.subscribe(listener, subscription(policy))
      } else if (present.has(listener) && what === 4) {
        present.delete(listener)
        advertiser.unsubscribe(listener)
      } else if (present.has(listener) && what === 5) {
        const policy = random.below(2) === 0 ? picky : undefined
        policies.set(listener, policy)
        advertiser.resubscribe(listener, subscription(policy))
      } else if (present.has(listener) && what === 6) advertiser.resend(listener, 4)
      else if (what === 7) listener.isCongested = !listener.isCongested
      else if (what === 8) {
        const policy = random.below(2) === 0 ? picky : undefined
        for (const each of present) {
          policies.set(each, policy)
          advertiser.resubscribe(each, subscription(policy))
        }
      }
      advertiser.wake()
      if (random.below(3) === 0) await clock.advance(random.below(1500))
    }
    for (const listener of listeners) listener.isCongested = false
    advertiser.wake()
    await clock.advance(5000)
    for (const listener of present) {
      const should = expected(rib, listener.source, policies.get(listener))
      const sorted = (map: Map<string, string>) => [...map].map(String).sort()
      expect(sorted(listener.told)).toEqual(sorted(should))
      expect(advertiser.countFor(listener, 4)).toBe(should.size)
    }
    expect(present.size).toBeGreaterThan(0)
  })

  it('keep no set of attributes that nothing uses', async () => {
    const { clock, attributes, rib, advertiser, listeners, subscription } = world(seed)
    advertiser.subscribe(listeners[0]!, subscription(picky))
    for (let at = 0; at < 40; at++) {
      const words = Uint32Array.of((10 << 24) | (at << 8))
      const block = blockOfAttributes(attributesFor(2, at), 4)
      const set = attributes.intern(block, 0, block.length)
      rib.update(words, 0, 24, 2, 0, set, set, PATH_STATUS.eligible)
      attributes.release(set)
    }
    advertiser.wake()
    await clock.advance(10)
    expect(listeners[0]!.told.size).toBeGreaterThan(0)
    for (let at = 0; at < 40; at++) {
      rib.withdraw(Uint32Array.of((10 << 24) | (at << 8)), 0, 24, 2, 0)
    }
    advertiser.wake()
    await clock.advance(10)
    expect(listeners[0]!.told.size).toBe(0)
    expect(attributes.size).toBe(0)
    expect(rib.pathCount + rib.prefixCount).toBe(0)
  })
})
