import type { CommandEntry } from '../cli/command-entry.ts'

/** Every sub-command of `tortie`, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'lab',
    summary:
      'clusters of network namespaces on this machine: up, down, status, exec, restart, list',
    group: 'Lab',
    load: async () => (await import('../cli/lab/lab-command.ts')).defineLab,
  },
  {
    name: 'get',
    summary: 'resources of the cluster: node, workloadendpoint, ippool and the others',
    group: 'Look',
    load: async () => (await import('../cli/get.ts')).defineGet,
  },
  {
    name: 'trace',
    summary: "a packet's way, hop by hop: predicted beside observed, and the cause where they part",
    group: 'Look',
    load: async () => (await import('../cli/trace.ts')).defineTrace,
  },
  {
    name: 'debug',
    summary: 'what a running agent or bgpd tells of itself in its log, topic by topic',
    group: 'Look',
    load: async () => (await import('./debug-command.ts')).defineDebug,
  },
  {
    name: 'apply',
    summary: 'resources of a file: creates those that are not there, updates the others',
    group: 'Change',
    load: async () => (await import('../cli/apply.ts')).defineApply,
  },
  {
    name: 'patch',
    summary: 'some fields of one resource, such as the ipipMode of a pool',
    group: 'Change',
    load: async () => (await import('../cli/patch.ts')).definePatch,
  },
  {
    name: 'agent',
    summary: 'the agent of one node: BGP, addresses, routes, and the other half of tortie-cni',
    group: 'Run',
    load: async () => {
      const { agentCommand } = await import('../cli/agent.ts')
      return agentCommand(async (options, context) => {
        const { runAgent } = await import('./agent.ts')
        await runAgent(options, context)
      })
    },
  },
  {
    name: 'replay',
    summary: 'what an agent was recorded doing, done again: the same, or where it parts',
    group: 'Look',
    load: async () => (await import('../cli/replay.ts')).defineReplay,
  },
  {
    name: 'store',
    summary: "keeps a cluster's data in memory, served in etcd's protocol, as a lab needs it",
    group: 'Run',
    load: async () => (await import('./store.ts')).defineStore,
  },
  {
    name: 'bgpd',
    summary: 'run a plain BGP daemon from a configuration file',
    group: 'BGP',
    load: async () => (await import('./bgpd.ts')).defineBgpd,
  },
  {
    name: 'bgp',
    summary: 'neighbors and routes of a speaker, and why the best is best',
    group: 'BGP',
    load: async () => (await import('./bgp-command.ts')).defineBgp,
  },
]
