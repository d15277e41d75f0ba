import fc from 'fast-check'
import { expect, it } from 'vitest'
import { newResource } from '../../model/parse-resource.ts'
import { ipv4ToNumber, ip } from '../../net/ip-address.ts'
import { ipv4Prefix, overlaps, parsePrefix } from '../../net/prefix.ts'
import { separatePools } from './separate-pools.ts'

const pool = (cidr: string, at: number) => ({
  resource: newResource({ kind: 'IPPool', metadata: { name: `p${at}` }, spec: { cidr } }),
  createRevision: at,
})

const cidrs = fc.oneof(
  fc.tuple(fc.nat(255), fc.integer({ min: 24, max: 30 })).map(([host, length]) => {
    const mask = -1 << (32 - length)
    return ipv4Prefix((ipv4ToNumber(ip('10.1.0.0')) + host) & mask, length)
  }),
  fc.constantFrom('fd00::/64', 'fd00::/120', 'fd00:0:0:1::/64', '10.0.0.0/8'),
)

it('leaves out those, and only those, that overlap an older one that counts', () => {
  fc.assert(
    fc.property(fc.array(cidrs, { maxLength: 40 }), (list) => {
      const { value, problems } = separatePools(list.map(pool))
      const expected: string[] = []
      for (const [at, cidr] of list.entries()) {
        const isTaken = expected.some((name) => {
          const other = list[Number(name.slice(1))]!
          return overlaps(parsePrefix(other)!, parsePrefix(cidr)!)
        })
        if (!isTaken) expected.push(`p${at}`)
      }
      expect(value.map(({ metadata }) => metadata.name).toSorted()).toEqual(expected.toSorted())
      expect(problems).toHaveLength(list.length - expected.length)
    }),
  )
})
