import { expect, it } from 'vitest'
import { ip } from '../net/ip-address.ts'
import { checkConfig } from './check-config.ts'
import type { NeighborConfig, SpeakerConfig } from './config.ts'

const neighbor: NeighborConfig = { address: ip('10.0.0.2'), remoteAs: 64512 }
const config: SpeakerConfig = {
  localAs: 64512,
  routerId: ip('10.0.0.1'),
  listen: [],
  neighbors: [neighbor],
}

const check =
  (change: Partial<SpeakerConfig>, ofNeighbor: Partial<NeighborConfig> = {}) =>
  () =>
    checkConfig({ ...config, neighbors: [{ ...neighbor, ...ofNeighbor }], ...change })

it.each([['localAs', 1, 4_294_967_295]] as const)('%s may be %d to %d', (key, least, most) => {
  for (const value of [least, most]) expect(check({ [key]: value })).not.toThrow()
  for (const value of [least - 1, most + 1, 1.5]) {
    expect(check({ [key]: value })).toThrow(
      `${key}: expected a whole number from ${least} to ${most}, found ${value}`,
    )
  }
})

it.each([
  ['remoteAs', 1, 4_294_967_295],
  ['localAs', 1, 4_294_967_295],
  ['port', 1, 65_535],
  ['holdTimeSeconds', 3, 65_535],
  ['multihopTtl', 1, 255],
  ['ttlSecurityHops', 1, 255],
] as const)('%s of a neighbor may be %d to %d', (key, least, most) => {
  for (const value of [least, most]) expect(check({}, { [key]: value })).not.toThrow()
  // A hold time of 0 is none at all.
  const below = key === 'holdTimeSeconds' ? 2 : least - 1
  for (const value of [below, most + 1, 5.5]) {
    expect(check({}, { [key]: value })).toThrow(`from ${least} to ${most}, found ${value}`)
  }
})

it.each([
  [
    'AS_TRANS as an AS',
    check({ localAs: 23_456 }),
    'localAs: expected an AS of its own, found 23456',
  ],
  [
    'AS_TRANS of a neighbor',
    check({}, { remoteAs: 23_456 }),
    'neighbor 10.0.0.2: remoteAs: expected an AS',
  ],
  ['no router id', check({ routerId: ip('0.0.0.0') }), 'routerId: expected 32 bits'],
  ['an IPv6 router id', check({ routerId: ip('fd00::1') }), 'routerId: expected 32 bits'],
  ['no cluster id', check({ clusterId: ip('0.0.0.0') }), 'clusterId: expected 32 bits'],
  [
    'a long restart',
    check({ gracefulRestart: { restartTimeSeconds: 4096 } }),
    'from 0 to 4095, found 4096',
  ],
  [
    'a neighbor twice',
    check({ neighbors: [neighbor, neighbor] }),
    'neighbor 10.0.0.2: configured twice',
  ],
  ['two ways to the TTL', check({}, { multihopTtl: 2, ttlSecurityHops: 2 }), 'found both'],
  ['no family', check({}, { families: [] }), 'expected a family (4, 6), found none'],
  ['an empty key', check({}, { md5Key: '' }), 'expected an md5Key of 1 to 80 octets'],
  [
    'a key of 81 octets',
    check({}, { md5Key: 'ä'.repeat(40) + 'x' }),
    'expected an md5Key of 1 to 80 octets',
  ],
  [
    'an address of the other family',
    check({}, { localAddress: ip('fd00::1') }),
    'of the same family, found fd00::1',
  ],
] as const)('refuses %s', (_what, checked, message) => {
  expect(checked).toThrow(message)
})

it('takes what is just within bounds', () => {
  expect(check({ gracefulRestart: { restartTimeSeconds: 4095 } })).not.toThrow()
  expect(check({}, { md5Key: 'ä'.repeat(40) })).not.toThrow()
  expect(check({}, { holdTimeSeconds: 0 })).not.toThrow()
})
