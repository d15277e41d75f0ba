import { closest } from '../lib/closest.ts'
import { UserError } from '../lib/errors.ts'
import type { Journal } from '../api/lab-status.ts'

/**
 * The namespace of what a person names: a node, a router, a network, or a pod as "network-5z4qp" or
 * "default/network-5z4qp". Errors: UserError with the names that there are.
 */
export function findNamespace(journal: Journal, name: string): string {
  const hosts = [...journal.nodes, ...journal.routers, ...journal.networks]
  const host = hosts.find((one) => one.name === name)
  if (host !== undefined) return host.namespace
  const pods = journal.pods.filter(
    (pod) => pod.name === name || `${pod.namespace}/${pod.name}` === name,
  )
  if (pods.length === 1) return pods[0]!.netns
  if (pods.length > 1) {
    const names = pods.map((pod) => `${pod.namespace}/${pod.name}`).join(' or ')
    throw new UserError(`There is more than one pod ${name}; write ${names}`)
  }
  if (journal.namespaces.includes(name)) return name
  const known = [...hosts, ...journal.pods].map((one) => one.name)
  const near = closest(name, known)
  throw new UserError(
    `Lab ${journal.lab} has nothing named ${name}; ` +
      (near === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${near}?`),
  )
}
