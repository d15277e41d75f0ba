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
  someday: 1
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

describe('tortie patch', () => {
  async function patched(patch: string, name = 'pool') {
    const cluster = new Cluster()
    await cluster.run({ p: POOL }, 'apply', '-f', 'p')
    const ran = await cluster.run({}, 'patch', 'ippool', name, '-p', patch)
    return { ...ran, pool: await cluster.resources.get('IPPool', 'pool') }
  }

  it('changes the fields that it names and no other, unknown ones included', async () => {
    const { code, out, pool } = await patched('{"spec": {"ipipMode": "Never"}}')
    expect([code, out]).toEqual([0, "Successfully patched 1 'IPPool' resource\n"])
    expect(pool.spec).toMatchObject({ ipipMode: 'Never', cidr: '10.211.0.0/16', someday: 1 })
  })

  it.each([
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
