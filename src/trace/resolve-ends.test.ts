import { describe, expect, it } from 'vitest'
import { ip } from '../net/ip-address.ts'
import type { Directory } from './tables/directory.ts'
import { editDistance } from '../lib/closest.ts'
import { nearest } from './nearest.ts'
import { resolveEnds } from './resolve-ends.ts'
import { seedDirectory } from './testing/seed-cluster.ts'

const resolve = (from: string, to: string, directory: Directory = seedDirectory) =>
  resolveEnds(from, to, directory)

describe('the ends of a trace', () => {
  it('are found by short name, full name, address and node name', () => {
    const pod = {
      kind: 'pod',
      pod: 'default/network-5z4qp',
      node: 'server01',
      address: '10.211.0.6',
    }
    for (const from of ['network-5z4qp', 'default/network-5z4qp', '10.211.0.6']) {
      expect(resolve(from, 'server02')).toEqual({
        from: pod,
        to: { kind: 'node', node: 'server02', address: '172.16.170.129' },
      })
    }
    expect(resolve('server01', '10.211.0.1').to).toMatchObject({ kind: 'node', node: 'server01' })
    expect(resolve('network-5z4qp', '9.9.9.9').to).toEqual({ kind: 'address', address: '9.9.9.9' })
  })

  it.each([
    ['network-5z4q', 'Did you mean network-5z4qp?'],
    ['netwrok-5z4qp', 'Did you mean network-5z4qp?'],
    ['coredns', 'Did you mean coredns-777d78ff6f-6sjt5?'],
    ['serer02', 'Did you mean server02 or server01 or server03?'],
    ['zzzzzzzzzzzz', 'See `tortie get workloadendpoint -A` for the pods there are.'],
    ['kube-system/network-5z4qp', 'No pod, node or address is called'],
  ])('that are misspelled (%s) are told with the nearest', (name, hint) => {
    expect(() => resolve(name, 'network-mngxw')).toThrow(hint)
  })

  it('that are the same pod are refused, however they are written', () => {
    expect(() => resolve('network-5z4qp', '10.211.0.6')).toThrow(
      'Both ends are default/network-5z4qp (10.211.0.6)',
    )
  })

  it.each([
    ['0.0.0.0', 'no address of a host'],
    ['127.0.0.1', 'the loopback address of each host'],
    ['169.254.1.1', 'the gateway of every pod'],
    ['224.0.0.5', 'a multicast address'],
    ['255.255.255.255', 'no address of a host'],
    ['::1', 'the loopback address of each host'],
    ['ff02::1', 'a multicast address'],
  ])('that no single host has (%s) are refused', (address, what) => {
    expect(() => resolve('network-5z4qp', address)).toThrow(`${address} is ${what}`)
  })

  it('must begin where something can be sent', () => {
    expect(() => resolve('9.9.9.9', 'network-5z4qp')).toThrow('Cannot send from 9.9.9.9')
  })

  it('with a name that several namespaces have ask for the namespace', () => {
    const endpoint = seedDirectory.endpoints[0]!
    const twin = { ...endpoint, pod: 'other/network-5z4qp', addresses: [ip('10.211.0.9')] }
    const directory = { ...seedDirectory, endpoints: [...seedDirectory.endpoints, twin] }
    expect(() => resolve('network-5z4qp', 'server02', directory)).toThrow(
      '2 pods: default/network-5z4qp, other/network-5z4qp. Put the namespace before it.',
    )
    expect(resolve('other/network-5z4qp', 'server02', directory).from.address).toBe('10.211.0.9')
  })

  it('speak one family', () => {
    const endpoint = seedDirectory.endpoints[0]!
    const endpoints = [{ ...endpoint, addresses: [ip('10.211.0.6'), ip('fd00::6')] }]
    const directory = { ...seedDirectory, endpoints }
    expect(resolve('network-5z4qp', 'fd00::9', directory).from.address).toBe('fd00::6')
    expect(() => resolve('server01', 'fd00::9', directory)).toThrow('no address of the same family')
  })
})

describe('nearness of names', () => {
  it('counts insertions, deletions, changes and swaps as one step', () => {
    const steps = [
      ['', 'ab'],
      ['abc', 'abc'],
      ['abc', 'acb'],
      ['abc', 'axc'],
      ['kitten', 'sitting'],
    ] as const
    expect(steps.map(([a, b]) => editDistance(a, b))).toEqual([2, 0, 1, 1, 3])
  })

  it('gives three at most, the closest first', () => {
    expect(nearest('pod1', ['pod1x', 'pod2', 'pod3', 'pod4', 'other'])).toHaveLength(3)
    expect(nearest('pod1', ['pod1x', 'pod12x'])).toEqual(['pod12x', 'pod1x'])
  })
})
