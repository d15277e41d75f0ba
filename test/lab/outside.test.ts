import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Kernel } from '../../src/kernel/kernel.ts'
import type { AgentStatus } from '../../src/api/agent-status.ts'
import { labRestart } from '../../src/lab/lab-restart.ts'
import { silentLog } from '../../src/lib/log.ts'
import { openEtcdStore } from '../../src/main/open-etcd-store.ts'
import { createLinuxMachine } from '../../src/platform/linux/machine.ts'
import { until } from '../../src/platform/linux/testing/until.ts'
import { systemClock } from '../../src/platform/node/clock.ts'
import { systemRandom } from '../../src/platform/node/random.ts'
import { Resources } from '../../src/store/resources.ts'
import { ADDRESS, outsideSuite, type OutsideWorld } from './outside-suite.ts'
import { openSimulatedLab } from './simulated-lab.ts'
import { canRunLabs, say, TestLab } from './tortie.ts'

const FILE = join(import.meta.dirname, 'topologies/outside.yaml')

describe('a cluster with natOutgoing, simulated', () => outsideSuite(openSimulated))

async function openSimulated(): Promise<OutsideWorld> {
  const lab = await openSimulatedLab('outside', readFileSync(FILE, 'utf8'))
  const { clock, machine, ports, resources, run, close } = lab
  return {
    kernel: (name) => machine.openNamespace(name),
    resources,
    run,
    status: async (node) =>
      (await ports.programs.openAgent('outside', node, { wait: false })).call('status', {}),
    async until(condition, what) {
      for (let waited = 0; waited < 20_000; waited += 5) {
        if (condition()) return
        await clock.advance(5)
      }
      throw new Error(`Waited twenty virtual seconds for ${what}`)
    },
    restartAgent: (node) => labRestart('outside', node, ports),
    close,
  }
}

