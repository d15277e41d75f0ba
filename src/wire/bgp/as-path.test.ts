import { describe, expect, it } from 'vitest'
import { asPathLength, type AsPathSegment, formatAsPath, mergeAs4Path } from './as-path.ts'
import { decodeAttributeBlock } from './update.ts'
import { OLD_SPEAKER, updateOf } from './testing/goldens.ts'
import { scanUpdate } from './scan-update.ts'
import { UpdateScan } from './update-scan.ts'

const sequence = (...asns: number[]): AsPathSegment => ({ kind: 'sequence', asns })
const set = (...asns: number[]): AsPathSegment => ({ kind: 'set', asns })

describe('merging AS4_PATH (RFC 6793 section 4.2.3)', () => {
  it.each([
    ['as long as AS_PATH', [sequence(23456, 23456)], [sequence(70000, 70001)], '70000 70001'],
    ['shorter', [sequence(1, 2, 23456)], [sequence(70000)], '1 2 70000'],
    ['longer, so ignored', [sequence(1)], [sequence(2, 3)], '1'],
    ['behind a set', [sequence(1), set(2, 3), sequence(23456)], [sequence(70000)], '1 {2 3} 70000'],
    [
      'that begins in the middle',
      [sequence(1, 23456, 3)],
      [sequence(70000), set(3)],
      '1 70000 {3}',
    ],
    ['empty, after its confederation segments are gone', [sequence(1, 2)], [], '1 2'],
  ])('%s', (_, path, as4Path, merged) => {
    expect(formatAsPath(mergeAs4Path(path, as4Path))).toBe(merged)
  })

  it('counts a set as one hop', () => {
    expect(asPathLength([sequence(1, 2), set(3, 4, 5)])).toBe(3)
  })
})

describe('routes from a speaker of two-octet AS numbers', () => {
  const attributesOf = (text: string) => {
    const scan = new UpdateScan()
    const octets = updateOf(`40 01 01 00 40 03 04 0a000001 ${text}`)
    scanUpdate(octets, 0, octets.length, OLD_SPEAKER, scan)
    const { block } = scan
    return decodeAttributeBlock(block.octets, block.start, block.end)
  }
  const AS4 = 'c0 11 06 02 01 00011170 c0 12 08 00011171 0a000009'

  it('have the true path and aggregator', () => {
    const found = attributesOf(`40 02 06 02 02 fde9 5ba0 c0 07 06 5ba0 0a000002 ${AS4}`)
    expect(found.asPath).toEqual([sequence(65001, 70000)])
    expect(found.aggregator).toEqual({ asn: 70001, address: '10.0.0.9' })
    expect(found).not.toHaveProperty('as4Path')
    expect(found).not.toHaveProperty('as4Aggregator')
  })

  it('have AS_PATH alone where an old speaker aggregated', () => {
    const found = attributesOf(`40 02 06 02 02 fde9 5ba0 c0 07 06 fde9 0a000002 ${AS4}`)
    expect(found.asPath).toEqual([sequence(65001, 23456)])
    expect(found.aggregator).toEqual({ asn: 65001, address: '10.0.0.2' })
  })

  it('have no aggregator where there is AS4_AGGREGATOR alone', () => {
    const found = attributesOf(`40 02 06 02 02 fde9 5ba0 ${AS4}`)
    expect(found.asPath).toEqual([sequence(65001, 70000)])
    expect(found).not.toHaveProperty('aggregator')
  })

  it('have AS_PATH alone where AS4_PATH is malformed, also after a good one', () => {
    const scan = new UpdateScan()
    const paths = ['c0 11 06 02 01 00011170', 'c0 11 04 02 01 0001'].map((as4Path) => {
      const octets = updateOf(`40 01 01 00 40 02 06 02 02 fde9 5ba0 40 03 04 0a000001 ${as4Path}`)
      scanUpdate(octets, 0, octets.length, OLD_SPEAKER, scan)
      const { block } = scan
      return formatAsPath(decodeAttributeBlock(block.octets, block.start, block.end).asPath ?? [])
    })
    expect(paths).toEqual(['65001 70000', '65001 23456'])
  })
})
