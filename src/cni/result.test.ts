import { expect, it } from 'vitest'
import type { CniResult } from '../api/cni-protocol.ts'
import { formatResult } from './result.ts'

const result: CniResult = {
  interfaces: [
    { name: 'cali1' },
    { name: 'eth0', mac: '02:00:00:00:00:01', mtu: 1480, sandbox: '/n' },
  ],
  ips: [
    { address: '10.211.0.6/32', gateway: '169.254.1.1', interface: 1 },
    { address: 'fd00::6/128', interface: 1 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '169.254.1.1', mtu: 1400 },
    { dst: '::/0', gw: 'fe80::1' },
  ],
  dns: { nameservers: ['10.96.0.10'] },
}

it.each(['0.1.0', '0.2.0'] as const)('has an address of each family in version %s', (version) => {
  expect(formatResult(result, version)).toEqual({
    cniVersion: version,
    ip4: {
      ip: '10.211.0.6/32',
      gateway: '169.254.1.1',
      routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
    },
    ip6: { ip: 'fd00::6/128', routes: [{ dst: '::/0', gw: 'fe80::1' }] },
    dns: { nameservers: ['10.96.0.10'] },
  })
})

it.each(['0.3.0', '0.3.1', '0.4.0'] as const)('names families in version %s', (version) => {
  expect(formatResult(result, version)).toMatchObject({
    cniVersion: version,
    interfaces: [{ name: 'cali1' }, { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/n' }],
    ips: [
      { version: '4', address: '10.211.0.6/32', interface: 1 },
      { version: '6', address: 'fd00::6/128', interface: 1 },
    ],
  })
})

it.each(['0.3.1', '1.0.0'] as const)('has no field of later versions in %s', (version) => {
  expect(JSON.stringify(formatResult(result, version))).not.toContain('mtu')
})

it('has all in version 1.1.0', () => {
  expect(formatResult(result, '1.1.0')).toEqual({ cniVersion: '1.1.0', ...result })
})
