import { describe, expect, it } from 'vitest'
import { SeededRandom } from '../../lib/random.ts'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import { blockOfAttributes, type RouteAttributes } from '../route-attributes.ts'
import { AttributeTable, TRAIT } from './attribute-table.ts'
import { comparePaths, DECISION_STEPS, isMultipath, selectBest } from './decision.ts'
import { PATH_STATUS } from './path-state.ts'
import { PrefixTable } from './prefix-table.ts'
import { prefixOfRow, wordsOf } from './prefix-text.ts'
import { Rib } from './rib.ts'
import { RowQueue } from './row-queue.ts'
import { SOURCE_KIND, Sources } from './sources.ts'

const BASE: RouteAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [65001, 65002] }],
  nextHop: ip('10.0.0.9'),
}

function intern(table: AttributeTable, attributes: Partial<RouteAttributes> = {}): number {
  const block = blockOfAttributes({ ...BASE, ...attributes }, 4)
  return table.intern(block, 0, block.length)
}

describe.each([4, 6] as const)('the table of IPv%d prefixes', (family) => {
  it('finds exactly what is in it, whatever came and went', () => {
    const random = new SeededRandom(family)
    const table = new PrefixTable(family)
    const rows = new Map<string, number>()
    const pick = () => {
      const number = random.below(3000)
      const length = 16 + random.below(8)
      const kept = Math.floor(number / 2 ** (24 - length)) * 2 ** (24 - length)
      const text =
        family === 4
          ? `10.${(kept >>> 8) & 255}.${kept & 255}.0/${length}`
          : `fd00:${kept.toString(16)}::/48`
      try {
        return prefix(text)
      } catch {
        return prefix(family === 4 ? '10.0.0.0/8' : 'fd00::/48')
      }
    }
    for (let step = 0; step < 20_000; step++) {
      const which = pick()
      const { words, length } = wordsOf(which)
      const known = rows.get(which)
      expect(table.find(words, 0, length)).toBe(known ?? -1)
      if (known !== undefined && random.below(2) === 0) {
        table.remove(known)
        rows.delete(which)
      } else rows.set(which, table.intern(words, 0, length))
    }
    expect(table.size).toBe(rows.size)
    expect(new Set(rows.values()).size).toBe(rows.size)
    for (const [text, row] of rows) expect(prefixOfRow(table, row)).toBe(text)
  })
})

it('tells IPv6 prefixes apart by each of their words', () => {
  const table = new PrefixTable(6)
  const texts = ['fd00::', 'fd01::', 'fd00:0:1::', 'fd00:0:0:0:1::', 'fd00::1']
  const rows = texts.map((text) => table.intern(wordsOf(prefix(`${text}/128`)).words, 0, 128))
  expect(new Set(rows).size).toBe(texts.length)
  for (const [at, text] of texts.entries()) {
    const one = prefix(`${text}/128`)
    expect(prefixOfRow(table, rows[at]!)).toBe(one)
    expect(table.find(wordsOf(one).words, 0, 128)).toBe(rows[at])
  }
  const { words } = wordsOf(prefix('fd00::/128'))
  expect(table.find(words, 0, 127)).toBe(-1)
})

