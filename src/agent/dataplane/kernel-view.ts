import type { Kernel, KernelEvent, Link, LinkAddress } from '../../kernel/kernel.ts'
import { POD_LINK_PREFIX } from '../../routes/ownership.ts'

/** What the kernel has beside pods, for what is worked out from it. */
export interface HostLinks {
  /** The same array until one of them changes, or comes or goes. */
  readonly links: readonly Link[]
  /** IPv4 addresses of these links; the same array until one comes or goes. */
  readonly addresses: readonly LinkAddress[]
}

/** The links and addresses of a node as its kernel told of them. */
export class KernelView {
  readonly #kernel: Pick<Kernel, 'links' | 'link' | 'addresses'>
  readonly #byIndex = new Map<number, Link>()
  readonly #byName = new Map<string, Link>()
  #hostLinks: readonly Link[] | undefined
  #addresses: readonly LinkAddress[] | undefined

  constructor(kernel: Pick<Kernel, 'links' | 'link' | 'addresses'>) {
    this.#kernel = kernel
    this.read()
  }

  /** Takes a fresh listing for all there is. */
  read(): void {
    this.#byIndex.clear()
    this.#byName.clear()
    for (const link of this.#kernel.links()) this.#index(link)
    this.#hostLinks = undefined
    this.#addresses = undefined
  }

  /** Takes note of a change; returns whether {@link host} answers something else now. */
  observe(event: KernelEvent): boolean {
    if (event.kind === 'address') {
      const link = this.at(event.address.linkIndex)
      if (event.address.address.includes(':') || (link !== undefined && isPodLink(link)))
        return false
      this.#addresses = undefined
      return true
    }
    if (event.kind !== 'link') return false
    this.#remove(event.link.index) // it may have had another name
    if (event.change === 'set') this.#index(event.link)
    if (isPodLink(event.link)) return false
    // With a link go its addresses, of which nothing need be told.
    if (event.change === 'removed') this.#addresses = undefined
    return true
  }

  #index(link: Link): void {
    this.#byIndex.set(link.index, link)
    this.#byName.set(link.name, link)
    if (!isPodLink(link)) this.#hostLinks = undefined
  }

  #remove(index: number): void {
    const link = this.#byIndex.get(index)
    if (link === undefined) return
    this.#byIndex.delete(index)
    if (this.#byName.get(link.name) === link) this.#byName.delete(link.name)
    if (!isPodLink(link)) this.#hostLinks = undefined
  }

  at(index: number): Link | undefined {
    return this.#byIndex.get(index)
  }

  named(name: string): Link | undefined {
    return this.#byName.get(name)
  }

  /** Asks the kernel for one of which it has not told yet. */
  find(name: string): Link | undefined {
    return this.named(name) ?? this.#kernel.link(name)
  }

  /** Links that are up, by index. */
  up(): readonly number[] {
    return [...this.#byIndex.values()].flatMap(({ index, up }) => (up ? index : []))
  }

  /** Whether a link is a pod's, or one that is gone: it does not lead to other nodes. */
  leadsNowhere(index: number): boolean {
    const link = this.at(index)
    return link === undefined || isPodLink(link)
  }

  get host(): HostLinks {
    this.#hostLinks ??= [...this.#byIndex.values()].filter((link) => !isPodLink(link))
    this.#addresses ??= this.#kernel
      .addresses()
      .filter(({ address, linkIndex }) => !address.includes(':') && !this.leadsNowhere(linkIndex))
    return { links: this.#hostLinks, addresses: this.#addresses }
  }
}

export function isPodLink({ name }: Pick<Link, 'name'>): boolean {
  return name.startsWith(POD_LINK_PREFIX)
}
