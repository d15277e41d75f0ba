import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { duplicateExports, exportedNames } from '../scripts/check/exported-names.mjs'
import { isInstalled } from '../scripts/setup.mjs'
import { chosenTests, programsOf } from '../scripts/test-programs.mjs'

describe('exported names', () => {
  const made: string[] = []
  afterEach(() => {
    for (const folder of made.splice(0)) rmSync(folder, { recursive: true })
  })

  function tree(files: Readonly<Record<string, string>>): string {
    const folder = mkdtempSync(join(tmpdir(), 'tortie-names-'))
    made.push(folder)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return folder
  }

  it('are those that a file declares itself', () => {
    const text = `
      export function step() {}
      export class Machine {}
      export type State = 1
      export interface Row {}
      export const [a, { b }] = x, c = 1, { d } = y
      const e = 2
      export { e as f }
      export { g } from './g.ts'
      export * from './h.ts'
    `
    expect(exportedNames('a.ts', text)).toEqual(['step', 'Machine', 'State', 'Row', 'c', 'd', 'f'])
  })

  it('are found where two files have one', () => {
    const folder = tree({
      'src/bgp/link.ts': 'export class Link {}',
      'src/kernel/kernel.ts': 'export interface Link {}\nexport type Route = 1',
      'src/kernel/route.test.ts': 'export type Route = 2',
      'src/kernel/testing/route.ts': 'export type Route = 3',
      'src/bgp/index.ts': "export { Link } from './link.ts'",
    })
    expect(duplicateExports(folder)).toEqual([
      { name: 'Link', files: ['src/bgp/link.ts', 'src/kernel/kernel.ts'] },
    ])
  })

  it('may be the same where they are used behind the name of their file', () => {
    const folder = tree({
      'src/wire/ipv4.ts': 'export const ttl = 8',
      'src/wire/ipv6.ts': 'export const ttl = 7',
      'src/trace/hop.ts':
        "import * as ipv4 from '../wire/ipv4.ts'\nimport * as ipv6 from '../wire/ipv6.ts'",
    })
    expect(duplicateExports(folder)).toEqual([])
    writeFileSync(join(folder, 'src/trace/row.ts'), "import { ttl } from '../wire/ipv4.ts'")
    writeFileSync(join(folder, 'src/trace/column.ts'), "import { ttl } from '../wire/ipv6.ts'")
    expect(duplicateExports(folder).map(({ name }) => name)).toEqual(['ttl'])
  })
})

describe('npm packages', () => {
  const lock = {
    packages: {
      '': {},
      'node_modules/zod': { version: '4.0.0', integrity: 'a' },
      'node_modules/esbuild-win32': { version: '1.0.0', integrity: 'b', optional: true },
    },
  }
  const zod = { version: '4.0.0', integrity: 'a' }

  it.each([
    ['are installed without those of other platforms', { 'node_modules/zod': zod }, true],
    ['are not when one is missing', {}, false],
    ['are not in another version', { 'node_modules/zod': { ...zod, version: '4.0.1' } }, false],
    ['are not with other content', { 'node_modules/zod': { ...zod, integrity: 'c' } }, false],
    ['are not beside one too many', { 'node_modules/zod': zod, 'node_modules/x': zod }, false],
  ])('%s', (_what, packages, expected) => {
    expect(isInstalled(lock, { packages })).toBe(expected)
  })
})

describe('a filter of tests', () => {
  const packages = (...args: string[]): string[] =>
    [...new Set(Object.values(programsOf(chosenTests(args))))].sort()

  it('asks for the programs of the tests it chooses, and for no others', () => {
    expect(packages('src/bgp/session/fsm.test.ts')).toEqual([])
    expect(packages('./src/net:12', '-t', 'prefix')).toEqual([])
    expect(packages('src/wire/packet')).toEqual(['tshark'])
    expect(packages('src/platform/etcd')).toEqual(['etcd-client', 'etcd-server'])
    expect(packages('test/lab/seed')).toEqual(['iproute2', 'iputils-ping', 'nftables', 'tcpdump'])
  })

  it('that chooses nothing, or none, asks for all', () => {
    expect(packages()).toContain('tshark')
    expect(packages()).toContain('user-mode-linux')
    expect(packages('-t', 'no file has this in its path')).toEqual(packages())
  })
})