describe('the table of attributes', () => {
  it('keeps equal sets once, and gives their memory back when nobody uses them', () => {
    const table = new AttributeTable()
    const first = intern(table)
    expect(intern(table)).toBe(first)
    expect(table.size).toBe(1)
    table.release(first)
    table.release(first)
    expect(table.size).toBe(0)
    const before = table.octets.length
    for (let round = 0; round < 10_000; round++) table.release(intern(table, { med: round }))
    expect(table.octets.length).toBe(before)
  })

  it('has what the decision process reads beside the octets', () => {
    const table = new AttributeTable()
    table.localAs = 65002
    const set = intern(table, {
      origin: 'egp',
      med: 7,
      localPreference: 4_000_000_000,
      communities: [0xffffff01, 0xffff0006],
      originatorId: ip('1.2.3.4'),
      clusterList: [ip('9.9.9.9'), ip('8.8.8.8')],
      asPath: [
        { kind: 'sequence', asns: [65001, 65002, 65002] },
        { kind: 'set', asns: [1, 2, 3] },
      ],
    })
    expect({
      origin: table.origins[set],
      med: table.meds[set],
      preference: table.localPreferences[set],
      length: table.asPathLengths[set],
      first: table.firstAses[set],
      own: table.localAsCounts[set],
      originator: table.originatorIds[set],
      clusters: table.clusterListLengths[set],
      traits: table.traits[set],
    }).toEqual({
      origin: 1,
      med: 7,
      preference: 4_000_000_000,
      length: 4,
      first: 65001,
      own: 2,
      originator: 0x01020304,
      clusters: 2,
      traits: TRAIT.noExport | TRAIT.llgrStale | TRAIT.hasLocalPreference,
    })
    expect(table.localPreferences[intern(table)]).toBe(100)
    expect([table.hasCluster(set, 0x09090909), table.hasCluster(set, 1)]).toEqual([true, false])
  })

  it('finds each of very many sets again', () => {
    const table = new AttributeTable()
    const ids = Array.from({ length: 20_000 }, (_, med) => intern(table, { med }))
    expect(new Set(ids).size).toBe(ids.length)
    for (let med = 0; med < ids.length; med += 7) {
      expect(intern(table, { med })).toBe(ids[med])
      expect(table.meds[ids[med]!]).toBe(med)
    }
  })
})

describe('the queue of rows', () => {
  it('has each row once, in order of its first change, and those of a scan first', () => {
    const queue = new RowQueue()
    const into = new Int32Array(4)
    for (const row of [7, 3, 7, 9, 3]) queue.mark(row)
    expect(queue.size).toBe(3)
    expect(queue.take(into, 10)).toBe(3)
    expect([...into.subarray(0, 3)]).toEqual([7, 3, 9])
    queue.scanAll()
    expect(queue.take(into, 6)).toBe(4)
    queue.mark(1)
    queue.mark(5)
    expect([queue.has(1), queue.has(5), queue.has(0)]).toEqual([true, true, false])
    expect(queue.take(into, 6)).toBe(3)
    expect([...into.subarray(0, 3)]).toEqual([4, 5, 1])
    expect(queue.isEmpty).toBe(true)
  })
})

/** A RIB with one prefix and a path for each of `paths`, from sources 1, 2, … */
function contest(
  paths: readonly (Partial<RouteAttributes> & { kind?: 'internal' | 'own'; routerId?: number })[],
) {
  const attributes = new AttributeTable()
  const sources = new Sources()
  const rib = new Rib(4, attributes, sources)
  const words = Uint32Array.of(0x0a000000)
  for (const [at, { kind, routerId, ...set }] of paths.entries()) {
    const source = sources.add(SOURCE_KIND[kind ?? 'external'], `0a0000${10 + at}`)
    sources.routerIds[source] = routerId ?? 1
    const id = intern(attributes, set)
    rib.update(words, 0, 8, source, 0, id, id, PATH_STATUS.eligible)
  }
  const pathOf = (at: number): number => rib.findPath(0, at + 1, 0)
  const winner = (): number => rib.pathSources[rib.best[0]!]! - 1
  return { rib, pathOf, winner }
}

