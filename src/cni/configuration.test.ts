import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CniError } from '../api/cni-protocol.ts'
import { checkConfiguration, parseConfiguration } from './configuration.ts'
import { CONFIGURATION_FIELDS } from './configuration-fields.ts'

const NETWORK = { cniVersion: '1.1.0', name: 'net', type: 'tortie-cni' }

const check = (change: object, command: Parameters<typeof checkConfiguration>[1] = 'ADD') =>
  checkConfiguration({ ...NETWORK, ...change }, command)

/** An object with one value at a path: "ipam.type". */
function at(path: string, value: unknown): Record<string, unknown> {
  const names = path.startsWith('args.org')
    ? ['args', 'org.apache.mesos', 'network_info']
    : path.split('.')
  return names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as never
}

it('takes every MTU that a link can have, and 0 or none for the agent’s choice', () => {
  const mtuOf = (mtu?: unknown) => check(mtu === undefined ? {} : { mtu }).mtu
  expect([68, 1500, 65535, 0].map(mtuOf)).toEqual([68, 1500, 65535, 0])
  expect(mtuOf()).toBeUndefined()
  for (const mtu of [67, 65536, -1, 1500.5, '1500']) {
    expect(() => mtuOf(mtu)).toThrow("expected 0 (the agent's choice) or 68 to 65535 octets")
  }
})

it('takes the configuration that Calico writes for a cluster with etcd', () => {
  const configuration = check({
    log_level: 'info',
    log_file_path: '/var/log/calico/cni/cni.log',
    etcd_endpoints: 'https://10.0.0.1:2379',
    etcd_key_file: '/key',
    mtu: 1440,
    nodename_file_optional: false,
    ipam: { type: 'calico-ipam', assign_ipv4: 'true', assign_ipv6: 'false' },
    policy: { type: 'k8s' },
    container_settings: { allow_ip_forwarding: false },
    feature_control: { ip_addrs_no_ipam: false, floating_ips: false },
    windows_loopback_DSR: false,
    kubernetes: { kubeconfig: '' },
  })
  expect(configuration).toEqual({
    ...NETWORK,
    log_level: 'info',
    mtu: 1440,
    ipam: { type: 'calico-ipam' },
    policy: { type: 'k8s' },
    container_settings: { allow_ip_forwarding: false },
    feature_control: {},
    kubernetes: {},
  })
})

it.each([
  [{ ipam: { type: 'dhcp' } }, 2, 'ipam.type is "dhcp", which is not supported'],
  [{ ipam: { type: 5 } }, 7, 'ipam.type is 5; expected "calico-ipam" or "host-local"'],
  [{ ipam: 'calico-ipam' }, 7, 'ipam is "calico-ipam"; expected an object'],
  [{ ipam: { type: 'host-local' } }, 7, 'ipam.subnet is missing; expected "usePodCidr"'],
  [{ ipam: { type: 'host-local', subnet: '10.1.0.0/24' } }, 2, 'ipam.subnet is "10.1.0.0/24"'],
  [{ ipam: { subnet: 'usePodCidr' } }, 2, 'only ipam.type "host-local" has ranges'],
  [{ ipam: { type: 'host-local', subnet: 'usePodCidr', ipv4_pools: ['a'] } }, 2, 'not pools'],
  [{ agentSocket: `/${'x'.repeat(200)}` }, 7, 'at most 107 octets'],
  [{ name: 'x'.repeat(256) }, 7, 'expected at most 255 letters'],
  [{ ipam: { assign_ipv6: 'true' } }, 2, 'pods have no IPv6 addresses'],
  [{ ipam: { assign_ipv4: 'false' } }, 2, 'every pod has an IPv4 address'],
  [{ ipam: { ipv4_pools: 'blue' } }, 7, 'ipam.ipv4_pools is "blue"; expected a list of texts'],
  [{ ipam: { ipv4_pool: ['blue'] } }, 2, 'ipam.ipv4_pool is ["blue"]'],
  [{ ipam: { routes: [{ dst: 'x' }] } }, 7, 'expected a list of {"dst": an IPv4 prefix}'],
  [{ ipam: { routes: [{ dst: '10.0.0.0/8', gw: '10.0.0.1' }] } }, 2, 'ipam.routes is'],
  [{ foo: 1 }, 2, 'foo is 1, which is not supported: there is no such field'],
  [{ device_type: 'netkit' }, 2, 'device_type is "netkit"'],
  [{ feature_control: { ip_addrs_no_ipam: true } }, 2, 'ip_addrs_no_ipam is true'],
  [{ kubernetes: { kubeconfig: '/k' } }, 2, 'kubernetes.kubeconfig is "/k"'],
  [{ runtimeConfig: { portMappings: [{ hostPort: 1 }] } }, 2, 'the plugin `portmap`'],
  [{ runtimeConfig: { bandwidth: { ingressRate: 1 } } }, 2, 'the plugin `bandwidth`'],
  [{ runtimeConfig: { ips: 'x' } }, 7, 'runtimeConfig.ips is "x"'],
  [{ runtimeConfig: { mac: '01:00:00:00:00:00' } }, 7, 'runtimeConfig.mac is'],
  [{ args: { cni: { labels: {} } } }, 7, 'args.cni.labels is {}; expected a list'],
  [{ args: { cni: { ips: 'foo' } } }, 7, 'args.cni.ips is "foo"'],
  [{ args: { cni: { ips: ['10.0.0.1/99'] } } }, 7, 'args.cni.ips is'],
  [{ dns: { nameservers: ['x'] } }, 7, 'dns is {"nameservers":["x"]}'],
  [{ prevResult: 'x' }, 7, 'prevResult is "x"; expected an object'],
  [{ prevResult: { ips: [{ address: 'x' }] } }, 7, 'prevResult.ips[0].address is "x"'],
  [{ prevResult: { ips: [{ address: '1.1.1.1/8', interface: 0 }] } }, 7, 'of the 0 interfaces'],
  [{ prevResult: { interfaces: [{}] } }, 7, 'prevResult.interfaces[0].name is missing'],
  [{ type: undefined }, 7, 'type is missing'],
  [{ log_level: 'loud' }, 7, 'log_level is "loud"'],
])('refuses %j with code %i', (change, cniCode, message) => {
  for (const command of ['ADD', 'STATUS'] as const) {
    if (command === 'STATUS' && 'prevResult' in change) continue
    let thrown: unknown
    try {
      check(change, command)
    } catch (caught) {
      thrown = caught
    }
    expect(thrown).toMatchObject({ cniCode, message: expect.stringContaining(message) })
  }
})

