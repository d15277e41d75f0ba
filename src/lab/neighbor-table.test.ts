import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Kernel, KernelError } from '../kernel/kernel.ts'
import { labDown } from './lab-down.ts'
import { labUp, type LabUpOptions } from './lab-up.ts'
import { neighborEntries } from './neighbor-entries.ts'
import { MACHINE_NOTES } from './neighbor-table.ts'
import { parseTopology } from './parse-topology.ts'
import { type RecordedLab, recordedLab } from './testing/recorded-lab.ts'

const IPV4 = 'ipv4.neigh.default.gc_thresh3'
const IPV6 = 'ipv6.neigh.default.gc_thresh3'

/** A lab of so many nodes in one network, a pod each. */
function labOf(name: string, nodes: number): LabUpOptions {
  const each = (line: (at: number) => string): string =>
    Array.from({ length: nodes }, (_, at) => line(at + 1)).join('\n')
  const text = `name: ${name}
networks: [{ name: ${name}-lan, cidr: 192.0.2.0/24 }]
nodes:
${each((at) => `  - { name: ${name}-n${at}, interfaces: [{ name: eth0, network: ${name}-lan, address: 192.0.2.${at}/24 }] }`)}
pools: [{ name: pool, cidr: 10.99.0.0/16 }]
pods:
${each((at) => `  - { name: ${name}-p${at}, node: ${name}-n${at} }`)}
`
  return { topology: parseTopology(text, name), name, text }
}

/** A machine whose limits are in a map; what it is told to set is written down. */
function limited(limit = 1024): RecordedLab & {
  readonly host: Pick<Kernel, 'readSysctl' | 'writeSysctl'>
  readonly limits: Map<string, string>
  readonly written: string[]
  refusal: string | undefined
} {
  const limits = new Map([
    [IPV4, String(limit)],
    [IPV6, String(limit)],
  ])
  const written: string[] = []
  const lab = Object.assign(recordedLab(), {
    limits,
    written,
    refusal: undefined as string | undefined,
    host: {
      readSysctl(path: string) {
        const value = limits.get(path)
        if (value === undefined) throw new KernelError('ENOENT', `Read sysctl net.${path}`)
        return value
      },
      writeSysctl(path: string, value: string) {
        if (lab.refusal !== undefined) throw new KernelError(lab.refusal, `Write net.${path}`)
        written.push(`${path} ${value}`)
        limits.set(path, value)
      },
    },
  })
  return lab
}

const SMALL = labOf('small', 3)
const BIG = labOf('big', 40)
const OTHER = labOf('other', 30)
const needs = ({ topology }: LabUpOptions): number => neighborEntries(topology).ipv4

