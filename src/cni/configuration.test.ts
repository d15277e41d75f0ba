import { expect, it } from 'vitest'
import { checkConfiguration } from './configuration.ts'

it('takes every MTU that a link can have, and 0 or none for the agent’s choice', () => {
  const mtuOf = (mtu?: unknown) =>
    checkConfiguration(
      { cniVersion: '1.1.0', name: 'net', ...(mtu === undefined ? {} : { mtu }) },
      'ADD',
    ).mtu
  expect([68, 1500, 65535, 0].map(mtuOf)).toEqual([68, 1500, 65535, 0])
  expect(mtuOf()).toBeUndefined()
  for (const mtu of [67, 65536, -1, 1500.5, '1500', null]) {
    expect(() => mtuOf(mtu)).toThrow("expected 0 (the agent's choice) or 68 to 65535 octets")
  }
})
