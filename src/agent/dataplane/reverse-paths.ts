import type { HostSysctls } from './host-sysctls.ts'

/** Values of rp_filter (Documentation/networking/ip-sysctl.rst). */
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
  return links.map((name) => [pathOf(name), LOOSE])
}

/** Of these links those by which the host itself takes a packet only if it would answer by the same. */
export function strictLinks(
  sysctls: Pick<HostSysctls, 'original'>,
  links: readonly string[],
): readonly string[] {
  const ofAll = Number(sysctls.original(pathOf('all')) ?? 0)
  return links.filter((name) => {
    const own = sysctls.original(pathOf(name))
    // The kernel takes the larger of both.
    return own !== undefined && Math.max(ofAll, Number(own)) === STRICT
  })
}

/** A dot of a link's name is a slash in the path of its settings (sysctl(8)). */
function pathOf(link: string): string {
  return `ipv4.conf.${link.replaceAll('.', '/')}.rp_filter`
}
