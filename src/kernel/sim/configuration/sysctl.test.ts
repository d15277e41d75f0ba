import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from 'oxc-parser'
import { describe, expect, it } from 'vitest'
import { VirtualClock } from '../../../lib/clock.ts'
import { SeededRandom } from '../../../lib/random.ts'
import { createSimulatedMachine } from '../machine.ts'
import { runSimulatedCommand } from '../commands/run-command.ts'
import { OBEYED_SYSCTLS } from './sysctl.ts'

/** The code of the simulation without its comments, the table of sysctls apart. */
const code = readdirSync(join(import.meta.dirname, '..'), { recursive: true, withFileTypes: true })
  .filter(({ name }) => name.endsWith('.ts') && !/\.test\.ts$|^sysctl\.ts$/.test(name))
  .map(({ parentPath, name }) => withoutComments(readFileSync(join(parentPath, name), 'utf8')))
  .join('\n')

function withoutComments(text: string): string {
  const { comments } = parseSync('a.ts', text)
  return comments
    .toReversed()
    .reduce((all, { start, end }) => all.slice(0, start) + all.slice(end), text)
}

function node() {
  const clock = new VirtualClock()
  const machine = createSimulatedMachine({ clock, random: new SeededRandom(1) })
  const kernel = machine.createNamespace('node')
  kernel.createLink({ kind: 'veth', name: 'eth0', peer: { name: 'eth1' } })
  const type = (line: string) => runSimulatedCommand(kernel, line.split(' '), clock)
  return { kernel, machine, type }
}

describe('simulated sysctls', () => {
  it.each(OBEYED_SYSCTLS)('%s is asked for by the simulation', (name) => {
    const isOfLink = /^ipv[46]\.(conf|neigh)\./.test(name)
    const asked = isOfLink ? `\\b${name.split('.')[2]}\\b` : `'${name.replaceAll('.', '\\.')}'`
    expect(new RegExp(asked).test(code)).toBe(true)
  })

  it.each(OBEYED_SYSCTLS)('%s can be read and written', (name) => {
    const { kernel } = node()
    const path = name.replace(/^(ipv[46]\.(?:conf|neigh))\./, '$1.eth0.')
    const before = Number(kernel.readSysctl(path))
    const other = before === 1 ? '0' : '1'
    kernel.writeSysctl(path, other)
    expect(kernel.readSysctl(path)).toBe(other)
  })

  it.each([4, 6] as const)("of the neighbor table of IPv%i are the whole machine's", (family) => {
    const { kernel, machine } = node()
    const first = machine.openNamespace('/proc/1/ns/net')
    const path = `ipv${family}.neigh.default.gc_thresh3`
    first.writeSysctl(path, '7')
    expect(machine.openNamespace('/proc/1/ns/net').readSysctl(path)).toBe('7')
    expect(() => kernel.writeSysctl(path, '8')).toThrow('ENOENT')
    expect(first.readSysctl(`ipv${10 - family}.neigh.default.gc_thresh3`)).toBe('2147483647')
    expect(machine.namespaces()).toEqual(['node'])
  })

  it('that would not be obeyed can be read, and are refused when they are to be something else', () => {
    const { kernel } = node()
    for (const [path, value] of [
      ['ipv4.conf.all.accept_redirects', '0'],
      ['ipv4.conf.eth0.arp_filter', '0'],
      ['ipv6.conf.default.accept_ra', '0'],
      ['ipv6.neigh.eth0.unres_qlen', '101'],
      ['ipv4.ip_nonlocal_bind', '0'],
      ['ipv4.ip_local_port_range', '32768\t60999'],
    ] as const) {
      expect(kernel.readSysctl(path)).toBe(value)
      kernel.writeSysctl(path, value.replace('\t', ' '))
      expect(() => kernel.writeSysctl(path, '7')).toThrow(
        `Unable to write "7" to sysctl net.${path}: the simulated kernel obeys ${value} only: EOPNOTSUPP`,
      )
      expect(kernel.readSysctl(path)).toBe(value)
    }
  })

  it('say Invalid argument to what is no number of theirs, as sysctl(8) does', async () => {
    const { type } = node()
    expect(await type('sysctl -w net.ipv4.ip_default_ttl=abc')).toEqual({
      stdout: '',
      stderr: 'sysctl: setting key "net.ipv4.ip_default_ttl": Invalid argument\n',
      status: 255,
    })
    expect((await type('sysctl net.ipv4.ip_default_ttl')).stdout).toBe(
      'net.ipv4.ip_default_ttl = 64\n',
    )
    expect(await type('sysctl net.ipv4.no_such_thing')).toEqual({
      stdout: '',
      stderr: 'sysctl: cannot stat /proc/sys/net/ipv4/no_such_thing: No such file or directory\n',
      status: 255,
    })
  })
})
