import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SeededRandom } from '../../src/lib/random.ts'
import { labPath } from '../../src/main/lab-paths.ts'
import { openEtcdStore } from '../../src/main/open-etcd-store.ts'
import type { Store } from '../../src/store/store.ts'
import { fieldsOf, MISTAKES, wrongRow } from '../simulation/wrong-rows.ts'
import { canRunLabs, TestLab, tortie } from './tortie.ts'

interface Status {
  readonly nodes: readonly {
    readonly name: string
    readonly agent: { readonly problems: readonly { readonly resource: string }[] }
  }[]
}

const SOURCE = 'network-5z4qp'
const TARGET = '10.211.1.4'
const SEED = Number(process.env['TORTIE_HOSTILE_SEED'] ?? 1)
const CASES = 8
const RESOURCES = '/calico/resources/v3/projectcalico.org/'
/** Rows of the seed that agents follow, and one that none of them needs. */
const ROWS = [
  ['IPPool', 'ippools/'],
  ['Node', 'nodes/server03'],
  ['BGPConfiguration', 'bgpconfigurations/'],
  ['ClusterInformation', 'clusterinformations/'],
] as const

/** A seeded sample, on real agents, of what the simulation tries whole. */
describe.skipIf(!canRunLabs('wrong rows under real agents'))('a row that somebody spoils', () => {
  let lab: TestLab
  let store: Store

  beforeAll(async () => {
    lab = new TestLab('seed', `hostile${process.pid}`)
    store = await openEtcdStore(`unix:${labPath(lab.name, 'store.sock')}`)
  })

  afterAll(() => {
    store.close()
    lab.down()
  })

  const status = (): Status =>
    JSON.parse(tortie('lab', 'status', lab.name, '-o', 'json').stdout) as Status
  const put = (key: string, value: string) =>
    store.transact({ compare: [], success: [{ put: key, value }] })
  const named = (): string[] => [
    ...new Set(status().nodes.flatMap(({ agent }) => agent.problems.map((one) => one.resource))),
  ]

  it('harms no agent and no packet, is named, and can be mended', async () => {
    const random = new SeededRandom(SEED)
    const pings = lab.beside(SOURCE, 'ping', '-i', '0.02', TARGET)
    await pings.until(/bytes from/)
    for (let at = 0; at < CASES; at++) {
      const [kind, prefix] = ROWS[at % ROWS.length]!
      const { rows } = await store.list(RESOURCES + prefix)
      const { key, value: good } = rows[0]!
      const field = fieldsOf(kind)[random.below(fieldsOf(kind).length)]!
      const mistake = at < ROWS.length ? 'half' : MISTAKES[random.below(MISTAKES.length)]!
      await put(key, wrongRow(good, field, mistake))
      const isCertain = mistake === 'half'
      if (isCertain) await expect.poll(named, { timeout: 10_000 }).toContain(key)
      expect(status().nodes.every(({ agent }) => 'problems' in agent)).toBe(true)
      if (isCertain) expect(tortie('lab', 'status', lab.name).stdout).toContain(key)
      await put(key, good)
      await expect.poll(named, { timeout: 10_000 }).toEqual([])
    }
    expect(await pings.stop()).toMatch(/ 0% packet loss/)
    expect(tortie('lab', 'status', lab.name).status).toBe(0)
  }, 180_000)
})
