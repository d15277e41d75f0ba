import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { type Log, silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import { defineApply } from './apply.ts'
import { defineGet } from './get.ts'
import { definePatch } from './patch.ts'
import { runProgram } from './program.ts'
import { testContext } from './testing/test-context.ts'

const key = (kind: string, name: string): string =>
  `/calico/resources/v3/projectcalico.org/${kind}/${name}`

/** As other programs may have written them: each with what cannot be read, and with what nobody here knows. */
const ROWS: readonly {
  kind: string
  key: string
  row: object
  problem?: string
  unreadable?: true
}[] = [
  {
    kind: 'ippool',
    key: key('ippools', 'pool'),
    row: {
      kind: 'IPPool',
      metadata: { name: 'pool', labels: { rack: 7, zone: 'b' } },
      spec: {
        cidr: '10.211.0.0/16',
        blockSize: 24,
        allowedUses: ['Workload'],
        someday: { of: [1] },
      },
      status: { conditions: null },
    },
    problem: 'metadata.labels.rack',
    unreadable: true,
  },
  {
    kind: 'bgpconfiguration',
    key: key('bgpconfigurations', 'default'),
    row: {
      kind: 'BGPConfiguration',
      metadata: { name: 'default', creationTimestamp: null },
      spec: {
        serviceClusterIPs: [{ cidr: '10.96.0.0/999' }, { cidr: '10.97.0.0/16', since: 'v9' }, ''],
        communities: [{ name: 'a', value: '65000:1' }, { name: 'b' }, 5],
        ignoredInterfaces: ['eth1', 7],
        someday: true,
      },
    },
    problem: 'spec.serviceClusterIPs[0].cidr',
  },
  {
    kind: 'bgppeer',
    key: key('bgppeers', 'peer'),
    row: {
      kind: 'BGPPeer',
      metadata: { name: 'peer', managedFields: [{ manager: 'x' }], odd: 1 },
      spec: { peerIP: '10.0.0.1', asNumber: 64512, someday: [null, ''] },
    },
  },
  {
    kind: 'node',
    key: key('nodes', 'server01'),
    row: {
      kind: 'Node',
      metadata: { name: 'server01' },
      spec: {
        bgp: {
          ipv4Address: '172.16.170.128/24',
          ipv6Address: 'none',
          later: 12345678901234567890n,
        },
        addresses: [
          { address: 'nowhere' },
          { address: '172.16.170.128', type: 'InternalIP', x: {} },
        ],
      },
      status: { podCIDRs: ['10.211.0.0/24', '10.0.0.9'] },
    },
    problem: 'spec.addresses[0].address',
  },
  {
    kind: 'ipreservation',
    key: key('ipreservations', 'kept'),
    row: {
      kind: 'IPReservation',
      metadata: { name: 'kept' },
      spec: { reservedCIDRs: ['10.0.0.1', 'x', true] },
    },
    problem: 'spec.reservedCIDRs[1]',
  },
  {
    kind: 'ipamconfiguration',
    key: '/calico/ipam/v2/config',
    row: { strict_affinity: true, auto_allocate_blocks: true, ipCooldownSeconds: 5, someday: 'x' },
  },
]

const jsonOf = (row: object): string =>
  JSON.stringify(row, (_, value: unknown) =>
    typeof value === 'bigint' ? `bigint ${value}` : value,
  ).replaceAll(/"bigint (\d+)"/g, '$1')

class Cluster {
  readonly store = new MemoryStore()
  readonly warnings: string[] = []
  readonly #resources: Resources

  constructor() {
    const log: Log = {
      ...silentLog,
      warn: (_, fields) => void this.warnings.push(String(fields?.['field'])),
    }
    const ports = { clock: new VirtualClock(), random: new SeededRandom(1), log }
    this.#resources = new Resources({ store: this.store, ...ports })
  }

  async put(at: string, row: object): Promise<void> {
    const value = jsonOf(row)
    await this.store.transact({ compare: [], success: [{ put: at, value }] })
  }

  async run(input: string, ...argv: string[]) {
    const context = testContext({
      openResources: () => Promise.resolve({ resources: this.#resources, close() {} }),
      readText: () => Promise.resolve(input),
    })
    const entries = [
      { name: 'get', load: () => Promise.resolve(defineGet) },
      { name: 'apply', load: () => Promise.resolve(defineApply) },
      { name: 'patch', load: () => Promise.resolve(definePatch) },
    ].map((entry) => ({ summary: 'of it', group: 'Change' as const, ...entry }))
    const code = await runProgram(argv, entries, context, '1')
    return { code, ...context.written }
  }
}

describe.each(ROWS)(
  'a stored $kind with what cannot be read',
  ({ kind, key, row, problem, unreadable = false }) => {
    it.each(['yaml', 'json'])('comes back out of a file of %s as it was', async (form) => {
      const cluster = new Cluster()
      await cluster.put(key, row)
      const before = cluster.store.row(key)!.value
      const { out } = await cluster.run('', 'get', kind, '-o', form)
      if (problem !== undefined) expect(cluster.warnings).toContain(problem)
      expect(await cluster.run(out, 'apply', '-f', '-')).toMatchObject({ code: 0, err: '' })
      expect(cluster.store.row(key)!.value).toBe(before)
    })

    it.runIf(unreadable)('is no row of a table, which says why', async () => {
      const cluster = new Cluster()
      await cluster.put(key, row)
      const { name } = (row as { metadata: { name: string } }).metadata
      const { code, err } = await cluster.run('', 'get', kind, name)
      expect([code, err]).toEqual([1, expect.stringContaining(`${problem} is '7'`)])
      const yaml = await cluster.run('', 'get', kind, name, '-o', 'yaml')
      expect([yaml.code, yaml.out]).toEqual([0, expect.stringContaining('rack: 7')])
    })

    it.skipIf(unreadable)('keeps it when something else is changed in the file', async () => {
      const cluster = new Cluster()
      await cluster.put(key, row)
      const [name] = (await cluster.run('', 'get', kind, '-o', 'name')).out
        .trim()
        .split('/')
        .slice(1)
      const one = JSON.parse((await cluster.run('', 'get', kind, name!, '-o', 'json')).out)
      const isLarge = kind === 'node' // JSON.parse does not keep its number
      if (kind !== 'ipamconfiguration') one.metadata.annotations = { changed: 'yes' }
      else one.spec.maxBlocksPerHost = 9
      expect(await cluster.run(JSON.stringify(one), 'apply', '-f', '-')).toMatchObject({ code: 0 })
      const after = JSON.parse(cluster.store.row(key)!.value)
      const merged = { ...JSON.parse(jsonOf(row)), maxBlocksPerHost: 9 }
      if (kind === 'ipamconfiguration') return expect(after).toEqual(merged)
      expect(after.metadata.annotations).toEqual({ changed: 'yes' })
      if (!isLarge) expect(after).toMatchObject(JSON.parse(jsonOf(withoutDefaults(row))))
    })
  },
)

/** What a change gives a resource that had none. */
function withoutDefaults(row: object): object {
  const { metadata } = row as { readonly metadata: object }
  const { creationTimestamp: _, ...rest } = metadata as { creationTimestamp?: unknown }
  return { ...row, metadata: rest }
}

describe('what a person types', () => {
  it('may not be wrong in another way than what is stored', async () => {
    const cluster = new Cluster()
    const { key: at, row } = ROWS[4]!
    await cluster.put(at, row)
    const before = cluster.store.row(at)
    const { out } = await cluster.run('', 'get', 'ipreservation', '-o', 'yaml')
    const typed = out.replace('- x', '- z')
    const { code, err } = await cluster.run(typed, 'apply', '-f', '-')
    expect([code, err]).toEqual([1, expect.stringContaining("spec.reservedCIDRs[1] = 'z'")])
    expect(cluster.store.row(at)).toEqual(before)
  })

  it('mends what was wrong', async () => {
    const cluster = new Cluster()
    const { key: at, row } = ROWS[4]!
    await cluster.put(at, row)
    const { out } = await cluster.run('', 'get', 'ipreservation', '-o', 'yaml')
    const typed = out.replace('- x', '- 10.0.0.2').replace('- true', '- 10.0.0.3')
    expect(await cluster.run(typed, 'apply', '-f', '-')).toMatchObject({ code: 0 })
    expect(JSON.parse(cluster.store.row(at)!.value)).toMatchObject({
      spec: { reservedCIDRs: ['10.0.0.1/32', '10.0.0.2/32', '10.0.0.3/32'] },
    })
  })
})
