import type { CommandEntry } from '../cli/command-entry.ts'

/** Every sub-command of `tortie`, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'lab',
    summary:
      'clusters of network namespaces on this machine: up, down, status, exec, restart, list',
    group: 'Lab',
    load: async () => (await import('./lab-command.ts')).defineLab,
  },
  {
    name: 'get',
    summary: 'resources of the cluster: node, workloadendpoint, ippool and the others',
    group: 'Look',
    load: async () => (await import('../cli/get.ts')).defineGet,
  },
  {
    name: 'agent',
    summary: 'run the agent of one node',
    group: 'Run',
    load: async () => (await import('./agent-command.ts')).defineAgent,
  },
  {
    name: 'store',
    summary: 'serve a datastore in memory',
    group: 'Run',
    load: async () => (await import('./store-command.ts')).defineStore,
  },
]
