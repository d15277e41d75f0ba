import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { command } from './support/command.ts'
import { ownLoopback } from './support/tortie-process.ts'

/** The package as `npm pack` makes it, in a project of somebody else that knows nothing of this one. */
const root = join(import.meta.dirname, '..')
const isBuilt = existsSync(join(root, 'dist/types/main/bgp-package.d.ts'))
const isReady = process.platform === 'linux' && isBuilt
if (!isReady) console.log('package: skipped, it needs Linux and a build (npm run build)')

describe.skipIf(!isReady)('the package', () => {
  const project = mkdtempSync(join(tmpdir(), 'tortie-package-'))
  const write = (name: string, text: string): void => writeFileSync(join(project, name), text)
  /** Compiles what is there, as a user's strict project would; throws with what is wrong. */
  const compile = (): string =>
    command(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project])

  beforeAll(() => {
    command('npm', [
      'pack',
      root,
      '--ignore-scripts',
      '--offline',
      '--silent',
      '--pack-destination',
      project,
    ])
    const installed = join(project, 'node_modules/tortie')
    mkdirSync(installed, { recursive: true })
    const { version, dependencies } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as { version: string; dependencies: Record<string, string> }
    const archive = join(project, `tortie-${version}.tgz`)
    command('tar', ['-xzf', archive, '-C', installed, '--strip-components', '1'])
    for (const name of Object.keys(dependencies)) {
      const [scope] = name.split('/')
      if (name.includes('/')) mkdirSync(join(project, 'node_modules', scope!), { recursive: true })
      symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name))
    }
    write('package.json', '{ "type": "module" }')
    const typeRoots = [join(root, 'node_modules/@types')]
    const compilerOptions = { strict: true, module: 'nodenext', target: 'es2022', types: ['node'] }
    write('tsconfig.json', JSON.stringify({ compilerOptions: { ...compilerOptions, typeRoots } }))
  })

  afterAll(() => rmSync(project, { recursive: true, force: true }))

  it('gives tortie/bgp to a program of others, with the example of the documentation', () => {
    const [, example] = /```ts\n([^]*?)```/.exec(
      readFileSync(join(root, 'docs/bgp-library.md'), 'utf8'),
    )!
    const { net, port } = ownLoopback()
    write('example.ts', example!.replace('17900', String(port)).replaceAll('127.0.0', net))
    compile()
    const said = command(process.execPath, [join(project, 'example.js')])
    expect(said).toContain(`10.1.0.0/16 by ${net}.1`)
    expect(said).toContain('localPreference: 200')
    expect(said).not.toContain('172.16.0.0/12')
  })

  it('has a CNI plugin that a runtime can execute', () => {
    const plugin = join(project, 'node_modules/tortie/dist/tortie-cni.cjs')
    expect(statSync(plugin).mode & 0o777).toBe(0o755)
    expect(command('env', ['CNI_COMMAND=VERSION', plugin])).toContain('supportedVersions')
  })

  it('has types that know what is wrong', () => {
    write(
      'wrong.ts',
      `import { createSpeaker, decodeMessage, hostPorts, ip, type NeighborStatus } from 'tortie/bgp'
const speaker = createSpeaker(hostPorts())
// @ts-expect-error an AS number is a number
speaker.configure({ localAs: 'AS1', routerId: ip('1.1.1.1'), listen: [], neighbors: [] })
// @ts-expect-error an address is made by ip()
speaker.reset('10.0.0.1')
// @ts-expect-error there is no such state
export const isUp = ({ state }: NeighborStatus): boolean => state === 'Up'
// @ts-expect-error a message has no such kind
export const isHello = (octets: Uint8Array): boolean => decodeMessage(octets, 0, 19, {}).kind === 'hello'
`,
    )
    compile()
  })
})
