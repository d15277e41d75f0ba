import type { NewSource } from '../../kernel/packet-filter.ts'
import { parsePortRange } from '../../model/felix-configuration.ts'
import type { ViewOf } from '../cluster/derived.ts'
import { felixParameter } from '../cluster/felix-parameter.ts'

/**
 * What packets that leave pools with natOutgoing get instead of an address of their link and any port
 * (Felix: natOutgoingAddress, natPortRange).
 */
export function outgoingNat(view: ViewOf<'FelixConfiguration'>, node: string): NewSource {
  const address = felixParameter(view, node, 'natOutgoingAddress')
  const ports = portRange(felixParameter(view, node, 'natPortRange'))
  return {
    ...(address === undefined ? {} : { address }),
    ...(ports === undefined ? {} : { ports }),
  }
}

/** "0:0" leaves the choice to the kernel. */
function portRange(range: string | number | undefined): readonly [number, number] | undefined {
  const { first = 0, last = 0 } = parsePortRange(range ?? 0) ?? {}
  return first >= 1 ? [first, last] : undefined
}
