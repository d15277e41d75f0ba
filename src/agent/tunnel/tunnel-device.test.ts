import { beforeEach, describe, expect, it } from 'vitest'
import { type Kernel, KernelError, type Link } from '../../kernel/kernel.ts'
import { SimulatedMachine } from '../../kernel/sim/machine.ts'
import { VirtualClock } from '../../lib/clock.ts'
import { SeededRandom } from '../../lib/random.ts'
import { ip } from '../../net/ip-address.ts'
import { ensureTunnelDevice, type TunnelKind, type TunnelPrograms } from './tunnel-device.ts'

const WANTED = { mtu: 1480, address: ip('10.211.0.1') }

describe('tunl0', () => {
  let kernel: Kernel
  let programs: TunnelPrograms

  beforeEach(() => {
    const ports = { clock: new VirtualClock(), random: new SeededRandom(1) }
    kernel = new SimulatedMachine(ports).createNamespace('server01')
    programs = {
      create: (name, mtu) => kernel.createLink({ kind: 'tun', name, mtu }),
      made: ({ kind }) => kind === 'tun',
      equip() {},
      guard() {},
      remove: (name) => kernel.deleteLink(kernel.link(name)!.index),
      watchPathMtus: () => ({ close() {} }),
      drops: () => new Map(),
    }
  })

  function withoutModule(): Kernel {
    return new Proxy(kernel, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (name === 'createLink') {
          return (spec: Parameters<Kernel['createLink']>[0]): Link => {
            if (spec.kind === 'ipip') throw new KernelError('EOPNOTSUPP', 'Unknown device type')
            return target.createLink(spec)
          }
        }
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  const ensure = (kind: TunnelKind, on = kernel, made: TunnelPrograms | undefined = programs) =>
    ensureTunnelDevice({ kernel: on, kind, programs: made }, WANTED).use

  it('is the kernel’s where there is one, up, with its address and MTU', () => {
    const use = ensure('auto')!
    expect(use).toMatchObject({ kind: 'kernel', reason: 'this kernel has an ipip module' })
    expect(use.link).toMatchObject({ kind: 'ipip', up: true, mtu: 1480 })
    expect(kernel.addresses()).toContainEqual(
      expect.objectContaining({
        linkIndex: use.link.index,
        address: '10.211.0.1',
        prefixLength: 32,
      }),
    )
  })

  it('is made of programs where the kernel has none, and says so', () => {
    expect(ensure('auto', withoutModule())).toMatchObject({
      kind: 'ebpf',
      reason: 'this kernel has no ipip module',
      link: { kind: 'tun', up: true },
    })
  })

  it('stays what it is while nobody says otherwise', () => {
    ensure('auto', withoutModule())
    expect(ensure('auto')).toMatchObject({ kind: 'ebpf' })
  })

  it('is what the setting says, whatever was there before', () => {
    ensure('auto')
    expect(ensure('ebpf')).toMatchObject({ kind: 'ebpf', reason: 'the setting says ebpf' })
    // The kernel's own device cannot be deleted.
    expect(kernel.link('tunl0-kernel')).toMatchObject({ kind: 'ipip', up: false })
    expect(ensure('kernel')).toMatchObject({ kind: 'kernel', reason: 'the setting says kernel' })
    expect(kernel.link('tunl0-kernel')).toBeUndefined()
  })

  it.each([
    ['kernel', 'no ipip module, and the setting says kernel; load the module or say auto or ebpf'],
    ['auto', 'no ipip module, and server01 takes no eBPF programs'],
    ['ebpf', 'the setting says ebpf, and server01 takes no eBPF programs'],
  ] as const)('cannot be made with the setting %s, and says why', (kind, words) => {
    const none = undefined as unknown as TunnelPrograms
    const needs = { kernel: withoutModule(), kind, programs: none }
    expect(() => ensureTunnelDevice(needs, WANTED)).toThrow(words)
  })

  it('is never made of somebody else’s link', () => {
    kernel.createLink({ kind: 'bridge', name: 'tunl0' })
    expect(() => ensure('auto')).toThrow('no tunnel of ours: rename or delete it')
  })

  it('is taken away when it is not wanted, or without an address where the kernel’s own', () => {
    ensure('ebpf')
    ensureTunnelDevice({ kernel, kind: 'ebpf', programs }, undefined)
    expect(kernel.link('tunl0')).toBeUndefined()
    const { link } = ensure('kernel')!
    ensureTunnelDevice({ kernel, kind: 'kernel', programs }, undefined)
    expect(kernel.addresses().filter(({ linkIndex }) => linkIndex === link.index)).toEqual([])
    expect(kernel.link('tunl0')).toBeDefined()
  })

  it('stays as it is, with its address, where the kernel refuses its MTU', () => {
    ensure('auto')
    const needs = { kernel, kind: 'auto' as const, programs }
    const address = ip('10.211.0.2')
    const { use, refused } = ensureTunnelDevice(needs, { mtu: 5, address })
    expect(use?.link).toMatchObject({ up: true, mtu: 1480 })
    expect(refused).toEqual([expect.stringContaining('MTU 5')])
    expect(kernel.addresses()).toContainEqual(expect.objectContaining({ address }))
  })
})
