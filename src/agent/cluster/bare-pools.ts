import type { Log } from '../../lib/log.ts'
import type { IPPool } from '../../model/resource.ts'

/** Says of IPv6 pools with VXLAN, once each, that there is no such tunnel: nobody should have to find out with tcpdump. */
export class BarePools {
  readonly #log: Log
  readonly #told = new Set<string>()

  constructor(log: Log) {
    this.#log = log
  }

  tell(pools: readonly IPPool[]): void {
    for (const { metadata, spec } of pools) {
      if (!spec.cidr.includes(':') || spec.vxlanMode === 'Never') continue
      if (this.#told.has(metadata.name)) continue
      this.#told.add(metadata.name)
      this.#log.warn('IPv6 pool is not encapsulated: VXLAN over IPv6 is not supported', {
        pool: metadata.name,
        vxlanMode: spec.vxlanMode,
      })
    }
  }
}
