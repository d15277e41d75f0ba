import { grown } from './columns.ts'

/** Where a path comes from, as the decision process sees it. */
export const SOURCE_KIND = { own: 0, external: 1, internal: 2 } as const
export type SourceKind = (typeof SOURCE_KIND)[keyof typeof SOURCE_KIND]

/** The source of the routes that this speaker announces itself. */
export const OWN_SOURCE = 0
/** Sources have 16 bits in the tables; one more number is needed for "none". */
const SOURCES_MAX = 65_534

/** The sources of paths: this speaker as number 0, then one number for each neighbor. */
export class Sources {
  kinds = new Uint8Array(16)
  routerIds = new Uint32Array(16)
  /** Set for clients of this route reflector (RFC 4456). */
  isClient = new Uint8Array(16)
  /** Address in a form that compares in numeric order within a family. */
  readonly addressKeys: string[] = ['']
  readonly #free: number[] = []
  #limit = 1

  add(kind: SourceKind, addressKey: string): number {
    const source = this.#free.pop() ?? this.#limit++
    if (source > SOURCES_MAX) throw new RangeError(`Expected at most ${SOURCES_MAX} neighbors`)
    if (source >= this.kinds.length) {
      this.kinds = grown(this.kinds, source * 2)
      this.routerIds = grown(this.routerIds, source * 2)
      this.isClient = grown(this.isClient, source * 2)
    }
    this.kinds[source] = kind
    this.isClient[source] = 0
    this.routerIds[source] = 0
    this.addressKeys[source] = addressKey
    return source
  }

  /** Gives the number back; no path may have it any more. */
  remove(source: number): void {
    this.#free.push(source)
  }
}
