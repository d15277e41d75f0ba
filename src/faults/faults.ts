import { addressMissing } from './catalogue/address-missing.ts'
import { blackholeRoute } from './catalogue/blackhole-route.ts'
import { checksumWrong } from './catalogue/checksum-wrong.ts'
import { echoIgnored } from './catalogue/echo-ignored.ts'
import { filtered } from './catalogue/filtered.ts'
import { filteredInPod } from './catalogue/filtered-in-pod.ts'
import { forwardingOff } from './catalogue/forwarding-off.ts'
import { hostLinkDown } from './catalogue/host-link-down.ts'
import { icmpError } from './catalogue/icmp-error.ts'
import { kernelRefuses } from './catalogue/kernel-refuses.ts'
import { linkDown } from './catalogue/link-down.ts'
import { linkMissing } from './catalogue/link-missing.ts'
import { loop } from './catalogue/loop.ts'
import { martianSource } from './catalogue/martian-source.ts'
import { mtuExceeded } from './catalogue/mtu-exceeded.ts'
import { nearTunnelDown } from './catalogue/near-tunnel-down.ts'
import { neighborFailed } from './catalogue/neighbor-failed.ts'
import { neighborTableFull } from './catalogue/neighbor-table-full.ts'
import { neighborWrongMac } from './catalogue/neighbor-wrong-mac.ts'
import { noAnswer } from './catalogue/no-answer.ts'
import { noCarrier } from './catalogue/no-carrier.ts'
import { noRoute } from './catalogue/no-route.ts'
import { otherWay } from './catalogue/other-way.ts'
import { podLinkMissing } from './catalogue/pod-link-missing.ts'
import { podNotRunning } from './catalogue/pod-not-running.ts'
import { prohibitRoute } from './catalogue/prohibit-route.ts'
import { proxyArpNoForwarding } from './catalogue/proxy-arp-no-forwarding.ts'
import { proxyArpNoRoute } from './catalogue/proxy-arp-no-route.ts'
import { proxyArpOff } from './catalogue/proxy-arp-off.ts'
import { rpFilter } from './catalogue/rp-filter.ts'
import { sourceChanged } from './catalogue/source-changed.ts'
import { ttlExpired } from './catalogue/ttl-expired.ts'
import { tunnelDown } from './catalogue/tunnel-down.ts'
import { tunnelDrops } from './catalogue/tunnel-drops.ts'
import { tunnelMissing } from './catalogue/tunnel-missing.ts'
import { underlayDrops } from './catalogue/underlay-drops.ts'
import { unreachableRoute } from './catalogue/unreachable-route.ts'
import { vtepElsewhere } from './catalogue/vtep-elsewhere.ts'
import { vtepNeighborMissing } from './catalogue/vtep-neighbor-missing.ts'
import { vtepUnknown } from './catalogue/vtep-unknown.ts'
import { wrongHolder } from './catalogue/wrong-holder.ts'
import { wrongNextHop } from './catalogue/wrong-next-hop.ts'
import { wrongPod } from './catalogue/wrong-pod.ts'
import type { Fault } from './fault.ts'

/** Every way to break a cluster that this folder knows. */
export const FAULTS = [
  addressMissing,
  blackholeRoute,
  checksumWrong,
  echoIgnored,
  filtered,
  filteredInPod,
  forwardingOff,
  hostLinkDown,
  icmpError,
  kernelRefuses,
  linkDown,
  linkMissing,
  loop,
  martianSource,
  mtuExceeded,
  nearTunnelDown,
  neighborFailed,
  neighborTableFull,
  neighborWrongMac,
  noAnswer,
  noCarrier,
  noRoute,
  otherWay,
  podLinkMissing,
  podNotRunning,
  prohibitRoute,
  proxyArpNoForwarding,
  proxyArpNoRoute,
  proxyArpOff,
  rpFilter,
  sourceChanged,
  ttlExpired,
  tunnelDown,
  tunnelDrops,
  tunnelMissing,
  underlayDrops,
  unreachableRoute,
  vtepElsewhere,
  vtepNeighborMissing,
  vtepUnknown,
  wrongHolder,
  wrongNextHop,
  wrongPod,
] as const satisfies readonly Fault[]

export type FaultId = (typeof FAULTS)[number]['id']
