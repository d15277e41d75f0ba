import { forwardingOff, martianSource, rpFilter } from './host.ts'
import { linkDown, linkMissing, mtuExceeded, noCarrier } from './links.ts'
import { neighborFailed, neighborTableFull, neighborWrongMac } from './neighbors.ts'
import { proxyArpNoForwarding, proxyArpNoRoute, proxyArpOff } from './neighbors.ts'
import { checksumWrong, filtered, sourceChanged, underlayDrops } from './network.ts'
import { addressMissing, echoIgnored, noAnswer, podLinkMissing } from './pods.ts'
import { podNotRunning, wrongHolder, wrongPod } from './pods.ts'
import { blackholeRoute, icmpError, kernelRefuses, loop, noRoute } from './routing.ts'
import { otherWay, prohibitRoute, ttlExpired, unreachableRoute, wrongNextHop } from './routing.ts'
import { tunnelDown, tunnelDrops, tunnelMissing, vtepElsewhere, vtepUnknown } from './tunnels.ts'

/**
 * All causes that the trace can tell. Where two fit equally well, the earlier one is named first; what
 * else ranks them is in `diagnose/ranking.ts`.
 */
export const CAUSES = [
  podNotRunning,
  podLinkMissing,
  addressMissing,
  linkMissing,
  linkDown,
  noCarrier,
  mtuExceeded,
  wrongPod,
  neighborWrongMac,
  neighborTableFull,
  neighborFailed,
  proxyArpOff,
  proxyArpNoForwarding,
  proxyArpNoRoute,
  tunnelDown,
  tunnelMissing,
  vtepUnknown,
  vtepElsewhere,
  loop,
  martianSource,
  rpFilter,
  noRoute,
  blackholeRoute,
  unreachableRoute,
  prohibitRoute,
  kernelRefuses,
  wrongNextHop,
  forwardingOff,
  ttlExpired,
  wrongHolder,
  echoIgnored,
  icmpError,
  otherWay,
  sourceChanged,
  checksumWrong,
  underlayDrops,
  tunnelDrops,
  filtered,
  noAnswer,
] as const

export type CauseId = (typeof CAUSES)[number]['id']
