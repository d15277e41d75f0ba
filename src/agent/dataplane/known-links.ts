import type { Link } from '../../kernel/kernel.ts'

/** The links of the node as its kernel told of them, by index and by name. */
export class KnownLinks {
  readonly #byIndex = new Map<number, Link>()
  readonly #byName = new Map<string, Link>()

  /** Takes a fresh listing for all there is. */
  read(links: readonly Link[]): void {
    this.#byIndex.clear()
    this.#byName.clear()
    for (const link of links) this.set(link)
  }

  set(link: Link): void {
    this.remove(link.index) // it may have had another name
    this.#byIndex.set(link.index, link)
    this.#byName.set(link.name, link)
  }

  remove(index: number): void {
    const link = this.#byIndex.get(index)
    if (link === undefined) return
    this.#byIndex.delete(index)
    if (this.#byName.get(link.name) === link) this.#byName.delete(link.name)
  }

  at(index: number): Link | undefined {
    return this.#byIndex.get(index)
  }

  named(name: string): Link | undefined {
    return this.#byName.get(name)
  }
}