describe('the limit of the neighbor table', () => {
  it('counts every host of a network for every other, and each pod', () => {
    const few = neighborEntries(SMALL.topology).ipv4
    expect(few).toBeGreaterThanOrEqual(3 * 2 + 2 * 3)
    expect(few).toBeLessThan(50)
    expect(needs(labOf('large', 100))).toBeGreaterThanOrEqual(100 * 99 + 2 * 100)
    const apart = {
      ...BIG.topology,
      networks: [...BIG.topology.networks, { ...BIG.topology.networks[0]!, name: 'far' }],
      nodes: BIG.topology.nodes.map((node, at) => ({
        ...node,
        interfaces: [{ ...node.interfaces[0]!, network: at < 20 ? 'big-lan' : 'far' }],
      })),
    }
    expect(needs(BIG) - neighborEntries(apart).ipv4).toBeGreaterThan(2 * 20 * 20 - 10)
  })

  it('stays as it is for labs that half of it is enough for', async () => {
    const lab = limited()
    await lab.run(labUp(SMALL, lab))
    await labDown('small', lab)
    const roomy = limited(8192)
    await roomy.run(labUp(BIG, roomy))
    await labDown('big', roomy)
    expect([...lab.written, ...roomy.written]).toEqual([])
    expect([...lab.files.keys(), ...roomy.files.keys()]).toEqual([])
  })

  it('is raised by what a lab needs before it has a namespace, and comes back with its end', async () => {
    const lab = limited()
    lab.onEveryStep = (step) => {
      if (step === 'journal') expect(lab.limits.get(IPV4)).toBe(String(1024 + needs(BIG)))
    }
    await lab.run(labUp(BIG, lab))
    expect(lab.limits.get(IPV4)).toBe(String(1024 + needs(BIG)))
    expect(lab.steps).toContain('journal')
    await labDown('big', lab)
    expect(Object.fromEntries(lab.limits)).toEqual({ [IPV4]: '1024', [IPV6]: '1024' })
    expect([...lab.files.keys()]).toEqual([])
  })

  it('comes back when a lab fails while it is being built', async () => {
    const lab = limited()
    lab.onEveryStep = (step) => {
      if (step === 'store filled') throw new Error('planted')
    }
    await expect(lab.run(labUp(BIG, lab))).rejects.toThrow('planted')
    expect(lab.limits.get(IPV4)).toBe('1024')
  })

  it.each([
    ['big', 'other'],
    ['other', 'big'],
  ])('is shared by labs: with %s down before %s', async (first, last) => {
    const lab = limited()
    await lab.run(labUp(BIG, lab))
    await lab.run(labUp(SMALL, lab))
    await lab.run(labUp(OTHER, lab))
    const all = needs(BIG) + needs(SMALL) + needs(OTHER)
    expect(lab.limits.get(IPV4)).toBe(String(1024 + all))
    await labDown(first, lab)
    expect(lab.limits.get(IPV4)).toBe(String(1024 + all))
    await labDown(last, lab)
    expect(lab.limits.get(IPV4)).toBe('1024') // the small one needs no more
    await labDown('small', lab)
    expect([...lab.files.keys()]).toEqual([])
  })

  it('is never lowered below, and never taken back from, what somebody else set meanwhile', async () => {
    for (const theirs of ['512', '100000']) {
      const lab = limited()
      await lab.run(labUp(BIG, lab))
      lab.limits.set(IPV4, theirs)
      await labDown('big', lab)
      expect(lab.limits.get(IPV4)).toBe(theirs)
      expect([...lab.files.keys()]).toEqual([])
    }
  })

  it('begins anew from what somebody else set', async () => {
    const lab = limited()
    await lab.run(labUp(BIG, lab))
    lab.limits.set(IPV4, '2000')
    await lab.run(labUp(OTHER, lab))
    expect(lab.limits.get(IPV4)).toBe(String(2000 + needs(BIG) + needs(OTHER)))
    await labDown('other', lab)
    await labDown('big', lab)
    expect(lab.limits.get(IPV4)).toBe('2000')
  })

  it('comes back wherever processes were killed, and whatever labs come and go', async () => {
    const step = fc.record({
      do: fc.constantFrom('up', 'down'),
      lab: fc.constantFrom(SMALL, BIG, OTHER),
      // After so many writes of files and limits nothing reaches the machine any more.
      killedAfter: fc.option(fc.nat({ max: 8 }), { nil: Infinity }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
        const lab = limited()
        for (const { do: what, lab: options, killedAfter } of steps) {
          const ports = mortal(lab, killedAfter)
          const work: Promise<unknown> =
            what === 'up' ? labUp(options, ports) : labDown(options.name, ports)
          await lab.run(work).catch(() => {})
        }
        for (const name of ['small', 'big', 'other']) await lab.run(labDown(name, lab))
        expect(Object.fromEntries(lab.limits)).toEqual({ [IPV4]: '1024', [IPV6]: '1024' })
        expect([...lab.files.keys()]).toEqual([])
      }),
      { numRuns: 60 },
    )
  })

  it('is said to be too low where it cannot be set', async () => {
    for (const refusal of ['EACCES', 'EROFS']) {
      const lab = limited()
      lab.refusal = refusal
      await lab.run(labUp(SMALL, lab))
      expect(lab.warnings).toEqual([])
      await lab.run(labUp(BIG, lab))
      const all = needs(SMALL) + needs(BIG)
      expect(lab.warnings).toHaveLength(2)
      expect(lab.warnings[0]).toBe(
        `the labs of this machine may need ${all} entries of the kernel's neighbor table, whose limit ` +
          `cannot be raised here (Write net.${IPV4}: ${refusal}). Where nodes do not find each other, ` +
          `raise it in the machine's first network namespace: sysctl -w net.${IPV4}=${1024 + all}`,
      )
      expect(lab.warnings[1]).toContain(`sysctl -w net.${IPV6}=`)
      await labDown('big', lab)
      await labDown('small', lab)
      expect([...lab.files.keys()]).toEqual([])
    }
  })

  it('is said to be unknown where only the first namespace has it', async () => {
    const lab = limited()
    lab.limits.clear()
    await lab.run(labUp(BIG, lab))
    expect(lab.warnings[0]).toContain(`Read sysctl net.${IPV4}: ENOENT`)
    await labDown('big', lab)
  })

  it('is left alone when the note of what it was cannot be read', async () => {
    const lab = limited()
    await lab.run(labUp(BIG, lab))
    const raised = lab.limits.get(IPV4)!
    lab.files.set(`${MACHINE_NOTES}/neighbor-table.json`, 'half a no')
    await labDown('big', lab)
    expect(lab.limits.get(IPV4)).toBe(raised)
  })
})

/** The same machine for a process that dies after so many writes: what it does then reaches nothing. */
function mortal(lab: ReturnType<typeof limited>, writes: number): typeof lab {
  let left = writes
  const alive = (): void => {
    if (left-- <= 0) throw new Error('killed')
  }
  const { state, host, machine } = lab
  return {
    ...lab,
    warn() {},
    host: {
      readSysctl: (path) => host.readSysctl(path),
      writeSysctl: (path, value) => (alive(), host.writeSysctl(path, value)),
    },
    machine: {
      ...machine,
      createNamespace: (name) => (alive(), machine.createNamespace(name)),
      deleteNamespace: (name) => (alive(), machine.deleteNamespace(name)),
    },
    state: {
      ...state,
      write: (name, file, text) => (alive(), state.write(name, file, text)),
      remove: (name) => (alive(), state.remove(name)),
    },
  }
}
