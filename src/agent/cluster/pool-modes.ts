import type { Clock, Timer } from '../../lib/clock.ts'
import type { Closable } from '../../lib/closable.ts'
import type { Log } from '../../lib/log.ts'
import type { Node } from '../../model/resource.ts'
import type { PoolEncapsulation } from '../../routes/encapsulation.ts'
import type { ClusterView } from './cluster-view.ts'
import { felixParameter } from './felix-parameter.ts'
import { FORMER_MILLISECONDS, PoolHistory } from './pool-history.ts'
import { usesVxlan, vxlanModeOf } from '../tunnel/vxlan-settings.ts'

export interface PoolModesNeeds {
  /** Name of the Node resource. */
  readonly node: string
  readonly view: ClusterView
  readonly clock: Clock
  readonly log: Log
  /** Former modes matter no longer. */
  onAged(): void
}

/** By which ways pools have packets go, and had until a moment ago: nodes hear of a change one after the other. */
export class PoolModes implements Closable {
  readonly #needs: PoolModesNeeds
  readonly #history = new PoolHistory()
  readonly #timers = new Set<Timer>()
  #nodes: readonly Node[] = []
  #haveOthersVxlan = false
  /** Pools of which it was told that they go bare. */
  readonly #told = new Set<string>()

  constructor(needs: PoolModesNeeds) {
    this.#needs = needs
  }

  /** To be called when pools may be others. */
  update(): void {
    const { clock, onAged } = this.#needs
    this.#tellOfBare()
    if (!this.#history.update(this.current, clock.now())) return
    const timer = clock.after(FORMER_MILLISECONDS, () => {
      this.#timers.delete(timer)
      onAged()
    })
    this.#timers.add(timer)
  }

  /** Tunnels of IPv6 are not there: nobody should have to find out with tcpdump. */
  #tellOfBare(): void {
    for (const { metadata, spec } of this.#needs.view.list('IPPool')) {
      if (!spec.cidr.includes(':') || spec.vxlanMode === 'Never') continue
      if (this.#told.has(metadata.name)) continue
      this.#told.add(metadata.name)
      this.#needs.log.warn('Packets of an IPv6 pool go bare: there is no VXLAN over IPv6 here', {
        pool: metadata.name,
        vxlanMode: spec.vxlanMode,
      })
    }
  }

  get current(): readonly PoolEncapsulation[] {
    return this.#needs.view.list('IPPool').map((pool) => ({
      cidr: pool.spec.cidr,
      ipipMode: pool.spec.ipipMode,
      vxlanMode: vxlanModeOf(pool),
      ...(pool.spec.allowedUses.includes('LoadBalancer') ? { isOfServices: true } : {}),
    }))
  }

  /** What they were a moment ago, latest first. */
  get former(): readonly (readonly PoolEncapsulation[])[] {
    return this.#history.former(this.#needs.clock.now())
  }

  /**
   * Whether packets may come in VXLAN: until the last of the other nodes has given back the address of its
   * end, which it does after it has sent the last such packet.
   */
  get hasVxlan(): boolean {
    const { view, node } = this.#needs
    if (usesVxlan(view, node)) return true
    if (felixParameter(view, node, 'vxlanEnabled') === false) return false
    return this.hadVxlan || this.#othersHaveVxlan()
  }

  /** Read once for each list of nodes: nodes come in crowds, and this is asked at every change. */
  #othersHaveVxlan(): boolean {
    const { view, node } = this.#needs
    const nodes = view.list('Node')
    if (nodes !== this.#nodes) {
      this.#nodes = nodes
      this.#haveOthersVxlan = nodes.some(
        ({ metadata, spec }) => spec.ipv4VXLANTunnelAddr !== undefined && metadata.name !== node,
      )
    }
    return this.#haveOthersVxlan
  }

  /** Whether packets came in VXLAN a moment ago. */
  get hadVxlan(): boolean {
    return this.#formerly(({ vxlanMode }) => vxlanMode !== 'Never')
  }

  /** Whether packets came in IPIP a moment ago. */
  get hadIpip(): boolean {
    return this.#formerly(({ ipipMode }) => ipipMode !== 'Never')
  }

  #formerly(holds: (pool: PoolEncapsulation) => boolean): boolean {
    return this.former.some((pools) => pools.some(holds))
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel()
  }
}
