import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../lib/clock.ts'
import { ip } from '../../net/ip-address.ts'
import { prefix } from '../../net/prefix.ts'
import { blockOfAttributes } from '../route-attributes.ts'
import { AttributeTable } from './attribute-table.ts'
import { PATH_STATUS } from './path-state.ts'
import { wordsOf } from './prefix-text.ts'
import { Rib } from './rib.ts'
import { RouteHistory } from './route-history.ts'
import { SOURCE_KIND, Sources } from './sources.ts'

/** A RIB whose history keeps `perRoute` changes of each route. */
function kept(perRoute: number) {
  const clock = new VirtualClock()
  const attributes = new AttributeTable()
  const sources = new Sources()
  const rib = new Rib(4, attributes, sources)
  const history = new RouteHistory(rib, clock, perRoute, (source) => ip(`10.0.0.${source}`))
  rib.observer = history
  const source = sources.add(SOURCE_KIND.external, '')
  const update = (text: string, asn: number): void => {
    const asPath = [{ kind: 'sequence' as const, asns: [asn] }]
    const block = blockOfAttributes({ origin: 'igp', asPath, nextHop: ip('10.0.0.9') }, 4)
    const set = attributes.intern(block, 0, block.length)
    const { words, length } = wordsOf(prefix(text))
    rib.update(words, 0, length, source, 0, set, set, PATH_STATUS.eligible)
    attributes.release(set)
  }
  const withdraw = (text: string): void => {
    const { words, length } = wordsOf(prefix(text))
    rib.withdraw(words, 0, length, source, 0)
  }
  const of = (text: string) => {
    const { words, length } = wordsOf(prefix(text))
    return history.of(rib.prefixes.find(words, 0, length))
  }
  const brief = (text: string): string[] =>
    of(text).map(({ event, detail }) => `${event} ${detail.replace('next hop 10.0.0.9, ', '')}`)
  return { attributes, brief, history, of, rib, update, withdraw }
}

describe('the history of routes', () => {
  it('keeps the latest changes of each route, oldest first', () => {
    const { brief, of, update, withdraw } = kept(3)
    update('10.1.0.0/16', 65001)
    update('10.2.0.0/16', 65002)
    expect(brief('10.1.0.0/16')).toEqual(['received AS path 65001', 'best AS path 65001'])
    withdraw('10.1.0.0/16')
    expect(brief('10.1.0.0/16')).toEqual(['best AS path 65001', 'withdrawn ', 'best none'])
    update('10.1.0.0/16', 65003)
    expect(brief('10.1.0.0/16')).toEqual([
      'best none',
      'received AS path 65003',
      'best AS path 65003',
    ])
    expect(brief('10.2.0.0/16')).toEqual(['received AS path 65002', 'best AS path 65002'])
    expect(of('10.2.0.0/16')[0]).toMatchObject({ from: '10.0.0.1' })
    expect(of('10.1.0.0/16')[0]).toMatchObject({ from: undefined })
  })

  it('tells of attributes that no route has any more', () => {
    const { brief, update } = kept(8)
    update('10.1.0.0/16', 65001)
    for (let asn = 1; asn < 100; asn++) update('10.2.0.0/16', asn)
    update('10.1.0.0/16', 65002)
    expect(brief('10.1.0.0/16')[0]).toBe('received AS path 65001')
    expect(brief('10.2.0.0/16')).toHaveLength(8)
    expect(brief('10.2.0.0/16').at(-1)).toMatch(/AS path 99$/)
  })

  it('gives back what it held of routes that are forgotten, and uses it again', () => {
    const { attributes, brief, rib, update, withdraw } = kept(4)
    for (let round = 0; round < 3; round++) {
      for (let at = 0; at < 200; at++) update(`10.1.${at}.0/24`, 64_000 + at)
      expect(brief('10.1.199.0/24')).toHaveLength(2)
      for (let at = 0; at < 200; at++) withdraw(`10.1.${at}.0/24`)
      expect(attributes.size).toBe(200)
      rib.reclaim(0, 1000, () => false)
      expect(attributes.size).toBe(0)
    }
  })

  it('is forgotten as a whole when it is no longer wanted', () => {
    const { attributes, brief, history, update, withdraw } = kept(4)
    update('10.1.0.0/16', 65001)
    withdraw('10.1.0.0/16')
    history.clear()
    expect(attributes.size).toBe(0)
    expect(brief('10.1.0.0/16')).toEqual([])
    update('10.1.0.0/16', 65002)
    expect(brief('10.1.0.0/16')).toEqual(['received AS path 65002', 'best AS path 65002'])
  })
})
