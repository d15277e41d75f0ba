import type { Closable } from '../../../lib/closable.ts'

/** What is open through one kernel, so that closing it closes everything. */
export class OpenHandles {
  readonly #open = new Set<Closable>()

  /** Keeps `resource`, which must have itself forgotten when it is closed. */
  keep<Resource extends Closable>(resource: Resource): Resource {
    this.#open.add(resource)
    return resource
  }

  forget(resource: Closable): void {
    this.#open.delete(resource)
  }

  closeAll(): void {
    for (const resource of this.#open) resource.close()
    this.#open.clear()
  }
}
