import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { describeChange, mutantsOf, mutate, sample } from '../scripts/mutation/mutants.mjs'
import { importGraph, nearestTests } from '../scripts/mutation/nearest-tests.mjs'

const root = join(import.meta.dirname, '..')

/** All texts that one mistake makes of another. */
const made = (text: string): string[] =>
  mutantsOf('src/a.ts', text).map((mutant) => mutate(text, mutant))

describe('the mistakes that are made', () => {
  it.each([
    ['const x = a < b', ['const x = a <= b']],
    ['const x = a === b', ['const x = a !== b']],
    ['const x = a && b', ['const x = a || b']],
    ['const x = a ?? b', ['const x = (b)']],
    ['const x = !a', ['const x = a']],
    ['const x = a + b', ['const x = a - b']],
    ['const x = a as number + (b as number)', ['const x = a as number - (b as number)']],
    ['const x = rows.some(test)', ['const x = rows.every(test)']],
    ['const x = Math.min(a, b)', ['const x = Math.max(a, b)']],
    ['const x = true', ['const x = false']],
    ['const x = 7', ['const x = 8']],
    ['const x = 0x10', ['const x = (0x10 + 1)']],
    ['const x = 7n', ['const x = (7n + 1n)']],
    ['for (;;) at++', ['for (;;) at--', 'for (;;) ;']],
    ['step(a)', [';']],
    ['const x = a ? b : c', ['const x = !(a) ? b : c']],
    [
      'function f() { if (a) return\n b = c }',
      ['if (!(a)) return', 'if (a) ;', '{ if (a) return\n ; }'],
    ],
    ['if (a !== b) { throw x }', ['if (a === b) { throw x }', 'if (a !== b) { ; }']],
  ])('of %s', (text, expected) => {
    const found = made(text)
    expect(found).toHaveLength(expected.length)
    for (const one of expected) expect(found.some((each) => each.includes(one))).toBe(true)
  })

  it.each([
    [
      'types',
      'interface A { readonly n: 4 }\ntype B = 3 extends 4 ? true : false\nlet c: 1 | true',
    ],
    ['imports', "import { a } from './1.ts'\nexport * from './2.ts'"],
    ['comments', '// a < b && 3\n/* !true */'],
    ['texts', "const a = 'x' + b\nconst c = `${d}` + e"],
    [
      'what is logged',
      'this.#log.warn(`${a + 1}`, { ok: !b })\nneeds.log.info(c && d)\nconsole.log(1)',
    ],
    ['messages of errors', 'const a = new UserError(`expected ${b + 1}`)'],
    [
      'sizes and times that are tuned',
      'const RETRY_MILLISECONDS = 2 * 1000\nconst a = new Uint8Array(64)',
    ],
    ['directives', "'use strict'"],
  ])('leaves %s alone', (_what, text) => {
    expect(made(text)).toEqual([])
  })

  it('reaches what stands inside of types that are asserted', () => {
    expect(made('const x = (a! < b) satisfies boolean')).toEqual([
      'const x = (a! <= b) satisfies boolean',
    ])
  })

  it('are named so that other lines do not change their names', () => {
    const text = 'const a = b < c\nconst d = e < f\n'
    const names = mutantsOf('src/a.ts', text).map(({ id }) => id)
    const later = mutantsOf('src/a.ts', `// é\nconst before = true\n${text}`)
    expect(later.map(({ id }) => id).slice(1)).toEqual(names)
    expect(later.map(({ line }) => line)).toEqual([2, 3, 4])
    expect(new Set(names).size).toBe(2)
  })

  it('are shown as the lines that differ', () => {
    const text = 'const z = 1\nif (a) {\n  throw b\n}\nconst y = 1\n'
    const end = mutantsOf('src/a.ts', text).find(({ operator }) => operator === 'early end')!
    expect(describeChange(text, end)).toEqual(['- throw b', '+ ;'])
  })

  it('are chosen by the seed, and the same ones when others are added', () => {
    const text = Array.from({ length: 200 }, (_, at) => `const x${at} = a${at} < b`).join('\n')
    const all = mutantsOf('src/a.ts', text)
    const ids = (mutants: readonly { id: string }[]) => mutants.map(({ id }) => id)
    const chosen = sample(all, 50, 1)
    expect(chosen).toHaveLength(50)
    expect(ids(sample(all, 50, 1))).toEqual(ids(chosen))
    expect(ids(sample(all, 50, 2))).not.toEqual(ids(chosen))
    const more = mutantsOf('src/a.ts', `const more = c < d\n${text}`)
    const stayed = new Set(ids(sample(more, 50, 1)))
    expect(ids(chosen).filter((id) => stayed.has(id)).length).toBeGreaterThanOrEqual(49)
    expect(sample(all, 1000, 1)).toBe(all)
  })
})

