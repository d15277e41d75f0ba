import type { IpAddress } from '../../net/ip-address.ts'
import type { Link, LinkAddress, Neighbor } from '../../kernel/kernel.ts'
import type { NamespaceSnapshot } from '../../api/node-access.ts'

/** A namespace's snapshot with the questions that the walk asks of it. */
export class NamespaceView {
  readonly node: string
  readonly snapshot: NamespaceSnapshot
  readonly #byIndex: ReadonlyMap<number, Link>
  readonly #byName: ReadonlyMap<string, Link>

  constructor(node: string, snapshot: NamespaceSnapshot) {
    this.node = node
    this.snapshot = snapshot
    this.#byIndex = new Map(snapshot.links.map((link) => [link.index, link]))
    this.#byName = new Map(snapshot.links.map((link) => [link.name, link]))
  }

  get netns(): NamespaceSnapshot['netns'] {
    return this.snapshot.netns
  }

  link(index: number): Link | undefined {
    return this.#byIndex.get(index)
  }

  linkNamed(name: string): Link | undefined {
    return this.#byName.get(name)
  }

  /** "ens33", or "if7" of a link that is not there any more. */
  linkName(index: number): string {
    return this.link(index)?.name ?? `if${index}`
  }

  /** Where an address of this namespace's own stands. */
  holding(address: IpAddress): LinkAddress | undefined {
    return this.snapshot.addresses.find((each) => each.address === address)
  }

  neighbor(linkIndex: number, address: IpAddress): Neighbor | undefined {
    return this.snapshot.neighbors.find(
      (each) => each.linkIndex === linkIndex && each.address === address,
    )
  }

  /** The node that a VXLAN link sends frames for a MAC address to. */
  forwarding(linkIndex: number, macAddress: string): IpAddress | undefined {
    return this.snapshot.forwarding?.find(
      (each) => each.linkIndex === linkIndex && each.macAddress === macAddress,
    )?.remoteAddress
  }

  /** The integer value of a sysctl; undefined where it was not read. */
  sysctl(path: string): number | undefined {
    const value = this.snapshot.sysctls[path]
    if (value === undefined) return undefined
    const number = Number.parseInt(value, 10)
    return Number.isNaN(number) ? undefined : number
  }

  /** A setting of one link: `setting('ipv4', 'ens33', 'rp_filter')`. */
  setting(family: 'ipv4' | 'ipv6', link: string, name: string): number | undefined {
    return this.sysctl(`${family}.conf.${link.replaceAll('.', '/')}.${name}`)
  }

  /** The larger of a link's setting and of "all", as the kernel takes rp_filter and proxy_arp. */
  largerSetting(family: 'ipv4' | 'ipv6', link: string, name: string): number | undefined {
    const own = this.setting(family, link, name)
    const all = this.setting(family, 'all', name)
    return own === undefined && all === undefined ? undefined : Math.max(own ?? 0, all ?? 0)
  }
}
