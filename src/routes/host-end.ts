import { attemptEach } from '../lib/attempt-each.ts'
import { isKernelError, type Kernel } from '../kernel/kernel.ts'
import { mac } from '../net/mac-address.ts'

/** All host ends have it: a pod's neighbor entry stays right when its host end is made anew. */
export const HOST_END_MAC = mac('ee:ee:ee:ee:ee:ee')

/** What Calico sets on the host end of each pod's link (felix/dataplane, cni-plugin/pkg/dataplane/linux). */
const HOST_END_SYSCTLS: readonly (readonly [path: (link: string) => string, value: string])[] = [
  [(link) => `ipv4.conf.${link}.route_localnet`, '1'],
  [(link) => `ipv4.neigh.${link}.proxy_delay`, '0'], // else the first ARP answer may take 0.8 s
  [(link) => `ipv4.conf.${link}.proxy_arp`, '1'],
  [(link) => `ipv4.conf.${link}.forwarding`, '1'],
  [(link) => `ipv6.conf.${link}.proxy_ndp`, '1'],
  [(link) => `ipv6.conf.${link}.forwarding`, '1'],
  [(link) => `ipv6.conf.${link}.accept_ra`, '0'],
]

type Settings = Pick<Kernel, 'readSysctl' | 'writeSysctl'>

/** A setting of a host end that is not as it should be. */
export interface WrongSysctl {
  /** As in {@link Kernel.readSysctl}. */
  readonly path: string
  readonly found: string
  readonly wanted: string
}

/** The settings of a host end that are not as a pod needs them. Errors: ENOENT for a link that is gone. */
export function wrongHostEndSysctls(
  host: Pick<Settings, 'readSysctl'>,
  link: string,
): readonly WrongSysctl[] {
  return HOST_END_SYSCTLS.flatMap(([pathOf, wanted]) => {
    const path = pathOf(link)
    const found = readSysctl(host, path)
    return found === undefined || found === wanted ? [] : [{ path, found, wanted }]
  })
}

/**
 * Makes the settings of a host end as a pod needs them; answers those that were not. Errors: ENOENT for a
 * link that is gone; what the kernel refused, when all else is set.
 */
export function setHostEndSysctls(host: Settings, link: string): readonly WrongSysctl[] {
  const wrong = wrongHostEndSysctls(host, link)
  attemptEach(wrong, ({ path, wanted }) => host.writeSysctl(path, wanted))
  return wrong
}

/** Undefined for a setting of IPv6 on a kernel without it. */
function readSysctl(host: Pick<Settings, 'readSysctl'>, path: string): string | undefined {
  try {
    return host.readSysctl(path)
  } catch (thrown) {
    if (path.startsWith('ipv6') && isKernelError(thrown, 'ENOENT')) return undefined
    throw thrown
  }
}
