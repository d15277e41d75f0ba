import type { Kernel } from '../../kernel/kernel.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { HostSysctls } from './host-sysctls.ts'
import { linksWith } from '../cluster/node-addresses.ts'

/** Values of rp_filter (Documentation/networking/ip-sysctl.rst). */
const STRICT = 1
const LOOSE = '2'

/** Links by which packets of other nodes' pods come in, by name. */
export interface ReversePaths {
  /** Settings that let each of them take such packets by whichever link they come. */
  readonly sysctls: ReadonlyMap<string, string>
  /** Those by which the host takes a packet only if it would answer by the same (rp_filter 1). */
  readonly strictLinks: readonly string[]
}

export const NO_REVERSE_PATHS: ReversePaths = { sysctls: new Map(), strictLinks: [] }

/**
 * How a node takes packets of pods that come by another link than its own would leave by. While a pool's
 * encapsulation changes, nodes learn of it one after the other, and a kernel that filters strictly drops
 * what a slower or faster one sends. So the kernel's filter is loose on these links, and the packet filter
 * does the strict one's work for all sources but pods.
 *
 * @param ownAddress the node's own, undefined while it has none
 * @param tunnels links of tunnels by which packets may come
 */
export function reversePaths(
  kernel: Pick<Kernel, 'addresses' | 'links'>,
  sysctls: Pick<HostSysctls, 'original'>,
  ownAddress: IpAddress | undefined,
  tunnels: readonly string[],
): ReversePaths {
  const uplinks = linksWith(kernel, ownAddress)
  const names = kernel
    .links()
    .filter(({ index, name }) => uplinks.includes(index) || tunnels.includes(name))
    .map(({ name }) => name)
  const ofAll = Number(sysctls.original(pathOf('all')) ?? 0)
  return {
    sysctls: new Map(names.map((name) => [pathOf(name), LOOSE])),
    // The kernel takes the larger of both.
    strictLinks: names.filter(
      (name) => Math.max(ofAll, Number(sysctls.original(pathOf(name)) ?? 0)) === STRICT,
    ),
  }
}

/** A dot of a link's name is a slash in the path of its settings (sysctl(8)). */
function pathOf(link: string): string {
  return `ipv4.conf.${link.replaceAll('.', '/')}.rp_filter`
}
