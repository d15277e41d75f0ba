import * as icmp from '../../../wire/packet/icmp.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import type { Device } from '../links/device.ts'
import type { FibNextHop } from '../routing/fib.ts'
import { sendError } from './ip-output.ts'
import type { Namespace } from '../namespace.ts'

/** Redirects to one host before the router gives up on it (ip_rt_redirect_number). */
const MOST_REDIRECTS = 9
/** ip_rt_redirect_load and ip_rt_redirect_silence with HZ 1000 (net/ipv4/route.c). */
const LOAD_MILLISECONDS = 20
const SILENCE_MILLISECONDS = LOAD_MILLISECONDS << (MOST_REDIRECTS + 1)

/** What a router remembers of one host that it has told a better way. */
export interface RedirectHistory {
  count: number
  lastAt: number
}

/** Tells the sender of a packet that a router on its own link is nearer (ip_rt_send_redirect). */
export function sendRedirect(
  namespace: Namespace,
  about: Uint8Array,
  input: Device,
  hop: FibNextHop,
): void {
  const destination = ipv4.source(about)
  const gateway = hop.via ?? ipv4.destination(about)
  if (typeof gateway !== 'number') return
  const now = namespace.machine.clock.now()
  let history = namespace.redirects.get(destination)
  if (history === undefined) {
    history = { count: 0, lastAt: -Infinity }
    namespace.redirects.set(destination, history)
  }
  if (now > history.lastAt + SILENCE_MILLISECONDS) history.count = 0
  if (history.count >= MOST_REDIRECTS) {
    history.lastAt = now
    return
  }
  const isDue = history.count === 0 || now > history.lastAt + (LOAD_MILLISECONDS << history.count)
  if (!isDue) return
  history.count++
  history.lastAt = now
  // An error like others: none about errors (icmp_send).
  sendError(namespace, about, input, icmp.TYPE.redirect, icmp.REDIRECT.host, gateway)
}