describe('the decision process', () => {
  const short = [{ kind: 'sequence', asns: [65001] }] as const
  it.each([
    ['own route', { kind: 'own' }, { localPreference: 200 }],
    ['local preference', { localPreference: 200 }, { asPath: short }],
    ['AS path length', { asPath: short, origin: 'incomplete' }, {}],
    ['origin', {}, { origin: 'egp', med: 0 }],
    ['MED', { med: 1, kind: 'internal' }, { med: 2 }],
    ['external over internal', { routerId: 9 }, { kind: 'internal' }],
    ['router id', { routerId: 1 }, { routerId: 2 }],
    ['router id', { routerId: 9, originatorId: ip('0.0.0.1') }, { routerId: 2 }],
    ['cluster list length', {}, { clusterList: [ip('1.1.1.1')] }],
    ['neighbor address', {}, {}],
  ] as const)('prefers by %s', (step, better, worse) => {
    const { rib, pathOf, winner } = contest([better, worse])
    expect(winner()).toBe(0)
    const result = comparePaths(rib, pathOf(0), pathOf(1))
    expect(DECISION_STEPS[result - 1]).toBe(step)
    expect(comparePaths(rib, pathOf(1), pathOf(0))).toBe(-result)
  })

  it('compares MED only between routes of the same neighbor AS', () => {
    const other = [{ kind: 'sequence', asns: [65009, 65002] }] as const
    const { winner } = contest([
      { med: 50, routerId: 1 },
      { med: 10, routerId: 2, asPath: other },
    ])
    expect(winner()).toBe(0)
  })

  it('chooses the same whatever the order of arrival, also with MED (RFC 4271 section 9.1.2.2)', () => {
    const other = [{ kind: 'sequence', asns: [65009, 65002] }] as const
    const paths = [
      { med: 20, routerId: 1 },
      { med: 10, routerId: 3 },
      { med: 15, routerId: 2, asPath: other },
    ] as const
    const orders = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]
    const winners = orders.map((order) => {
      const { winner } = contest(order.map((at) => paths[at]!))
      return order[winner()]
    })
    expect(new Set(winners)).toEqual(new Set([2]))
  })

  it('leaves long-lived stale paths behind within a neighbor AS, also with MED (RFC 9494 section 4.3)', () => {
    const other = [{ kind: 'sequence', asns: [65009, 65002, 65003] }] as const
    const stale = { communities: [0xffff0006] }
    for (const paths of [
      [{ med: 5, ...stale }, { med: 10 }, { asPath: other }],
      [{ med: 10 }, { med: 5, ...stale }, { asPath: other }],
    ]) {
      const { winner } = contest(paths)
      expect(paths[winner()]).toEqual({ med: 10 })
    }
  })

  it('is not moved by what cannot be used', () => {
    const { rib, pathOf, winner } = contest([{ localPreference: 300 }, {}])
    const id = rib.pathAttributes[pathOf(0)]!
    const words = Uint32Array.of(0x0a000000)
    rib.update(words, 0, 8, 1, 0, id, id, PATH_STATUS.ownAsInPath)
    expect(winner()).toBe(1)
    expect(rib.ineligibleCounts[1]).toBe(1)
    rib.update(words, 0, 8, 1, 0, id, id, PATH_STATUS.eligible)
    expect([winner(), rib.ineligibleCounts[1]]).toEqual([0, 0])
  })

  it('takes paths together that differ only in what breaks ties (ECMP)', () => {
    const other = [{ kind: 'sequence', asns: [65009, 65002] }] as const
    const { rib, pathOf } = contest([{}, { routerId: 2 }, { asPath: other }, { origin: 'egp' }])
    const best = rib.best[0]!
    const together = (relaxed: boolean) =>
      [1, 2, 3].filter((at) => isMultipath(rib, best, pathOf(at), relaxed))
    expect(together(false)).toEqual([1])
    expect(together(true)).toEqual([1, 2])
  })

  it('takes no internal path together with an external one, whatever else is equal (ECMP)', () => {
    const { rib, pathOf, winner } = contest([{}, { kind: 'internal' }, { routerId: 2 }])
    const best = rib.best[0]!
    expect(winner()).toBe(0)
    expect(isMultipath(rib, best, pathOf(1), true)).toBe(false)
    expect(isMultipath(rib, best, pathOf(2), true)).toBe(true)
  })

  it('finds step by step what it finds from scratch', () => {
    const random = new SeededRandom(11)
    const { rib } = contest(Array.from({ length: 8 }, (_, at) => ({ routerId: at })))
    const words = Uint32Array.of(0x0a000000)
    for (let step = 0; step < 3000; step++) {
      const source = 1 + random.below(8)
      if (random.below(4) === 0) rib.withdraw(words, 0, 8, source, 0)
      else {
        const asns = Array.from({ length: 1 + random.below(2) }, () => 65001 + random.below(3))
        const set = intern(rib.attributes, {
          med: random.below(3),
          localPreference: 100 + random.below(2),
          asPath: [{ kind: 'sequence', asns }],
        })
        const status = random.below(5) === 0 ? PATH_STATUS.rejectedByPolicy : PATH_STATUS.eligible
        rib.update(words, 0, 8, source, 0, set, set, status)
        rib.attributes.release(set)
      }
      const incremental = rib.best[0]!
      expect(selectBest(rib, 0)).toBe(incremental)
    }
  })
})
