import { describe, expect, it } from 'vitest'
import { KernelError } from '../../kernel/kernel.ts'
import { silentLog } from '../../lib/log.ts'
import { simulatedNode } from '../testing/simulated-node.ts'
import { HostEndsReconciler } from './host-ends-reconciler.ts'
import { memorySysctls } from './host-sysctls.ts'
import { SysctlsReconciler } from './sysctls-reconciler.ts'

/** A node whose settings, and those of its pods' host ends, are kept. */
function node() {
  const simulated = simulatedNode()
  const { kernel, view } = simulated
  const reads: string[] = []
  const settings = {
    readSysctl(path: string): string {
      reads.push(path)
      return kernel.readSysctl(path)
    },
    writeSysctl: (path: string, value: string) => kernel.writeSysctl(path, value),
  }
  const told: { strictLinks: readonly string[] } = { strictLinks: [] }
  const sysctls = simulated.add(
    new SysctlsReconciler({
      kernel: settings,
      view,
      saved: memorySysctls(),
      onStrictLinks: (links) => void (told.strictLinks = links),
    }),
  )
  const hostEnds = simulated.add(new HostEndsReconciler({ kernel: settings, view, log: silentLog }))
  return { ...simulated, reads, told, sysctls, hostEnds }
}

describe('settings of a host', () => {
  it('take packets of pods by any link, and are as strict as the host was after', async () => {
    const { clock, kernel, sysctls, told } = node()
    const filter = (link: string): string => kernel.readSysctl(`ipv4.conf.${link}.rp_filter`)
    kernel.writeSysctl('ipv4.conf.default.rp_filter', '1')
    kernel.writeSysctl('ipv4.conf.eth0.rp_filter', '1')
    sysctls.want({ forwardingLinks: [], looseLinks: [] })
    await clock.advance(100)
    expect([filter('eth0'), told.strictLinks]).toEqual(['1', []])
    sysctls.want({ forwardingLinks: ['eth0', 'tunl0'], looseLinks: ['eth0', 'tunl0'] })
    await clock.advance(100)
    expect([filter('eth0'), told.strictLinks]).toEqual(['2', ['eth0']])
    // A link that comes has what the host gives new ones.
    kernel.createLink({ kind: 'ipip', name: 'tunl0' })
    await clock.advance(100)
    expect([filter('tunl0'), told.strictLinks]).toEqual(['2', ['eth0', 'tunl0']])
    sysctls.want({ forwardingLinks: [], looseLinks: [] })
    await clock.advance(100)
    expect([filter('eth0'), told.strictLinks]).toEqual(['1', []])
  })

  it('are set again when somebody changes them, also what the kernel tells nobody of', async () => {
    const { clock, kernel, attach, sysctls, hostEnds } = node()
    sysctls.want({ forwardingLinks: [], looseLinks: [] })
    hostEnds.want([attach('a')])
    await clock.advance(1_000)
    const loud = ['ipv4.ip_forward', 'ipv4.conf.calia.proxy_arp', 'ipv6.conf.calia.proxy_ndp']
    const silent = 'ipv4.conf.calia.route_localnet'
    for (const path of [...loud, silent]) kernel.writeSysctl(path, '0')
    await clock.advance(100)
    expect(loud.map((path) => kernel.readSysctl(path))).toEqual(['1', '1', '1'])
    await clock.advance(10_000)
    expect(kernel.readSysctl(silent)).toBe('1')
  })

  it('let a link forward that somebody kept from it, and leave alone links that need not', async () => {
    const { clock, kernel, sysctls } = node()
    const path = (link: string): string => `ipv4.conf.${link}.forwarding`
    const values = (): string[] => ['eth0', 'lo'].map((link) => kernel.readSysctl(path(link)))
    sysctls.want({ forwardingLinks: ['eth0'], looseLinks: [] })
    await clock.advance(1_000)
    expect(values()).toEqual(['1', '1'])
    for (const link of ['eth0', 'lo']) kernel.writeSysctl(path(link), '0')
    await clock.advance(100)
    expect(values()).toEqual(['1', '0'])
    // As the host was left, where packets of pods come in no longer.
    sysctls.want({ forwardingLinks: [], looseLinks: [] })
    await clock.advance(100)
    expect(values()).toEqual(['0', '0'])
  })

  it('of which the kernel refuses one are set all the same but for that', async () => {
    const { clock, kernel, view, attach, add } = node()
    const refused = new Set(['ipv4.ip_forward', 'ipv4.conf.calia.route_localnet'])
    const settings = {
      readSysctl: (path: string) => kernel.readSysctl(path),
      writeSysctl(path: string, value: string) {
        if (refused.has(path)) throw new KernelError('EROFS', `Unable to write ${path}`)
        kernel.writeSysctl(path, value)
      },
    }
    const sysctls = add(
      new SysctlsReconciler({
        kernel: settings,
        view,
        saved: memorySysctls(),
        onStrictLinks() {},
      }),
    )
    const hostEnds = add(new HostEndsReconciler({ kernel: settings, view, log: silentLog }))
    const pods = [attach('a'), attach('b')]
    const broken = [
      'ipv4.ip_forward',
      'ipv4.conf.eth0.forwarding',
      'ipv4.conf.calia.route_localnet',
      'ipv4.conf.calia.proxy_arp',
      'ipv4.conf.calib.route_localnet',
    ]
    for (const path of broken) kernel.writeSysctl(path, '0')
    const values = (): string[] => broken.map((path) => kernel.readSysctl(path))
    sysctls.want({ forwardingLinks: ['eth0'], looseLinks: [] })
    hostEnds.want(pods)
    await clock.advance(1_000)
    expect(values()).toEqual(['0', '1', '0', '1', '1'])
    expect(sysctls.problems()).toEqual(['Unable to write ipv4.ip_forward: EROFS'])
    expect(hostEnds.problems()).toEqual(['Unable to write ipv4.conf.calia.route_localnet: EROFS'])
    refused.clear()
    await clock.advance(5_000)
    expect(values()).toEqual(['1', '1', '1', '1', '1'])
    expect([...sysctls.problems(), ...hostEnds.problems()]).toEqual([])
  })

  it('are not read while the kernel tells of no change', async () => {
    const { clock, reads, sysctls } = node()
    const desired = { forwardingLinks: ['eth0'], looseLinks: ['eth0'] }
    sysctls.want(desired)
    await clock.advance(1_000)
    reads.length = 0
    sysctls.want(desired)
    await clock.advance(80_000)
    expect(reads).toEqual([])
    await clock.advance(20_000)
    expect(reads).not.toEqual([])
  })

  it('that the kernel refuses are a problem, and are tried again', async () => {
    const { clock, kernel, view, add } = node()
    let isRefused = true
    const sysctls = add(
      new SysctlsReconciler({
        kernel: {
          readSysctl: (path) => kernel.readSysctl(path),
          writeSysctl(path, value) {
            if (isRefused) throw new Error(`Unable to write ${path}: EROFS`)
            kernel.writeSysctl(path, value)
          },
        },
        view,
        saved: memorySysctls(),
        onStrictLinks() {},
      }),
    )
    sysctls.want({ forwardingLinks: [], looseLinks: [] })
    await clock.advance(100)
    expect(sysctls.problems()).toEqual(['Unable to write ipv4.ip_forward: EROFS'])
    isRefused = false
    await clock.advance(5_000)
    expect(sysctls.problems()).toEqual([])
  })
})
