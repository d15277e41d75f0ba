import { describe, expect, it } from 'vitest'
import { findFault } from '../causes/find-fault.ts'
import { ip } from '../../net/ip-address.ts'
import { endNetns, resolveEnds } from '../resolve-ends.ts'
import type { LookupAnswer } from '../../api/node-access.ts'
import type { Leg, Prediction } from './prediction.ts'
import type { NamespaceText } from '../testing/namespace-snapshot.ts'
import { type Change, seedDirectory, seedSnapshots } from '../testing/seed-cluster.ts'
import { TracedCluster } from '../tables/topology.ts'
import { Walk } from './walk.ts'

interface Options {
  readonly leg?: Leg
  readonly octets?: number
  readonly changes?: Readonly<Record<string, Change>>
  readonly answers?: ReadonlyMap<string, LookupAnswer>
}

function predict(from: string, to: string, options: Options = {}): Prediction {
  const ends = resolveEnds(from, to, seedDirectory)
  const [start, end] = options.leg === 'return' ? [ends.to, ends.from] : [ends.from, ends.to]
  if (start.kind === 'address') throw new Error('a test starts at an end that exists')
  return new Walk(
    {
      leg: options.leg ?? 'forward',
      start: { node: start.node, netns: endNetns(start) },
      end: end.kind === 'address' ? undefined : { node: end.node, netns: endNetns(end) },
      source: start.address,
      destination: end.address,
      ttl: 64,
      octets: options.octets ?? 84,
      dontFragment: true,
    },
    new TracedCluster(seedSnapshots(options.changes), seedDirectory),
    options.answers ?? new Map(),
    findFault,
  ).run()
}

const brief = ({ hops }: Prediction): string[] =>
  hops.map(({ node, netns, link, direction, ttl, outer }) => {
    const where = netns === 'host' ? node : netns.slice(netns.indexOf('/') + 1)
    const tunnel =
      outer === undefined ? '' : ` in ${outer.source}>${outer.destination} ttl ${outer.ttl}`
    return `${where} ${link} ${direction} ${ttl}${tunnel}`
  })

const withRoutes =
  (edit: (routes: readonly string[]) => readonly string[]): Change =>
  (text) => ({ ...text, routes: edit(text.routes) })
const without = (part: string): Change =>
  withRoutes((routes) => routes.filter((line) => !line.includes(part)))
const withSysctl =
  (path: string, value: string): Change =>
  (text) => ({ ...text, sysctls: { ...text.sysctls, [path]: value } })
const withLink =
  (name: string, change: Partial<NamespaceText['links'][number]>): Change =>
  (text) => ({
    ...text,
    links: text.links.map((link) => (link.name === name ? { ...link, ...change } : link)),
  })

const fault = (prediction: Prediction) =>
  prediction.outcome.kind === 'dropped' ? prediction.outcome.fault : prediction.outcome