it('shows no secret', () => {
  expect(() => check({ policy: { k8s_auth_token: 'hush' } })).toThrow('is "(a secret)", which')
  expect(() => parseConfiguration('{"k8s_auth_token": hush')).toThrow(/^((?!hush).)*$/)
})

it('leaves to others what is theirs', () => {
  const change = {
    capabilities: { portMappings: true },
    args: { theirs: { a: 1 }, cni: { other: 1 } },
    _comment: 'of ours',
    'cni.dev/other': 1,
    runtimeConfig: { portMappings: [], bandwidth: {} },
  }
  expect(check(change)).toEqual({ ...NETWORK, args: { cni: {} }, runtimeConfig: {} })
})

it.each(['DEL', 'GC'] as const)(
  'lets nothing in the configuration stand in the way of %s',
  (command) => {
    const valid = { 'cni.dev/valid-attachments': [] }
    const change = { ...valid, ipam: 5, foo: 1, prevResult: 'x', mtu: 'x', dns: 1 }
    expect(check(change, command)).toEqual(command === 'GC' ? { ...NETWORK, ...valid } : NETWORK)
  },
)

it('needs at CHECK what ADD answered', () => {
  expect(() => check({}, 'CHECK')).toThrow('prevResult is missing; expected the result of ADD')
  const prevResult = { ips: [{ address: '10.1.2.3/24', other: 1 }], dns: {} }
  expect(check({ prevResult }, 'CHECK').prevResult).toEqual({
    interfaces: [],
    ips: [{ address: '10.1.2.3/24' }],
    routes: [],
    dns: {},
  })
})

it('reads a result of a version before 0.3.0', () => {
  const prevResult = { ip4: { ip: '10.1.2.3/24', gateway: '10.1.2.1' } }
  expect(check({ prevResult }).prevResult?.ips).toEqual([
    { address: '10.1.2.3/24', gateway: '10.1.2.1' },
  ])
})

describe('every field', () => {
  const refusedOrObeyed = Object.entries(CONFIGURATION_FIELDS)

  it.each(refusedOrObeyed)(
    '%s has a value that is taken or a name that is told',
    (path, decision) => {
      if (path === 'name' || path === 'cniVersion' || path === 'type') return
      const give = (value: unknown) => () => check(at(path, value))
      if (decision.is === 'obeyed') {
        expect(give(Symbol.iterator)).toThrow(`${path} `)
      } else if (decision.is === 'refused') {
        expect(give('asked for')).toThrow(`${path} is `)
        expect(give('')).not.toThrow('is not supported: there is no such field')
      } else {
        expect(check(at(path, 'anything'))).toMatchObject(NETWORK)
      }
      expect(give(null)).not.toThrow()
    },
  )
})

it('takes or refuses whatever JSON there is, by code 2, 6 or 7', () => {
  const names = Object.keys(CONFIGURATION_FIELDS).flatMap((path) => path.split('.'))
  const key = fc.oneof(fc.constantFrom(...names), fc.string())
  const { tree } = fc.letrec((tie) => ({
    tree: fc.dictionary(key, fc.oneof(fc.jsonValue() as fc.Arbitrary<unknown>, tie('tree'))),
  }))
  fc.assert(
    fc.property(tree, fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS'), (fields, command) => {
      try {
        checkConfiguration({ ...(fields as object), ...NETWORK }, command)
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(CniError)
        expect([2, 6, 7]).toContain((thrown as CniError).cniCode)
      }
    }),
    { numRuns: 2_000 },
  )
})
