import type { NewSource } from '../kernel/packet-filter.ts'
import { parseIpAddress } from '../net/ip-address.ts'
import type { ClusterView } from './cluster-view.ts'
import { felixParameter } from './felix-parameter.ts'

/**
 * What packets that leave pools with natOutgoing get instead of an address of their link and any port
 * (Felix: natOutgoingAddress, natPortRange). What is no address or range is as good as absent.
 */
export function outgoingNat(view: ClusterView, node: string): NewSource {
  const address = parseIpAddress(felixParameter(view, node, 'natOutgoingAddress') ?? '')
  const ports = portRange(felixParameter(view, node, 'natPortRange'))
  return {
    ...(address === undefined ? {} : { address }),
    ...(ports === undefined ? {} : { ports }),
  }
}

/** "32768:60999", "4000" or a number; "0:0" is none. */
function portRange(text: string | number | undefined): readonly [number, number] | undefined {
  const [, first, last = first] = /^(\d+)(?::(\d+))?$/.exec(String(text)) ?? []
  const [least, most] = [Number(first), Number(last)]
  return least >= 1 && least <= most && most <= 0xffff ? [least, most] : undefined
}
