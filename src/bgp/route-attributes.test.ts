import { expect, it } from 'vitest'
import { ip } from '../net/ip-address.ts'
import {
  attributesOfBlock,
  blockOfAttributes,
  originated,
  type RouteAttributes,
} from './route-attributes.ts'

const plain: RouteAttributes = {
  origin: 'egp',
  asPath: [
    { kind: 'sequence', asns: [64512, 4_200_000_000] },
    { kind: 'set', asns: [65001] },
  ],
  nextHop: ip('10.0.0.1'),
}
const whole: RouteAttributes = {
  ...plain,
  med: 0,
  localPreference: 0,
  atomicAggregate: true,
  aggregator: { asn: 64512, address: ip('10.0.0.9') },
  communities: [0xffffff01, 64512],
  extendedCommunities: ['0002fc0000000064'],
  largeCommunities: [{ globalAdministrator: 64512, localData1: 1, localData2: 2 }],
  originatorId: ip('10.0.0.7'),
  clusterList: [ip('1.1.1.1'), ip('2.2.2.2')],
}

it.each([
  ['nothing but what is mandatory', plain, 4],
  ['all there is, zeros included', whole, 4],
  ['an IPv6 next hop of an IPv4 route (RFC 8950)', { ...plain, nextHop: ip('fd00::1') }, 4],
  [
    'a next hop with its link-local one (RFC 2545)',
    { ...plain, nextHop: ip('fd00::1'), linkLocalNextHop: ip('fe80::1') },
    6,
  ],
] as const)(
  'attributes come back from their octets as they were: %s',
  (_what, attributes, family) => {
    expect(attributesOfBlock(blockOfAttributes(attributes, family))).toEqual(attributes)
  },
)

it('a route that is announced has what its announcement left out', () => {
  expect(originated({ med: 7 }, 4)).toEqual({
    origin: 'igp',
    asPath: [],
    nextHop: '0.0.0.0',
    med: 7,
  })
  expect(originated({ origin: 'incomplete' }, 6)).toEqual({
    origin: 'incomplete',
    asPath: [],
    nextHop: '::',
  })
  expect(originated({ nextHop: ip('10.0.0.1'), asPath: plain.asPath }, 4)).toEqual({
    ...plain,
    origin: 'igp',
  })
})