describe.skipIf(!canRunLabs('natOutgoing'))('a cluster with natOutgoing', () => {
  let lab: TestLab
  const machine = canRunLabs('natOutgoing') ? createLinuxMachine() : undefined
  const namespaces = new Map<string, string>()
  const kernels = new Map<string, Kernel>()

  outsideSuite(async () => {
    lab = new TestLab(FILE, `nat${process.pid}`)
    const status = JSON.parse(say('lab', 'status', lab.name, '-o', 'json')) as {
      journal: { namespaces: string[] }
    }
    for (const namespace of status.journal.namespaces) {
      namespaces.set(namespace.replace(`${lab.name}-`, ''), namespace)
    }
    const run = process.env['TORTIE_RUN_DIR'] ?? '/run/tortie'
    const store = await openEtcdStore(`unix:${join(run, 'labs', lab.name, 'store.sock')}`)
    const ports = { clock: systemClock, random: systemRandom, log: silentLog }
    return {
      kernel,
      resources: new Resources({ store, ...ports }),
      run: (work) => work,
      until,
      status: (node) => Promise.resolve(statusOf(node)),
      restartAgent(node) {
        say('lab', 'restart', node, '--lab', lab.name)
        return Promise.resolve()
      },
      close() {
        store.close()
        machine!.close()
        lab.down()
        return Promise.resolve()
      },
    }
  })

  const hasNft = existsSync('/usr/sbin/nft')
  if (!hasNft) console.log('Skipped: what nft and tcpdump say of natOutgoing needs them installed')

  describe.skipIf(!hasNft)('as others see it', () => {
    const nft = (...words: string[]): string => lab.in('server01', 'nft', ...words)

    it('is, for nft, one table with what was asked for', () => {
      const { nftables } = JSON.parse(nft('-j', 'list', 'table', 'inet', 'tortie')) as {
        nftables: Record<string, { name: string; [key: string]: unknown }>[]
      }
      const of = (kind: string) => nftables.flatMap((row) => row[kind] ?? [])
      expect(
        of('chain').map(({ name, type, hook, prio, policy }) => [name, type, hook, prio, policy]),
      ).toEqual([
        ['from-pods', 'filter', 'prerouting', -300, 'accept'],
        ['from-nodes', 'filter', 'prerouting', -300, 'accept'],
        ['to-node', 'filter', 'input', 0, 'accept'],
        ['from-pools', 'nat', 'postrouting', 100, 'accept'],
      ])
      const sets = Object.fromEntries(of('set').map(({ name, elem }) => [name, elem]))
      expect(sets).toMatchObject({
        pools4: [{ prefix: { addr: '10.211.0.0', len: 16 } }],
        nodes4: ['172.16.170.128', '172.16.170.129', '172.16.171.128'],
      })
      const rules = nft('list', 'table', 'inet', 'tortie')
      for (const rule of [
        'iifname != "cali*" accept',
        'fib saddr . iif oif missing counter name "spoofed-source" drop',
        'iifname "ens33" ip saddr != @pools4 fib saddr . iif oif missing counter name "reverse-path" drop',
        'meta l4proto ipencap ip saddr != @nodes4 counter name "forged-ipip" drop',
        'ip saddr @masquerade4 ip daddr != @pools4 counter name "masqueraded" masquerade',
      ]) {
        expect(rules).toContain(rule)
      }
    })

    it('is mended beside a table of somebody else, which stays as it is', async () => {
      nft('add', 'table', 'inet', 'other')
      nft('add', 'chain', 'inet', 'other', 'c', '{ type filter hook input priority 5; }')
      nft('add', 'rule', 'inet', 'other', 'c', 'ip', 'saddr', '192.0.2.1', 'drop')
      const other = nft('-a', 'list', 'table', 'inet', 'other')
      // Sets and chains are listed as they were made, which says nothing.
      const listed = (): readonly string[] =>
        nft('list', 'table', 'inet', 'tortie')
          .replace(/packets.*/g, '')
          .replace(/^.*\n/, '')
          .split('\n\t}\n')
          .toSorted((a, b) => a.localeCompare(b))
      const own = listed()
      for (const damage of [
        ['delete', 'table', 'inet', 'tortie'],
        ['flush', 'table', 'inet', 'tortie'],
        ['flush', 'set', 'inet', 'tortie', 'nodes4'],
        ['add', 'element', 'inet', 'tortie', 'nodes4', '{ 192.0.2.0-192.0.2.6 }'],
        ['insert', 'rule', 'inet', 'tortie', 'to-node', 'accept'],
        ['add', 'chain', 'inet', 'tortie', 'more'],
      ]) {
        nft(...damage)
        await expect.poll(listed, { timeout: 10_000 }).toEqual(own)
      }
      expect(nft('-a', 'list', 'table', 'inet', 'other')).toBe(other)
      nft('delete', 'table', 'inet', 'other')
    })

    it('shows tcpdump the node’s address outside, and the pod’s inside', async () => {
      const dump = (where: string) =>
        lab.beside(where, 'tcpdump', '-l', '-n', '-i', 'eth0', '-c', '1', 'icmp[0] == 8')
      for (const [where, source] of [
        ['stranger', ADDRESS.server01],
        ['pod2', ADDRESS.pod1],
      ] as const) {
        const running = dump(where)
        await running.until(/listening on eth0/)
        lab.in('pod1', 'ping', '-c1', '-W2', ADDRESS[where])
        await running.ended()
        expect(running.output).toContain(`IP ${source} > ${ADDRESS[where]}: ICMP echo request`)
      }
    })

    it('says nothing to nft monitor while an agent is killed and started again', async () => {
      const monitor = await lab.monitorPacketFilter('server01')
      say('lab', 'restart', 'server01', '--lab', lab.name)
      expect(await monitor.stop()).toBe('')
    })
  })

  function kernel(name: string): Kernel {
    let found = kernels.get(name)
    if (found === undefined) {
      kernels.set(name, (found = machine!.openNamespace(namespaces.get(name) ?? name)))
    }
    return found
  }

  function statusOf(node: string): AgentStatus {
    const { nodes } = JSON.parse(say('lab', 'status', lab.name, '-o', 'json')) as {
      nodes: { name: string; agent: AgentStatus }[]
    }
    return nodes.find(({ name }) => name === node)!.agent
  }
})
