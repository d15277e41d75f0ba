import { hash } from 'node:crypto'

/**
 * Name of the host's end of a pod's veth pair: the prefix and the first 11 hexadecimal digits of
 * sha1("<namespace>.<pod>"), 15 characters, the most that Linux allows (calico, felix interfacePrefix).
 */
export function interfaceName(namespace: string, pod: string, prefix = 'cali'): string {
  return prefix + hash('sha1', `${namespace}.${pod}`).slice(0, 11)
}

/** The profile that gives the pods of a namespace its labels and its default policy. */
export function namespaceProfile(namespace: string): string {
  return `kns.${namespace}`
}
