import type { CommandEntry } from '../cli/command-entry.ts'

/** Every sub-command of `tortie`, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'lab',
    summary:
      'run clusters of network namespaces on this machine: up, down, status, exec, restart, list',
    group: 'Lab',
    load: async () => (await import('../cli/lab/lab-command.ts')).defineLab,
  },
  {
    name: 'get',
    summary: 'show resources of the cluster: node, workloadendpoint, ippool and others',
    group: 'Look',
    load: async () => (await import('../cli/get.ts')).defineGet,
  },
  {
    name: 'trace',
    summary:
      'follow a packet hop by hop: predicted beside observed, and the cause where they differ',
    group: 'Look',
    load: async () => (await import('../cli/trace.ts')).defineTrace,
  },
  {
    name: 'debug',
    summary: 'switch debug topics of a running agent or bgpd',
    group: 'Look',
    load: async () => (await import('./debug-command.ts')).defineDebug,
  },
  {
    name: 'apply',
    summary: 'create or update resources from a file',
    group: 'Change',
    load: async () => (await import('../cli/apply.ts')).defineApply,
  },
  {
    name: 'patch',
    summary: 'change fields of one resource, such as the ipipMode of a pool',
    group: 'Change',
    load: async () => (await import('../cli/patch.ts')).definePatch,
  },
  {
    name: 'agent',
    summary: 'run the agent of this node: BGP, IPAM, routes, and the service behind tortie-cni',
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
    summary: 'replay an agent recording and report the first difference',
    group: 'Look',
    load: async () => (await import('../cli/replay.ts')).defineReplay,
  },
  {
    name: 'store',
    summary: "serve a small in-memory datastore in etcd's protocol, as labs use it",
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
    summary: 'inspect a BGP speaker: neighbors, routes, and why a path is best',
    group: 'BGP',
    load: async () => (await import('./bgp-command.ts')).defineBgp,
  },
]
