import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ip } from '../net/ip-address.ts'
import { prefix } from '../net/prefix.ts'
import { addressOf, allocationsOf, type Block, isEmpty, newBlock, ordinalOf } from './block.ts'
import {
  assignAddress,
  assignNext,
  freeReleased,
  releaseAddresses,
  releaseHandle,
} from './block-changes.ts'
import { decodeBlock, encodeBlock } from './block-codec.ts'
import { blockRing, fnv1 } from './block-ring.ts'

const fresh = (cidr = '10.0.0.0/30'): Block =>
  newBlock({
    cidr: prefix(cidr),
    node: 'server01',
    claimTime: '2019-01-16T06:46:19Z',
    sequenceNumber: 1547621179000000123n,
  })
const owner = (handle: string, attributes = {}) => ({ handle, attributes })
const all = (): boolean => true

describe('a block', () => {
  it('gives out every address, the first first', () => {
    const { block, addresses } = assignNext(fresh(), 9, owner('h'), all)
    expect(addresses).toEqual(['10.0.0.0', '10.0.0.1', '10.0.0.2', '10.0.0.3'])
    expect(assignNext(block, 1, owner('h'), all).addresses).toEqual([])
  })

  it('gives an address that was freed last of all', () => {
    const one = assignNext(fresh(), 1, owner('a'), all).block
    const freed = releaseHandle(one, 'a').block
    const { addresses } = assignNext(freed, 4, owner('b'), all)
    expect(addresses).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.0'])
  })

  it('passes over addresses that are not allowed, and keeps their turn', () => {
    const { block, addresses } = assignNext(fresh(), 1, owner('a'), (a) => a !== '10.0.0.0')
    expect(addresses).toEqual(['10.0.0.1'])
    expect(block.unallocated).toEqual([0, 2, 3])
  })

  it('keeps equal attributes once, and drops what nobody refers to', () => {
    const a = assignNext(fresh(), 2, owner('a', { pod: 'x' }), all).block
    const b = assignNext(a, 1, owner('b'), all).block
    expect(b.allocations).toEqual([0, 0, 1, null])
    const without = releaseHandle(b, 'a').block
    expect(without.allocations).toEqual([null, null, 0, null])
    expect(without.attributes.map(({ handle }) => handle)).toEqual(['b'])
    expect(without.unallocated).toEqual([3, 0, 1])
  })

  it('notes the sequence number of the write that gave out an address, as it was before it', () => {
    const { block } = assignNext(fresh(), 1, owner('a'), all)
    expect(allocationsOf(block)[0]!.sequenceNumber).toBe(1547621179000000123n)
    expect(releaseHandle(block, 'a').block.sequenceNumberForAllocation).toEqual({})
  })

  it('tells who has an address that is asked for', () => {
    const { block } = assignAddress(fresh(), ip('10.0.0.2'), owner('a'))
    expect(() => assignAddress(block, ip('10.0.0.2'), owner('b'))).toThrow(
      'address 10.0.0.2 is already assigned to a',
    )
  })

  it('frees nothing of a request in which one owner is wrong', () => {
    const { block } = assignNext(fresh(), 2, owner('a'), all)
    const request = [{ address: ip('10.0.0.0') }, { address: ip('10.0.0.1'), handle: 'b' }]
    expect(() => releaseAddresses(block, request)).toThrow(/belongs to handle a, not to b/)
  })

  it('frees no address that was given out again since', () => {
    const { block } = assignNext(fresh(), 1, owner('a'), all)
    const later = { ...block, sequenceNumber: block.sequenceNumber + 5n }
    const again = assignAddress(releaseHandle(later, 'a').block, ip('10.0.0.0'), owner('a')).block
    const old = { address: ip('10.0.0.0'), handle: 'a', sequenceNumber: 1547621179000000123n }
    expect(() => releaseAddresses(again, [old])).toThrow(/given out again since/)
  })

  it('frees an address once', () => {
    const { block } = assignNext(fresh(), 1, owner('a'), all)
    const request = { address: ip('10.0.0.0') }
    const once = releaseAddresses(block, [request, request])
    expect(once.released).toHaveLength(1)
    expect(releaseAddresses(once.block, [request]).released).toEqual([])
    expect(once.block.unallocated).toEqual([1, 2, 3, 0])
  })

  it('counts as empty with addresses kept for Windows', () => {
    const { block } = assignNext(fresh(), 1, owner('windows-reserved-ipam-handle'), all)
    expect(isEmpty(block)).toBe(true)
    expect(isEmpty(assignNext(block, 1, owner('a'), all).block)).toBe(false)
  })

  it('frees what newer versions marked as released, after the time to cool down', () => {
    const { block } = assignNext(fresh(), 2, owner('a'), all)
    const marked = {
      ...block,
      attributes: [{ ...block.attributes[0]!, releasedAt: '2019-01-16T07:00:00Z' }],
    }
    const at = (text: string): number => Date.parse(`2019-01-16T${text}Z`)
    expect(allocationsOf(marked)).toEqual([])
    expect(freeReleased(marked, at('07:00:30'), 60)).toBe(marked)
    expect(freeReleased(marked, at('07:01:01'), 60).unallocated).toEqual([2, 3, 0, 1])
  })

  it('stays consistent whatever is done to it', () => {
    const step = fc.record({
      release: fc.boolean(),
      handle: fc.constantFrom('a', 'b', 'c'),
      count: fc.integer({ min: 0, max: 5 }),
    })
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let block = fresh('10.0.0.0/28')
        for (const { release, handle, count } of steps) {
          block = release
            ? releaseHandle(block, handle).block
            : assignNext(block, count, owner(handle), all).block
          const taken = block.allocations.flatMap((index, at) => (index === null ? [] : [at]))
          expect([...taken, ...block.unallocated].toSorted((a, b) => a - b)).toEqual(
            Array.from({ length: 16 }, (_, at) => at),
          )
          expect(new Set(block.allocations.filter((index) => index !== null)).size).toBe(
            block.attributes.length,
          )
          expect(Object.keys(block.sequenceNumberForAllocation)).toHaveLength(taken.length)
          expect(decodeBlock('k', encodeBlock(block))).toEqual(block)
        }
      }),
    )
  })
})

