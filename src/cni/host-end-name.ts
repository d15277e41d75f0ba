import { hash } from 'node:crypto'
import { interfaceName } from '../model/interface-name.ts'
import { type Attachment, attachmentKey } from './attachment.ts'

type Named = Pick<
  Attachment,
  'orchestrator' | 'namespace' | 'pod' | 'containerId' | 'interfaceName'
>

/**
 * What the host's end of an attachment is called. By Calico's rule two containers may have one name: that
 * of a pod of Kubernetes follows from the pod, any other from the first 11 characters of the container. Where
 * somebody else has that name it follows from container and interface alone.
 *
 * @param hasLink whether the host has a link of a name
 */
export function hostEndName(
  of: Named,
  others: readonly Attachment[],
  hasLink: (name: string) => boolean,
): string {
  const usual = usualName(of)
  const isUsable = of.orchestrator === 'k8s' || (isPlain(usual) && !hasLink(usual))
  const owner = others.find(
    (row) => row.hostInterfaceName === usual && attachmentKey(row) !== attachmentKey(of),
  )
  const isFree = owner === undefined || isFormerContainer(owner, of)
  return isUsable && isFree ? usual : ownName(of)
}

function usualName({ orchestrator, namespace, pod, containerId }: Named): string {
  return orchestrator === 'k8s' ? interfaceName(namespace, pod) : `cali${containerId.slice(0, 11)}`
}

/** A dot in a name parts the components of a sysctl. */
function isPlain(name: string): boolean {
  return /^[\w-]+$/.test(name)
}

/** A pod of Kubernetes gets a new container under its name; the link of the one before is given up. */
function isFormerContainer(owner: Attachment, of: Named): boolean {
  return (
    owner.orchestrator === 'k8s' &&
    of.orchestrator === 'k8s' &&
    owner.namespace === of.namespace &&
    owner.pod === of.pod &&
    owner.interfaceName === of.interfaceName
  )
}

function ownName(of: Named): string {
  const digest = hash('sha1', attachmentKey(of))
  return `cali${digest.slice(0, 11)}`
}
