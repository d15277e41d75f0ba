import type { HostSysctls } from './host-sysctls.ts'
import { ipv4ConfPath } from './ipv4-conf-path.ts'

const RP_FILTER = 'rp_filter'
/** Its values (Documentation/networking/ip-sysctl.rst). */
const STRICT = 1
const LOOSE = '2'

/**
 * Settings of links by which packets of other nodes' pods come in, that let each of them take such packets
 * by whichever link they come. While a pool's encapsulation changes, nodes learn of it one after the
 * other, and a kernel that filters strictly drops what a slower or faster one sends. So the kernel's
 * filter is loose on these links, and the packet filter does the strict one's work for all sources but
 * pods ({@link strictLinks}).
 *
 * @param links names
 */
export function looseReversePaths(
  links: readonly string[],
): readonly (readonly [path: string, value: string])[] {
  return links.map((name) => [ipv4ConfPath(name, RP_FILTER), LOOSE])
}

/** Of these links those by which the host itself takes a packet only if it would answer by the same. */
export function strictLinks(
  sysctls: Pick<HostSysctls, 'original'>,
  links: readonly string[],
): readonly string[] {
  const ofAll = Number(sysctls.original(ipv4ConfPath('all', RP_FILTER)) ?? 0)
  return links.filter((name) => {
    const own = sysctls.original(ipv4ConfPath(name, RP_FILTER))
    // The kernel takes the larger of both.
    return own !== undefined && Math.max(ofAll, Number(own)) === STRICT
  })
}
