import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../lib/clock.ts'
import { UserError } from '../lib/errors.ts'
import { silentLog } from '../lib/log.ts'
import { SeededRandom } from '../lib/random.ts'
import { MemoryStore } from '../store/memory-store.ts'
import { Resources } from '../store/resources.ts'
import { defineApply } from './apply.ts'
import { mergePatch } from './merge-patch.ts'
import { definePatch } from './patch.ts'
import { runProgram } from './program.ts'
import { testContext } from './testing/test-context.ts'

const POOL = `
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  name: pool
spec:
  cidr: 10.211.0.0/16
  blockSize: 24
  ipipMode: CrossSubnet
`

class Cluster {
  readonly resources: Resources
  constructor() {
    const ports = { clock: new VirtualClock(), random: new SeededRandom(1), log: silentLog }
    this.resources = new Resources({ store: new MemoryStore(), ...ports })
  }

  async run(files: Readonly<Record<string, string>>, ...argv: string[]) {
    const context = testContext({
      openResources: () => Promise.resolve({ resources: this.resources, close() {} }),
      readText: (path) => {
        const text = files[path]
        return text === undefined
          ? Promise.reject(new UserError(`${path}: no such file`))
          : Promise.resolve(text)
      },
    })
    const entries = [
      { name: 'apply', load: () => Promise.resolve(defineApply) },
      { name: 'patch', load: () => Promise.resolve(definePatch) },
    ].map((entry) => ({ summary: 'of it', group: 'Change' as const, ...entry }))
    const code = await runProgram(argv, entries, context, '1')
    return { code, ...context.written }
  }
}

describe('tortie apply', () => {
  it('creates what is not there and updates what is, and says how many', async () => {
    const cluster = new Cluster()
    const files = {
      'a.yaml': `${POOL}---\n---\n${POOL.replaceAll('pool', 'other').replace('211', '212')}`,
    }
    expect(await cluster.run(files, 'apply', '-f', 'a.yaml')).toEqual({
      code: 0,
      out: "Successfully applied 2 'IPPool' resource(s)\n",
      err: '',
    })
    const { metadata } = await cluster.resources.get('IPPool', 'pool')
    const changed = { '-': POOL.replace('CrossSubnet', 'Always') }
    expect((await cluster.run(changed, 'apply', '-f', '-')).code).toBe(0)
    const after = await cluster.resources.get('IPPool', 'pool')
    expect(after.spec.ipipMode).toBe('Always')
    expect(after.metadata.uid).toBe(metadata.uid)
  })

  it('reads lists, in JSON too', async () => {
    const cluster = new Cluster()
    const item = { kind: 'IPPool', metadata: { name: 'a' }, spec: { cidr: '10.1.0.0/16' } }
    const text = JSON.stringify({ kind: 'IPPoolList', items: [item] })
    expect((await cluster.run({ l: text }, 'apply', '-f', 'l')).code).toBe(0)
    expect((await cluster.resources.list('IPPool')).length).toBe(1)
  })

  it('tells all that is wrong, with file and document, and changes nothing', async () => {
    const cluster = new Cluster()
    const files = { 'a.yaml': `${POOL}---\nkind: Pood\n---\nkind: IPPool\nspec: {cidr: 1}\n` }
    const { code, err } = await cluster.run(files, 'apply', '-f', 'a.yaml')
    expect(code).toBe(1)
    expect(err).toContain("a.yaml, document 2: resource type 'Pood' is not supported")
    expect(err).toContain('a.yaml, document 3: error with field spec.cidr')
    expect(await cluster.resources.list('IPPool')).toEqual([])
  })

  it.each([
    ['a: [', 'a.yaml: '],
    ['', 'no resources'],
    ['just words', 'expected a resource'],
  ])('refuses %j', async (text, words) => {
    const { code, err } = await new Cluster().run({ 'a.yaml': text }, 'apply', '-f', 'a.yaml')
    expect(code).toBe(1)
    expect(err).toContain(words)
  })
})

