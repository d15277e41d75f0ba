import type { Clock } from '../../../lib/clock.ts'
import { familyOf, type IpAddress } from '../../../net/ip-address.ts'
import type { IpPacket } from '../../../wire/packet/dissect.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import { isKernelError, type Kernel } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'
import { destinationArgument, type Options, readOptions } from './options.ts'
import { isEchoReply, type PingAnswer, sendProbe } from './probe.ts'

/** Where UDP probes go, one port further each. */
const FIRST_PORT = 33_434

/** Octets of a probe in all, unless told. */
const PACKET_OCTETS = { 4: 60, 6: 80 } as const
const HEADER_OCTETS = { 4: 28, 6: 48 } as const

/**
 * `traceroute [-46nIFU] [-f FIRST] [-m HOPS] [-q PROBES] [-w SECONDS] [-p PORT] ADDRESS [OCTETS]`, as the
 * program of most distributions prints it, by UDP unless -I asks for echo requests.
 */
export async function traceroute(
  kernel: Kernel,
  argv: readonly string[],
  clock: Clock,
): Promise<CommandResult> {
  const options = readOptions(argv, 'fmqwps', '46nIFU')
  const destination = destinationArgument(options)
  const family = familyOf(destination)
  const octets = Math.max(Number(options.words[1] ?? PACKET_OCTETS[family]), HEADER_OCTETS[family])
  if (!Number.isFinite(octets)) throw new RangeError(`Bad packet length "${options.words[1]}"`)
  const most = Math.min(255, options.number('m', 30))
  let stdout = `traceroute to ${destination} (${destination}), ${most} hops max, ${octets} byte packets\n`
  let source: IpAddress
  try {
    source = kernel.lookupRoute({ destination }).preferredSource ?? destination
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    const why = thrown.code === 'ENETUNREACH' ? 'Network is unreachable' : thrown.code
    return { stdout, stderr: `connect: ${why}\n`, status: 1 }
  }
  const trace = { kernel, clock, options, destination, source, octets }
  for (let ttl = Math.max(1, options.number('f', 1)); ttl <= most; ttl++) {
    const { text, isLast } = await hop(trace, ttl)
    stdout += `${String(ttl).padStart(2)} ${text}\n`
    if (isLast) break
  }
  return { stdout, stderr: '', status: 0 }
}

interface Trace {
  readonly kernel: Kernel
  readonly clock: Clock
  readonly options: Options
  readonly destination: IpAddress
  readonly source: IpAddress
  readonly octets: number
}

async function hop(trace: Trace, ttl: number): Promise<{ text: string; isLast: boolean }> {
  let text = ''
  let isLast = false
  let last: IpAddress | undefined
  for (let probe = 0; probe < Math.max(1, trace.options.number('q', 3)); probe++) {
    const { packet, milliseconds } = await once(trace, ttl, probe)
    if (packet === undefined) {
      text += ' *'
      continue
    }
    const { source } = packet
    if (source !== last) text += trace.options.has('n') ? ` ${source}` : ` ${source} (${source})`
    last = source
    text += `  ${milliseconds.toFixed(3)} ms${remark(packet, trace.destination)}`
    isLast ||= !isTimeExceeded(packet)
  }
  return { text, isLast }
}

async function once(trace: Trace, ttl: number, probe: number): Promise<PingAnswer> {
  const { kernel, clock, options, destination, source, octets } = trace
  const sequence = (ttl - 1) * 3 + probe
  const common = {
    destination,
    source,
    identifier: 40_000 + ((clock.now() + sequence) & 0xfff),
    sequence: sequence + 1,
    ttl,
    dataOctets: octets - HEADER_OCTETS[familyOf(destination)],
    dontFragment: options.has('F'),
  }
  const port = options.number('p', FIRST_PORT) + sequence
  const timeout = options.number('w', 5) * 1000
  try {
    const asked = options.has('I') ? common : { ...common, udpPort: port }
    return await sendProbe(kernel, clock, asked, timeout)
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    return { packet: undefined, milliseconds: 0 }
  }
}

function isTimeExceeded({ family, payload }: IpPacket): boolean {
  const { timeExceeded } = family === 4 ? icmp.TYPE : icmpv6.TYPE
  return payload.kind === 'icmp' && payload.type === timeExceeded
}

/** What an answer means that is neither a hop's nor the end's. */
function remark(packet: IpPacket, destination: IpAddress): string {
  const { family, payload } = packet
  if (payload.kind !== 'icmp' || isTimeExceeded(packet) || isEchoReply(packet)) return ''
  const { type, code, mtu } = payload
  if (family === 6) {
    if (type === icmpv6.TYPE.packetTooBig) return ` !F-${mtu}`
    if (code === icmpv6.UNREACHABLE.port && packet.source === destination) return ''
    return [' !N', ' !X', ' !S', ' !H', ' !p'][code] ?? ` !<${code}>`
  }
  if (code === icmp.UNREACHABLE.port) return packet.source === destination ? '' : ' !p'
  if (code === icmp.UNREACHABLE.fragmentationNeeded) return ` !F-${mtu}`
  if (code === icmp.UNREACHABLE.communicationProhibited) return ' !X'
  return [' !N', ' !H', ' !P'][code] ?? ` !<${code}>`
}
