import { describe, expect, it } from 'vitest'
import { hex } from '../../lib/bytes.ts'
import { ip } from '../../net/ip-address.ts'
import { asPathLength } from './as-path.ts'
import { scanUpdate } from './scan-update.ts'
import { decodeAttributeBlock, encodeAttributeBlock } from './update.ts'
import { annotated, framed, OLD_SPEAKER, SESSION } from './testing/goldens.ts'
import { TREATMENT } from './treatment.ts'
import { BLOCK_OCTETS_MAX, UpdateScan } from './update-scan.ts'

/** Messages of RFC 8654 that are filled to the brim, so that what is made of them could be too long. */

const u16 = (value: number): string => value.toString(16).padStart(4, '0')

/** A sequence of `count` two-octet numbers, in segments of 255. */
function narrowPath(count: number): string {
  let text = ''
  for (let left = count; left > 0; left -= 255) {
    const size = Math.min(255, left)
    text += `02${size.toString(16).padStart(2, '0')}${'fde9'.repeat(size)}`
  }
  return text
}

function message(...attributes: readonly [flags: string, code: string, value: string][]) {
  const long = attributes.map(
    ([flags, code, value]) => flags + code + u16(value.length / 2) + value,
  )
  const all = hex(annotated(`40010100 4003040a000001 ${long.join('')}`))
  return framed(2, `0000 ${u16(all.length / 2)} ${all} 18 0a0100`)
}

function scan(octets: Uint8Array) {
  const into = new UpdateScan()
  scanUpdate(octets, 0, octets.length, OLD_SPEAKER, into)
  return into
}

describe('a path of two-octet AS numbers', () => {
  it('is widened as long as it fits an attribute', () => {
    const found = scan(message(['50', '02', narrowPath(16_000)]))
    expect(found.treatment).toBe(TREATMENT.none)
    const { octets, start, end } = found.block
    const { asPath } = decodeAttributeBlock(octets, start, end)
    expect(asPathLength(asPath ?? [])).toBe(16_000)
  })

  it('is malformed beyond that', () => {
    const found = scan(message(['50', '02', narrowPath(17_000)]))
    expect(found.treatment).toBe(TREATMENT.treatAsWithdraw)
    expect(found.withdrawn.count).toBe(1)
  })

  it('stays alone where AS4_PATH would make it too long', () => {
    const set = `01ff${'00011170'.repeat(255)}`
    const found = scan(message(['50', '02', narrowPath(8_000)], ['d0', '11', set.repeat(45)]))
    const { octets, start, end } = found.block
    const { asPath } = decodeAttributeBlock(octets, start, end)
    expect(asPath?.every(({ kind }) => kind === 'sequence')).toBe(true)
    expect(asPathLength(asPath ?? [])).toBe(8_000)
  })

  it('makes the routes withdrawn where all attributes together become too long', () => {
    const found = scan(
      message(['50', '02', narrowPath(15_000)], ['d0', '08', 'fde80001'.repeat(8_000)]),
    )
    expect(found.treatment).toBe(TREATMENT.treatAsWithdraw)
    expect(found.announced.count).toBe(0)
    expect(found.withdrawn.count).toBe(1)
  })
})

describe('a block that a policy adds to', () => {
  const communities = Array.from({ length: 16_383 }, (_, index) => index)
  const extended = Array.from({ length: 9_000 }, () => '0002fde800000064')
  const survives = (block: Uint8Array): void => {
    expect(block.length).toBeLessThanOrEqual(BLOCK_OCTETS_MAX)
    const attributes = decodeAttributeBlock(block)
    expect(hex(encodeAttributeBlock(attributes))).toBe(hex(block))
    expect(attributes).toMatchObject({ origin: 0, nextHop: '10.0.0.1' })
  }
  const base = { origin: 0, asPath: [], nextHop: ip('10.0.0.1') }

  it('can be read whatever is added', () => {
    survives(encodeAttributeBlock({ ...base, communities: [...communities, 1, 2, 3] }))
    survives(encodeAttributeBlock({ ...base, communities, extendedCommunities: extended }))
    survives(encodeAttributeBlock({ ...base, extendedCommunities: extended }))
    const asns = Array.from({ length: 20_000 }, () => 65001)
    survives(encodeAttributeBlock({ ...base, asPath: [{ kind: 'sequence', asns }] }))
    survives(
      encodeAttributeBlock({
        ...base,
        communities: communities.slice(0, 16_000),
        unknown: [{ flags: 0xe0, code: 99, octets: new Uint8Array(60_000) }],
      }),
    )
  })
})

it('a session of four-octet AS numbers takes a message to its last octet', () => {
  const octets = message(['50', '02', ''], ['d0', '08', 'fde80001'.repeat(16_370)])
  const into = new UpdateScan()
  scanUpdate(octets, 0, octets.length, SESSION, into)
  expect(into.treatment).toBe(TREATMENT.none)
  expect(into.announced.count).toBe(1)
})