describe('what a person writes', () => {
  it('is refused where a field is misspelled, with line, column and the nearest name', async () => {
    const cluster = new Cluster()
    const text = POOL.replace('ipipMode:', 'ipipMod:').replace(
      'name: pool',
      'name: pool\n  lables: {}',
    )
    const { code, err } = await cluster.run({ 'a.yaml': text }, 'apply', '-f', 'a.yaml')
    expect(code).toBe(1)
    expect(err).toContain(
      'a.yaml:6:11: metadata.lables: not a field of IPPool; did you mean labels?',
    )
    expect(err).toContain(
      'a.yaml:10:12: spec.ipipMod: not a field of IPPool; did you mean ipipMode?',
    )
    expect(await cluster.resources.list('IPPool')).toEqual([])
  })

  it('may have fields that the datastore has already, and those of Calico that are only kept', async () => {
    const cluster = new Cluster()
    await cluster.run({ p: POOL }, 'apply', '-f', 'p')
    await cluster.resources.modify('IPPool', 'pool', ({ spec }) => {
      Object.assign(spec, { someday: 1 })
    })
    const text = `${POOL}  someday: 2\n---
kind: FelixConfiguration
metadata: {name: default, finalizers: [a]}
spec: {bpfConntrackTimeouts: {tcpSynSent: 20s}, logSeverityScreen: Debug}
`
    expect(await cluster.run({ 'a.yaml': text }, 'apply', '-f', 'a.yaml')).toMatchObject({
      code: 0,
    })
    expect((await cluster.resources.get('IPPool', 'pool')).spec).toMatchObject({ someday: 2 })
  })

  it('is read as calicoctl reads it: numbers and truth are text where text is wanted', async () => {
    const cluster = new Cluster()
    const text = `
kind: Node
metadata:
  name: a
  labels: {routeReflector: true, route-reflector: yes, rack: 7, half: 0.5}
  annotations: {since: 2019-01-16T06:46:19Z}
spec: {bgp: {asNumber: "1.10", ipv4Address: 10.0.0.1/24}}
---
kind: BGPPeer
metadata: {name: p}
spec: {peerIP: 192.0.2.1, asNumber: "64512"}
---
kind: BGPConfiguration
metadata: {name: default}
spec:
  communities: [{name: c, value: 65000:30}]
  prefixAdvertisements: [{cidr: 10.0.0.0/8, communities: [c]}]
`
    expect(await cluster.run({ 'a.yaml': text }, 'apply', '-f', 'a.yaml')).toMatchObject({
      code: 0,
    })
    const { metadata, spec } = await cluster.resources.get('Node', 'a')
    expect(metadata.labels).toEqual({
      half: '0.5',
      rack: '7',
      'route-reflector': 'true',
      routeReflector: 'true',
    })
    expect(metadata.annotations).toEqual({ since: '2019-01-16T06:46:19Z' })
    expect(spec.bgp?.asNumber).toBe(65546)
    expect((await cluster.resources.get('BGPPeer', 'p')).spec.asNumber).toBe(64512)
    expect(
      (await cluster.resources.get('BGPConfiguration', 'default')).spec.communities?.[0]?.value,
    ).toBe('65000:30')
  })

  it.each([
    ['prefixAdvertisements: [{cidr: 10.211.0.0/16, communities: ["70000:5"]}]', "= '70000:5'"],
    [
      'prefixAdvertisements: [{cidr: 10.211.0.0/16, communities: [not-defined]}]',
      "= 'not-defined'",
    ],
    ['asNumber: 0', "spec.asNumber = '0' (expected an AS number"],
  ])('is refused where no agent could carry it out: %s', async (spec, words) => {
    const text = `{kind: BGPConfiguration, metadata: {name: default}, spec: {${spec}}}`
    const { code, err } = await new Cluster().run({ f: text }, 'apply', '-f', 'f')
    expect(code).toBe(1)
    expect(err).toContain(words)
  })
})

describe('tortie patch', () => {
  async function patched(patch: string, name = 'pool') {
    const cluster = new Cluster()
    await cluster.run({ p: POOL }, 'apply', '-f', 'p')
    // As a later version might have written it.
    await cluster.resources.modify('IPPool', 'pool', ({ spec }) => {
      Object.assign(spec, { someday: 1 })
    })
    const ran = await cluster.run({}, 'patch', 'ippool', name, '-p', patch)
    return { ...ran, pool: await cluster.resources.get('IPPool', 'pool') }
  }

  it('changes the fields that it names and no other, unknown ones included', async () => {
    const { code, out, pool } = await patched('{"spec": {"ipipMode": "Never"}}')
    expect([code, out]).toEqual([0, "Successfully patched 1 'IPPool' resource\n"])
    expect(pool.spec).toMatchObject({ ipipMode: 'Never', cidr: '10.211.0.0/16', someday: 1 })
  })

  it.each(['{"spec": {"someday": 2}}', '{"spec": {"someday": null, "never": null}}'])(
    'changes and removes what a later version has written: %s',
    async (patch) => {
      const { code, pool } = await patched(patch)
      expect([code, (pool.spec as { someday?: number }).someday]).not.toEqual([0, 1])
      expect(code).toBe(0)
    },
  )

  it.each([
    [
      '{"spec": {"ipipmode": "Never"}}',
      'spec.ipipmode: not a field of IPPool; did you mean ipipMode?',
    ],
    ['{"sepc": {}}', 'sepc: not a field of IPPool; did you mean spec?'],
    ['{"spec": ', '--patch is not JSON'],
    ['[]', 'expected a JSON object'],
    ['{"spec": {"ipipMode": "Perhaps"}}', 'expected one of Never, Always, CrossSubnet'],
    ['{"spec": {"cidr": "10.0.0.0/8"}}', 'IPPool CIDR cannot be modified'],
    ['{"metadata": {"name": "x"}}', 'cannot change kind or name'],
  ])('refuses %s', async (patch, words) => {
    const { code, err, pool } = await patched(patch)
    expect(code).toBe(1)
    expect(err).toContain(words)
    expect(pool.spec.ipipMode).toBe('CrossSubnet')
  })

  it('names what does not exist', async () => {
    expect((await patched('{}', 'nobody')).err).toContain('resource does not exist: IPPool(nobody)')
  })
})

it('merges as RFC 7386 says (appendix A)', () => {
  const cases: [target: unknown, patch: unknown, result: unknown][] = [
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    ['foo', { a: 1 }, { a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ]
  for (const [target, patch, result] of cases) expect(mergePatch(target, patch)).toEqual(result)
})
