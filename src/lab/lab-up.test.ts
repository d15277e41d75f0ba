import { describe, expect, it } from 'vitest'
import { RpcError } from '../lib/rpc.ts'
import { prefix } from '../net/prefix.ts'
import { BUILT_IN_TOPOLOGIES } from './built-in-topologies.ts'
import { readJournal } from './journal.ts'
import { labDown } from './lab-down.ts'
import type { LabPorts } from './lab-ports.ts'
import { isWhole, labStatus } from './lab-status.ts'
import { labUp, type LabUpOptions } from './lab-up.ts'
import { parseTopology } from './parse-topology.ts'
import { renderLab } from './render.ts'
import { type RecordedLab, recordedLab, withBlock } from './testing/recorded-lab.ts'

const text = BUILT_IN_TOPOLOGIES['seed']!
const SEED: LabUpOptions = { topology: parseTopology(text, 'seed'), name: 'seed', text }

/** Nothing of any lab. */
function expectNothing(lab: RecordedLab): void {
  expect([...lab.namespaces]).toEqual([])
  expect([...lab.files.keys()]).toEqual([])
  expect([...lab.programsUp]).toEqual([])
}

describe('building a lab', () => {
  it('makes what the journal names, starts the programs, fills the store and attaches the pods', async () => {
    const lab = recordedLab()
    const journal = await lab.run(labUp(SEED, lab))
    expect([...lab.namespaces]).toEqual(journal.namespaces)
    expect(readJournal(lab.state, 'seed')).toEqual(journal)
    expect(lab.programs.running('seed').map(({ what }) => what)).toEqual([
      'store',
      'agent server01',
      'agent server02',
      'agent server03',
    ])
    const { rows } = await lab.stores.get('seed')!.list('/calico/resources/v3/projectcalico.org/')
    expect(rows.map(({ key }) => key.split('/').slice(5).join('/'))).toEqual(
      expect.arrayContaining(['ippools/default-ipv4-ippool', 'nodes/server01', 'nodes/server03']),
    )
    const information = rows.find(({ key }) => key.endsWith('clusterinformations/default'))
    expect(information?.value).toMatch(/"clusterGUID":"[0-9a-f]{32}"/)
    expect(lab.requests).toHaveLength(5)
    expect(lab.requests.find(({ node }) => node === 'server02')?.params).toMatchObject({
      command: 'ADD',
      containerId: expect.stringMatching(/^[0-9a-f]{64}$/),
      networkNamespace: '/run/netns/network-mngxw',
      interfaceName: 'eth0',
      arguments: { K8S_POD_NAMESPACE: 'default', K8S_POD_NAME: 'network-mngxw' },
      configuration: { args: { cni: { ips: ['10.211.1.4'] } } },
    })
    const status = await labStatus('seed', lab)
    expect(isWhole(status)).toBe(true)
    expect(renderLab(status)).toMatch(/^server01 +172\.16\.170\.128 +- +0 +0\/0 up +- +ready$/m)
  })

  it('is not whole while the speaker of a node has no configuration, and says why', async () => {
    const lab = recordedLab()
    await lab.run(labUp(SEED, lab))
    const whole = lab.behavior.status('server01')
    const lacking = ['BGP: Listen on 172.16.170.128 port 179: EADDRINUSE']
    lab.behavior.status = () => ({ ...whole, lacking, converged: false })
    const status = await labStatus('seed', lab)
    expect(isWhole(status)).toBe(false)
    expect(renderLab(status)).toMatch(/^server01 .* 0\/0 up .* BGP: Listen on .* EADDRINUSE$/m)
  })

  it('writes the journal before anything else is made', async () => {
    const lab = recordedLab()
    lab.onEveryStep = () => {
      lab.onEveryStep = () => {}
      expect(lab.steps).toEqual(['journal'])
      expect(lab.namespaces.size + lab.programsUp.size).toBe(0)
    }
    await lab.run(labUp(SEED, lab))
    expect(lab.steps.length).toBeGreaterThan(40)
  })

  it('leaves nothing when it fails, at whatever step', async () => {
    const whole = recordedLab()
    await whole.run(labUp(SEED, whole))
    for (let at = 2; at <= whole.steps.length; at++) {
      const lab = recordedLab()
      lab.onEveryStep = () => {
        if (lab.steps.length === at) throw new Error('planted')
      }
      await expect(lab.run(labUp(SEED, lab))).rejects.toThrow(
        'Lab seed could not be built: planted',
      )
      expectNothing(lab)
    }
  })

  it('can be taken down after its builder vanished at any step', async () => {
    const whole = recordedLab()
    await whole.run(labUp(SEED, whole))
    for (let at = 1; at <= whole.steps.length; at++) {
      const lab = recordedLab()
      let left: (() => void) | undefined
      lab.onEveryStep = () => {
        if (lab.steps.length !== at) return
        left = remember(lab)
        throw new Error('killed') // what labUp still does then is undone by `left`
      }
      await lab.run(labUp(SEED, lab)).catch(() => {})
      left?.()
      lab.onEveryStep = () => {}
      await labDown('seed', lab)
      expectNothing(lab)
    }
  })

  it('can be taken down again after taking it down was stopped at any point', async () => {
    for (let at = 1; at <= 9; at++) {
      const lab = recordedLab()
      await lab.run(labUp(SEED, lab))
      let deletions = 0
      const stopping: LabPorts = {
        ...lab,
        machine: {
          ...lab.machine,
          deleteNamespace(name) {
            if (++deletions === at) throw new Error('killed')
            lab.machine.deleteNamespace(name)
          },
        },
      }
      await expect(labDown('seed', stopping)).rejects.toThrow('killed')
      expect(readJournal(lab.state, 'seed')).toBeDefined()
      expect(await labDown('seed', lab)).toEqual({ programs: 0, namespaces: 10 - at })
      expectNothing(lab)
    }
  })

  it('uses prefixed names beside another lab, and takes down only its own', async () => {
    const lab = recordedLab()
    await lab.run(labUp(SEED, lab))
    const second = await lab.run(labUp({ ...SEED, name: 'two' }, lab))
    expect(second.namespaces).toContain('two-server01')
    expect(await labDown('two', lab)).toEqual({ programs: 4, namespaces: 9 })
    expect([...lab.namespaces]).toEqual(readJournal(lab.state, 'seed')!.namespaces)
  })

  it('refuses a second lab of the same name, and one that another process builds', async () => {
    const lab = recordedLab()
    const first = labUp(SEED, lab)
    await expect(labUp(SEED, lab)).rejects.toThrow('being built or removed by another process')
    await lab.run(first)
    await expect(labUp(SEED, lab)).rejects.toThrow('Lab seed is up already')
    expect(lab.namespaces.size).toBe(9)
  })

  it('does not remove a namespace that somebody else made under one of its names', async () => {
    const lab = recordedLab()
    lab.onEveryStep = (name) => {
      if (name === 'journal') lab.namespaces.add('server02')
    }
    await expect(lab.run(labUp(SEED, lab))).rejects.toThrow('Create namespace server02: EEXIST')
    expect([...lab.namespaces]).toEqual(['server02'])
  })

  it('waits for an agent that is not ready for pods yet', async () => {
    const lab = recordedLab()
    let refusals = 3
    lab.behavior.cni = () => {
      if (refusals-- > 0) throw new RpcError('CNI11', 'The node agent is not ready')
      return null
    }
    await lab.run(labUp(SEED, lab))
    expect(lab.requests).toHaveLength(8)
  })

  it('tells which pod could not be attached, and why', async () => {
    const lab = recordedLab()
    lab.behavior.cni = (node) => {
      if (node === 'server03') throw new RpcError('CNI101', 'No address is free')
      return null
    }
    await expect(lab.run(labUp(SEED, lab))).rejects.toThrow(
      'Pod default/network-6k87z could not be attached on server03: No address is free',
    )
    expectNothing(lab)
  })

  it('stays up, and says what is missing, when routes do not come', async () => {
    const lab = recordedLab()
    lab.behavior.status = (node) => withBlock(prefix(`10.211.${Number(node.at(-1)) - 1}.0/24`))
    await expect(lab.run(labUp(SEED, lab))).rejects.toThrow(
      'server01: no route to 10.211.1.0/24 (server02), 10.211.2.0/24 (server03)',
    )
    expect(lab.namespaces.size).toBe(9)
  })

  it('removes what it made when it is interrupted', async () => {
    const lab = recordedLab()
    const stop = new AbortController()
    lab.behavior.cni = () => {
      stop.abort()
      throw new RpcError('CNI11', 'The node agent is not ready')
    }
    const up = lab.run(labUp({ ...SEED, signal: stop.signal }, lab))
    await expect(up).rejects.toMatchObject({ message: 'Interrupted', exitCode: 130 })
    expectNothing(lab)
  })
})

/** Keeps what there is now, and answers how to bring it back. */
function remember(lab: RecordedLab): () => void {
  const namespaces = [...lab.namespaces]
  const programs = [...lab.programsUp]
  const files = [...lab.files]
  return () => {
    for (const name of namespaces) lab.namespaces.add(name)
    for (const what of programs) lab.programsUp.add(what)
    for (const [path, text] of files) lab.files.set(path, text)
  }
}