describe('the predicted way', () => {
  it('is the seed document’s: 64, 64, 63, 63, 62, 62', () => {
    const prediction = predict('network-5z4qp', 'network-mngxw')
    expect(brief(prediction)).toEqual([
      'network-5z4qp eth0 out 64',
      'server01 cali50914021272 in 64',
      'server01 ens33 out 63',
      'server02 ens33 in 63',
      'server02 calid406b8b6c93 out 62',
      'network-mngxw eth0 in 62',
    ])
    expect(prediction.outcome).toEqual({ kind: 'delivered' })
    expect(prediction.hops.map(({ way }) => way?.route)).toEqual([
      'default via 169.254.1.1 dev eth0',
      undefined,
      '10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird',
      undefined,
      '10.211.1.4 dev calid406b8b6c93 scope link',
      undefined,
    ])
  })

  it('comes back by the same interfaces in reverse', () => {
    expect(brief(predict('network-5z4qp', 'network-mngxw', { leg: 'return' }))).toEqual([
      'network-mngxw eth0 out 64',
      'server02 calid406b8b6c93 in 64',
      'server02 ens33 out 63',
      'server01 ens33 in 63',
      'server01 cali50914021272 out 62',
      'network-5z4qp eth0 in 62',
    ])
  })

  it('stays on the node between two of its pods', () => {
    expect(brief(predict('network-5z4qp', 'coredns-777d78ff6f-6sjt5'))).toEqual([
      'network-5z4qp eth0 out 64',
      'server01 cali50914021272 in 64',
      'server01 calib99e709bd2c out 63',
      'coredns-777d78ff6f-6sjt5 eth0 in 63',
    ])
  })

  it('ends on the node for an address of tunl0', () => {
    const prediction = predict('network-5z4qp', '10.211.0.1')
    expect(brief(prediction)).toEqual([
      'network-5z4qp eth0 out 64',
      'server01 cali50914021272 in 64',
    ])
    expect(prediction.outcome).toEqual({ kind: 'delivered' })
  })

  it('goes through IPIP to another subnet, by a router that nobody sees', () => {
    const prediction = predict('network-5z4qp', 'network-far')
    expect(brief(prediction)).toEqual([
      'network-5z4qp eth0 out 64',
      'server01 cali50914021272 in 64',
      'server01 tunl0 out 63',
      'server01 ens33 out 63 in 172.16.170.128>172.16.180.131 ttl 63',
      'server04 ens33 in 63 in 172.16.170.128>172.16.180.131 ttl 62',
      'server04 tunl0 in 63',
      'server04 cali0123456789a out 62',
      'network-far eth0 in 62',
    ])
    expect(prediction.outcome).toEqual({ kind: 'delivered' })
    expect(prediction.hops[4]!.notes).toEqual(['172.16.170.2 is a router that no table here shows'])
  })

  it('lists the ways of equal cost and follows the one that the kernel names', () => {
    const twoWays: Change = withRoutes((routes) => [
      ...routes.filter((line) => !line.startsWith('10.211.1.0/24')),
      '10.211.1.0/24 proto bird nexthop via 172.16.170.130 dev ens33 nexthop via 172.16.170.129 dev ens33',
    ])
    const answers = new Map<string, LookupAnswer>([
      [
        'server01 host 10.211.1.4 10.211.0.6 11',
        {
          route: {
            type: 'unicast',
            linkIndex: 2,
            gateway: ip('172.16.170.129'),
            preferredSource: undefined,
            table: 254,
          },
        },
      ],
    ])
    const prediction = predict('network-5z4qp', 'network-mngxw', {
      changes: { 'server01 host': twoWays },
      answers,
    })
    expect(prediction.lookups.map(({ node }) => node)).toEqual(['server01', 'server01', 'server02'])
    expect(prediction.hops[2]!.way).toMatchObject({
      nextHop: '172.16.170.129',
      alternatives: ['172.16.170.130 dev ens33'],
      kernel: 'agrees',
    })
    expect(prediction.outcome).toEqual({ kind: 'delivered' })
  })

  it('asks for the tables of a node that it comes to', () => {
    const walk = new Walk(
      {
        leg: 'forward',
        start: { node: 'server01', netns: 'default/network-5z4qp' },
        end: { node: 'server02', netns: 'default/network-mngxw' },
        source: ip('10.211.0.6'),
        destination: ip('10.211.1.4'),
        ttl: 64,
        octets: 84,
        dontFragment: true,
      },
      new TracedCluster(seedSnapshots().slice(0, 1), seedDirectory),
      new Map(),
      findFault,
    )
    expect(walk.run()).toMatchObject({ needs: ['server02'], outcome: { kind: 'unknown' } })
  })
})

