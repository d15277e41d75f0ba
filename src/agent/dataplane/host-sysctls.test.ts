import { describe, expect, it } from 'vitest'
import { KernelError } from '../../kernel/kernel.ts'
import { HostSysctls, memorySysctls } from './host-sysctls.ts'

const FORWARD = 'ipv4.ip_forward'
const FILTER = 'ipv4.conf.eth0.rp_filter'

/** A host's settings, as they are and as they were written. */
function host(values: Readonly<Record<string, string>>) {
  const settings = new Map(Object.entries(values))
  const written: string[] = []
  const kernel = {
    readSysctl(path: string): string {
      const value = settings.get(path)
      if (value === undefined) throw new KernelError('ENOENT', path)
      return value
    },
    writeSysctl(path: string, value: string): void {
      written.push(`${path} ${value}`)
      settings.set(path, value)
    },
  }
  return { kernel, settings, written }
}

describe('settings of the host', () => {
  it('are written only where they differ, and come back when nothing else is wanted', () => {
    const { kernel, written } = host({ [FORWARD]: '1', [FILTER]: '1' })
    const sysctls = new HostSysctls(kernel, memorySysctls())
    const wanted = new Map([
      [FORWARD, '1'],
      [FILTER, '2'],
    ])
    sysctls.reconcile(wanted)
    sysctls.reconcile(wanted)
    expect(written).toEqual([`${FILTER} 2`])
    expect(sysctls.original(FILTER)).toBe('1')
    sysctls.reconcile(new Map())
    expect(written).toEqual([`${FILTER} 2`, `${FILTER} 1`])
    expect(sysctls.original(FILTER)).toBe('1')
  })

  it('are remembered by the next agent', () => {
    const { kernel, settings } = host({ [FILTER]: '1' })
    const saved = memorySysctls()
    new HostSysctls(kernel, saved).reconcile(new Map([[FILTER, '2']]))
    const next = new HostSysctls(kernel, saved)
    expect(next.original(FILTER)).toBe('1')
    next.reconcile(new Map())
    expect(settings.get(FILTER)).toBe('1')
    expect(saved.list()).toEqual([])
  })

  it('are what the host says now, after a reboot or a change by hand', () => {
    const { kernel, settings } = host({ [FILTER]: '1' })
    const sysctls = new HostSysctls(kernel, memorySysctls())
    sysctls.reconcile(new Map([[FILTER, '2']]))
    settings.set(FILTER, '0')
    sysctls.reconcile(new Map([[FILTER, '2']]))
    expect(settings.get(FILTER)).toBe('2')
    expect(sysctls.original(FILTER)).toBe('0')
  })

  it('are given back and set, each, where the kernel refuses another', () => {
    const { kernel, settings } = host({
      [FORWARD]: '0',
      [FILTER]: '1',
      'ipv4.conf.b.rp_filter': '1',
    })
    const write = kernel.writeSysctl
    const sysctls = new HostSysctls(kernel, memorySysctls())
    sysctls.reconcile(new Map([[FILTER, '2']]))
    kernel.writeSysctl = (path, value) => {
      if (path === FILTER) throw new KernelError('EROFS', path)
      write(path, value)
    }
    const wanted = new Map([
      [FORWARD, '1'],
      ['ipv4.conf.b.rp_filter', '2'],
    ])
    expect(() => sysctls.reconcile(wanted)).toThrow('EROFS')
    expect([...settings.values()]).toEqual(['1', '2', '2'])
    kernel.writeSysctl = write
    sysctls.reconcile(wanted)
    expect([...settings.values()]).toEqual(['1', '1', '2'])
  })

  it('of a link that is gone are forgotten', () => {
    const { kernel, settings, written } = host({ [FILTER]: '1' })
    const saved = memorySysctls()
    const sysctls = new HostSysctls(kernel, saved)
    sysctls.reconcile(new Map([[FILTER, '2']]))
    settings.delete(FILTER)
    sysctls.reconcile(new Map([[FILTER, '2']]))
    sysctls.reconcile(new Map())
    expect(written).toEqual([`${FILTER} 2`])
    expect(saved.list()).toEqual([])
  })
})