describe('addresses and ordinals', () => {
  it.each([
    ['10.0.240.0/20', '10.0.255.255', 4095],
    ['10.0.0.64/26', '10.0.0.64', 0],
    ['fd00::1000/116', 'fd00::1fff', 4095],
  ])('of %s: %s is %d', (cidr, address, ordinal) => {
    const block = { cidr: prefix(cidr) }
    expect(ordinalOf(block, ip(address))).toBe(ordinal)
    expect(addressOf(block, ordinal)).toBe(address)
  })
})

describe('the stored form of a block', () => {
  it('is that of Calico, with all digits of the sequence numbers', () => {
    const { block } = assignNext(
      fresh(),
      1,
      owner('k8s-pod-network.abc', { pod: 'p', node: 'n' }),
      all,
    )
    expect(encodeBlock(block)).toBe(
      '{"cidr":"10.0.0.0/30","affinity":"host:server01","affinity_claim_time":"2019-01-16T06:46:19Z",' +
        '"allocations":[0,null,null,null],"unallocated":[1,2,3],' +
        '"attributes":[{"handle_id":"k8s-pod-network.abc","secondary":{"node":"n","pod":"p"}}],' +
        '"sequenceNumber":1547621179000000123,"sequenceNumberForAllocation":{"0":1547621179000000123},"deleted":false}',
    )
  })

  it('of old and of newer versions is read, and what is unknown in it kept', () => {
    const old =
      '{"cidr":"10.0.0.0/31","affinity":"host:n","strictAffinity":false,"allocations":[0,null],"unallocated":[1],' +
      '"attributes":[{"handle_id":null,"secondary":null,"alternateOwnerAttrs":{"x":"y"}}],"deleted":false}'
    const block = decodeBlock('k', old)
    expect(block.sequenceNumber).toBe(0n)
    expect(encodeBlock(block)).toContain('"strictAffinity":false')
    expect(encodeBlock(block)).toContain('"alternateOwnerAttrs":{"x":"y"}')
  })

  it.each([
    ['{', /JSON/],
    ['{"cidr":"10.0.0.1/30"}', /cidr: expected a CIDR/],
    [
      '{"cidr":"10.0.0.0/8","allocations":[],"unallocated":[]}',
      /cidr: block 10.0.0.0\/8 is too large/,
    ],
    ['{"cidr":"10.0.0.0/31","allocations":[0,null],"unallocated":[1]}', /indices into attributes/],
    ['{"cidr":"10.0.0.0/31","allocations":[null],"unallocated":[0]}', /expected 2 entries/],
    [
      '{"cidr":"10.0.0.0/31","allocations":[null,null],"unallocated":[2]}',
      /ordinals that nobody has/,
    ],
  ])('%s is refused', (text, message) => {
    expect(() => decodeBlock('k', text)).toThrow(message)
  })
})

describe('the ring of blocks', () => {
  it('has every block of the pool once, from a place that depends on the node', () => {
    const ring = [...blockRing(prefix('10.0.0.0/24'), 26, 'server01')]
    expect(ring.toSorted()).toEqual([
      '10.0.0.0/26',
      '10.0.0.128/26',
      '10.0.0.192/26',
      '10.0.0.64/26',
    ])
    const starts = Array.from({ length: 20 }, (_, at) => [
      ...blockRing(prefix('10.0.0.0/24'), 26, `n${at}`),
    ]).map(([first]) => first)
    expect(new Set(starts).size).toBeGreaterThan(1)
  })

  it('begins at once in a pool of IPv6', () => {
    for (const block of blockRing(prefix('fd00::/48'), 122, 'n')) {
      expect(block).toMatch(/^fd00::.*\/122$/)
      break
    }
  })

  it('begins by FNV-1', () => {
    // From the published test vectors of the FNV hash.
    expect(fnv1('')).toBe(0x811c9dc5)
    expect(fnv1('a')).toBe(0x050c5d7e)
    expect(fnv1('foobar')).toBe(0x31f0b262)
  })
})