describe('what stops a packet by the tables', () => {
  const cases: readonly [string, Record<string, Change>, string, object][] = [
    [
      'a route that is missing',
      {
        'server01 host': withRoutes((lines) =>
          lines.filter((l) => !/^(default|10\.211\.1)/.test(l)),
        ),
      },
      'proxy-arp-no-route',
      { node: 'server01' },
    ],
    [
      'a block whose route is missing while 169.254.1.1 has one of its own',
      {
        'server01 host': withRoutes((lines) => [
          ...lines.filter((l) => !/^(default|10\.211\.1)/.test(l)),
          '169.254.1.1 dev lo scope link',
        ]),
      },
      'no-route',
      { node: 'server01', netns: 'host' },
    ],
    [
      'a blackhole where the pod’s own route is missing',
      { 'server02 host': without('10.211.1.4 dev') },
      'blackhole-route',
      { node: 'server02' },
    ],
    [
      'forwarding switched off',
      { 'server02 host': withSysctl('ipv4.conf.ens33.forwarding', '0') },
      'forwarding-off',
      { node: 'server02', link: 'ens33' },
    ],
    [
      'strict reverse path filtering on an asymmetric way',
      {
        'server02 host': (text) =>
          withSysctl(
            'ipv4.conf.all.rp_filter',
            '1',
          )(
            withRoutes((lines) => [
              ...lines.filter((l) => !l.startsWith('10.211.0.0/24')),
              '10.211.0.0/24 via 172.16.170.128 dev tunl0 proto bird onlink',
            ])(text),
          ),
      },
      'rp-filter',
      { node: 'server02', link: 'ens33' },
    ],
    [
      'proxy_arp switched off',
      { 'server01 host': withSysctl('ipv4.conf.cali50914021272.proxy_arp', '0') },
      'proxy-arp-off',
      { node: 'server01', link: 'cali50914021272' },
    ],
    [
      'a link that is down',
      { 'server02 host': withLink('calid406b8b6c93', { up: false }) },
      'blackhole-route',
      { node: 'server02' },
    ],
    [
      'the pod’s interface being down',
      { 'server02 default/network-mngxw': withLink('eth0', { up: false }) },
      'link-down',
      { node: 'server02', netns: 'default/network-mngxw' },
    ],
    [
      'a loop between two nodes',
      {
        'server01 host': withRoutes((lines) => [
          ...lines.filter((l) => !l.startsWith('10.211.1.0')),
          '10.211.1.0/24 via 172.16.170.130 dev ens33 proto bird',
        ]),
        'server03 host': withRoutes((lines) => [
          ...lines.filter((l) => !l.startsWith('10.211.1.0')),
          '10.211.1.0/24 via 172.16.170.128 dev ens33 proto bird',
        ]),
      },
      'loop',
      {},
    ],
    [
      'a route to a node that does not have the pod',
      {
        'server01 host': withRoutes((lines) => [
          ...lines.filter((l) => !l.startsWith('10.211.1.0')),
          '10.211.1.0/24 via 172.16.170.130 dev ens33 proto bird',
        ]),
        'server03 host': withRoutes((lines) =>
          lines.filter((l) => !l.startsWith('10.211.1.0') && !l.startsWith('default')),
        ),
      },
      'wrong-next-hop',
      { node: 'server01' },
    ],
    [
      'a stale route to another pod’s interface',
      {
        'server01 host': withRoutes((lines) => [
          ...lines.filter((l) => !l.startsWith('10.211.1.0')),
          '10.211.1.0/24 dev calib99e709bd2c scope link',
        ]),
      },
      'wrong-pod',
      { node: 'server01', netns: 'host', link: 'calib99e709bd2c' },
    ],
    [
      'an address that the pod has not got',
      { 'server02 default/network-mngxw': withLink('eth0', { addresses: [] }) },
      'address-missing',
      { node: 'server02', netns: 'default/network-mngxw' },
    ],
    [
      'a source address that the pod has not got',
      { 'server01 default/network-5z4qp': withLink('eth0', { addresses: [] }) },
      'address-missing',
      { node: 'server01' },
    ],
  ]
  it.each(cases)('is %s', (_, changes, cause, place) => {
    const prediction = predict('network-5z4qp', 'network-mngxw', { changes })
    expect(fault(prediction)).toMatchObject({ cause, place })
  })

  it('is the MTU of the tunnel for a packet that may not be cut', () => {
    expect(fault(predict('network-5z4qp', 'network-far', { octets: 1441 }))).toMatchObject({
      cause: 'mtu-exceeded',
      facts: { link: 'tunl0', mtu: 1440, octets: 1441 },
    })
    expect(predict('network-5z4qp', 'network-far', { octets: 1440 }).outcome.kind).toBe('delivered')
  })

  it('is the MTU of the uplink for a packet that fits but for its outer header', () => {
    const changes = { 'server01 host': withLink('ens33', { mtu: 1450 }) }
    expect(fault(predict('network-5z4qp', 'network-far', { octets: 1431, changes }))).toMatchObject(
      {
        cause: 'mtu-exceeded',
        facts: { link: 'ens33', mtu: 1450, octets: 1451, outerOctets: 20 },
      },
    )
    const fits = predict('network-5z4qp', 'network-far', { octets: 1430, changes })
    expect(fits.outcome.kind).toBe('delivered')
  })

  it.each([
    ['leaves by', 'server01', {}],
    ['comes in by', 'server02', { mac: '00:0c:29:21:eb:01' }],
  ])('is the cable that is pulled from the interface that the packet %s', (_, node, change) => {
    const changes = { [`${node} host`]: withLink('ens33', { carrier: false, ...change }) }
    expect(fault(predict('network-5z4qp', 'network-mngxw', { changes }))).toMatchObject({
      cause: 'no-carrier',
      place: { node, netns: 'host', link: 'ens33' },
    })
  })

  it('is nothing where a tunnel has no carrier, which is no cable', () => {
    const changes = { 'server01 host': withLink('tunl0', { carrier: false }) }
    const prediction = predict('network-5z4qp', 'network-far', { changes })
    expect(prediction.outcome.kind).toBe('delivered')
  })

  it('is the blackhole of the block for an address that nobody has', () => {
    const prediction = predict('network-5z4qp', '10.211.1.99')
    expect(fault(prediction)).toMatchObject({
      cause: 'blackhole-route',
      place: { node: 'server02' },
      facts: { route: 'blackhole 10.211.1.0/24 proto bird' },
    })
  })

  it('is a tunnel device that is missing at the far end', () => {
    const changes = {
      'server04 host': (text: NamespaceText) => ({
        ...text,
        links: text.links.filter(({ name }) => name !== 'tunl0'),
        routes: text.routes.filter((line) => !line.includes('tunl0')),
      }),
    }
    expect(fault(predict('network-5z4qp', 'network-far', { changes }))).toMatchObject({
      cause: 'tunnel-missing',
      place: { node: 'server04' },
    })
  })
})