describe('a tree', () => {
  const made: string[] = []
  afterEach(() => {
    for (const folder of made.splice(0)) rmSync(folder, { recursive: true })
  })

  function tree(files: Readonly<Record<string, string>>): string {
    const folder = mkdtempSync(join(tmpdir(), 'tortie-mutation-test-'))
    made.push(folder)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return folder
  }

  it('has for each file the tests that import it over the fewest others', () => {
    const folder = tree({
      'src/bgp/fsm.ts': "import type { A } from './types.ts'\n",
      'src/bgp/types.ts': '',
      'src/bgp/speaker.ts': "import './fsm.ts'\nimport '../lib/clock.ts'\n",
      'src/lib/clock.ts': '',
      'src/bgp/fsm.test.ts': "import { step } from './fsm.ts'\n",
      'src/bgp/speaker.test.ts': "import { type S, speaker } from './speaker.ts'\n",
      'src/agent/agent.test.ts': "import { step } from '../bgp/fsm.ts'\n",
    })
    const nearest = nearestTests(importGraph(folder))
    expect(nearest.get('src/bgp/fsm.ts')).toEqual([
      'src/bgp/fsm.test.ts',
      'src/bgp/speaker.test.ts',
    ])
    // Of no test of its own folder, that of another.
    expect(nearest.get('src/lib/clock.ts')).toEqual(['src/bgp/speaker.test.ts'])
    expect(nearest.get('src/bgp/types.ts')).toBeUndefined()
  })

  /** Runs every mutant of a tree; answers what is printed, and "line status" of each. */
  function run(folder: string, ...options: readonly string[]) {
    const json = join(folder, 'result.json')
    const printed = execFileSync(
      process.execPath,
      ['scripts/mutate.mjs', '--root', folder, '--workers', '1', '--json', json, ...options],
      { cwd: root, encoding: 'utf8' },
    )
    const { mutants } = JSON.parse(readFileSync(json, 'utf8')) as {
      mutants: { path: string; line: number; operator: string; status: string }[]
    }
    const statuses = mutants.map(({ path, line, status }) => `${path}:${line} ${status}`)
    return { printed, mutants, statuses }
  }

  /** A tree whose tests can be run. */
  function testedTree(files: Readonly<Record<string, string>>): string {
    const folder = tree({
      'package.json': '{ "type": "module" }',
      'vitest.config.ts': 'export default { test: { include: ["src/**/*.test.ts"] } }',
      ...files,
    })
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(join(root, 'node_modules/vitest'), join(folder, 'node_modules/vitest'))
    return folder
  }

  it('is told what its tests do not notice, and goes on where it was', () => {
    const folder = testedTree({
      'src/bgp/limit.ts': [
        'export const unseen = (a: number) => a < 3',
        'export const isFull = (a: number) => a >= 10\n',
      ].join('\n'),
      'src/bgp/limit.test.ts': [
        "import { expect, it } from 'vitest'",
        "import { isFull } from './limit.ts'",
        "it('is full at ten', () => expect([9, 10].map(isFull)).toEqual([false, true]))",
      ].join('\n'),
      // What was noticed in one file must not count for the next.
      'src/bgp/until.ts': 'export const isOver = (a: number) => a > 2\n',
      'src/bgp/until.test.ts': [
        "import { expect, it } from 'vitest'",
        "import { isOver } from './until.ts'",
        "it('is over', () => expect(isOver(9)).toBe(true))",
      ].join('\n'),
    })
    const { printed, statuses } = run(folder)
    expect(statuses).toEqual([
      'src/bgp/limit.ts:1 survived',
      'src/bgp/limit.ts:1 survived',
      'src/bgp/limit.ts:2 killed',
      'src/bgp/limit.ts:2 killed',
      'src/bgp/until.ts:1 survived',
      'src/bgp/until.ts:1 survived',
    ])
    expect(printed).toContain('+ export const unseen = (a: number) => a <= 3')
    expect(printed).not.toContain('+ export const isFull')
    expect(printed).toMatch(/^src\/bgp +6 +2 +0 +4 +0 +33\.3 %$/m)
    expect(readFileSync(join(folder, 'src/bgp/limit.ts'), 'utf8')).toContain('a >= 10')
    expect(run(folder).printed).toContain('6 mutants, seed 1; 6 are done already')
  })

  it('is not kept waiting by a loop without end', () => {
    const folder = testedTree({
      'src/bgp/sum.ts': 'export let sum = 0\nfor (let at = 0; at < 3; at++) sum += at\n',
      'src/bgp/sum.test.ts': [
        "import { expect, it } from 'vitest'",
        "import { sum } from './sum.ts'",
        "it('is summed up', () => expect(sum).toBe(3))",
      ].join('\n'),
    })
    const { mutants } = run(folder, '--patience', '1')
    const status = new Map(mutants.map((mutant) => [mutant.operator, mutant.status]))
    expect(mutants.some((mutant) => mutant.status === 'timeout')).toBe(true)
    expect(status.get('statement')).toMatch(/killed|timeout/)
    expect([...status.values()]).not.toContain('survived')
  })
})
