import type { PoolEncapsulation } from '../../routes/encapsulation.ts'
import { usesVxlan, vxlanModeOf } from '../tunnel/vxlan-settings.ts'
import type { ViewOf } from './derived.ts'
import { felixParameter } from './felix-parameter.ts'

/** The encapsulation of each pool. */
export function poolEncapsulations(view: ViewOf<'IPPool'>): readonly PoolEncapsulation[] {
  return view.list('IPPool').map((pool) => ({
    cidr: pool.spec.cidr,
    ipipMode: pool.spec.ipipMode,
    vxlanMode: vxlanModeOf(pool),
    ...(pool.spec.allowedUses.includes('LoadBalancer') ? { isOfServices: true } : {}),
  }))
}

/** Whether packets came by a way a moment ago. */
export function wentBy(
  mode: 'ipipMode' | 'vxlanMode',
  formerPools: readonly (readonly PoolEncapsulation[])[],
): boolean {
  return formerPools.some((pools) => pools.some((pool) => pool[mode] !== 'Never'))
}

/**
 * Whether packets may come in VXLAN: until the last of the other nodes has given back the address of its
 * end, which it does after it has sent the last such packet.
 */
export function takesVxlan(
  view: ViewOf<'IPPool' | 'FelixConfiguration' | 'Node'>,
  self: string,
  formerPools: readonly (readonly PoolEncapsulation[])[],
): boolean {
  if (usesVxlan(view, self)) return true
  if (felixParameter(view, self, 'vxlanEnabled') === false) return false
  if (wentBy('vxlanMode', formerPools)) return true
  return view
    .list('Node')
    .some(({ metadata, spec }) => spec.ipv4VXLANTunnelAddr !== undefined && metadata.name !== self)
}
