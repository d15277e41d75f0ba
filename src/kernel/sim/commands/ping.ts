import { type Clock, sleep } from '../../../lib/clock.ts'
import { familyOf, type IpAddress, parseIpAddress } from '../../../net/ip-address.ts'
import type { IpPacket } from '../../../wire/packet/dissect.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as icmpv6 from '../../../wire/packet/icmpv6.ts'
import { isKernelError, type Kernel } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'
import { destinationArgument, type Options, readOptions } from './options.ts'
import { isEchoReply, sendProbe } from './probe.ts'

/** Most requests of one command: nobody can interrupt it here. */
const COUNT_MAX = 1000

/** Echo header and IPv4 header, which the first line of output counts in. */
const HEADER_OCTETS = 28

interface Ping {
  readonly destination: IpAddress
  readonly source: IpAddress
  readonly identifier: number
  readonly options: Options
}

/**
 * `ping [-46nq] [-c COUNT] [-i SECONDS] [-I SOURCE] [-W SECONDS] [-w SECONDS] [-s OCTETS] [-t TTL]
 * [-M do|want|dont] ADDRESS`, as iputils prints it; three times unless told.
 */
export async function ping(
  kernel: Kernel,
  argv: readonly string[],
  clock: Clock,
): Promise<CommandResult> {
  const options = readOptions(argv, 'ciIWwstM', '46nqOD')
  const destination = destinationArgument(options)
  let source: IpAddress
  try {
    source = sourceOf(kernel, options, destination)
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    return {
      stdout: '',
      stderr: `ping: connect: ${REFUSALS[thrown.code] ?? thrown.code}\n`,
      status: 2,
    }
  }
  const identifier = (clock.now() * 7 + 1) & 0xffff
  return new Run(kernel, clock, { destination, source, identifier, options }).toEnd()
}

const REFUSALS: Readonly<Record<string, string>> = {
  ENETUNREACH: 'Network is unreachable',
  EHOSTUNREACH: 'No route to host',
  EACCES: 'Permission denied',
  EINVAL: 'Invalid argument',
}

/** The address, or that of the link, behind -I, or the kernel's choice. */
function sourceOf(kernel: Kernel, options: Options, destination: IpAddress): IpAddress {
  const wanted = options.text('I')
  const address = parseIpAddress(wanted ?? '')
  if (address !== undefined) return address
  const link = wanted === undefined ? undefined : kernel.link(wanted)
  if (wanted !== undefined && link === undefined) {
    throw new RangeError(`unknown iface: ${wanted}`)
  }
  const query = link === undefined ? {} : { outputLinkIndex: link.index }
  return kernel.lookupRoute({ destination, ...query }).preferredSource ?? destination
}

class Run {
  readonly #kernel: Kernel
  readonly #clock: Clock
  readonly #ping: Ping
  readonly #times: number[] = []
  #stdout = ''
  #stderr = ''
  #sent = 0
  #errors = 0

  constructor(kernel: Kernel, clock: Clock, wanted: Ping) {
    this.#kernel = kernel
    this.#clock = clock
    this.#ping = wanted
  }

  async toEnd(): Promise<CommandResult> {
    const { destination, options } = this.#ping
    const octets = Math.min(65_507, options.number('s', 56))
    this.#stdout =
      familyOf(destination) === 4
        ? `PING ${destination} (${destination}) ${octets}(${octets + HEADER_OCTETS}) bytes of data.\n`
        : `PING ${destination}(${destination}) ${octets} data bytes\n`
    const began = this.#clock.now()
    const count = Math.min(COUNT_MAX, Math.max(1, options.number('c', 3)))
    const deadline = options.has('w') ? began + options.number('w', 0) * 1000 : Infinity
    while (this.#sent < count && this.#clock.now() < deadline) {
      const sent = this.#clock.now()
      await this.#once(++this.#sent, octets)
      const rest = options.number('i', 1) * 1000 - (this.#clock.now() - sent)
      if (this.#sent < count && rest > 0) await sleep(this.#clock, rest)
    }
    this.#stdout += this.#statistics(this.#clock.now() - began)
    return {
      stdout: this.#stdout,
      stderr: this.#stderr,
      status: this.#times.length > 0 ? 0 : 1,
    }
  }

  async #once(sequence: number, dataOctets: number): Promise<void> {
    const { destination, source, identifier, options } = this.#ping
    const probe = {
      destination,
      source,
      identifier,
      sequence,
      dataOctets,
      ttl: Math.min(255, options.number('t', 64)),
      dontFragment: options.text('M') !== 'dont',
    }
    const timeout = options.number('W', 1) * 1000
    try {
      const { packet, milliseconds } = await sendProbe(this.#kernel, this.#clock, probe, timeout)
      if (packet !== undefined) this.#tell(packet, sequence, milliseconds)
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      this.#errors++
      this.#stderr += `ping: ${this.#why(thrown.code, dataOctets)}\n`
    }
  }

  #why(code: string, dataOctets: number): string {
    if (code !== 'EMSGSIZE') return `sendmsg: ${REFUSALS[code] ?? code}`
    const way = this.#kernel.lookupRoute({ destination: this.#ping.destination })
    const mtu = this.#kernel.links().find(({ index }) => index === way.linkIndex)?.mtu ?? dataOctets
    return `local error: message too long, mtu=${mtu}`
  }

  #tell(packet: IpPacket, sequence: number, milliseconds: number): void {
    const isQuiet = this.#ping.options.has('q')
    if (isEchoReply(packet)) {
      this.#times.push(milliseconds)
      const octets = packet.totalLength - (packet.payloadAt - packet.at)
      const line = `${octets} bytes from ${packet.source}: icmp_seq=${sequence} ttl=${packet.timeToLive} time=${timeText(milliseconds)} ms\n`
      if (!isQuiet) this.#stdout += line
      return
    }
    this.#errors++
    const line = `From ${packet.source} icmp_seq=${sequence} ${errorText(packet)}\n`
    if (!isQuiet) this.#stdout += line
  }

  #statistics(milliseconds: number): string {
    const received = this.#times.length
    const lost = Number((((this.#sent - received) / this.#sent) * 100).toPrecision(6))
    const errors = this.#errors === 0 ? '' : ` +${this.#errors} errors,`
    const lines = [
      '',
      `--- ${this.#ping.destination} ping statistics ---`,
      `${this.#sent} packets transmitted, ${received} received,${errors} ${lost}% packet loss, time ${Math.round(milliseconds)}ms`,
      received > 0 ? rttLine(this.#times) : '',
    ]
    return `${lines.join('\n')}\n`
  }
}

/** Fewer digits behind the point, the more before it (gather_statistics of iputils). */
function timeText(milliseconds: number): string {
  const digits = milliseconds >= 100 ? 0 : milliseconds >= 10 ? 1 : milliseconds >= 1 ? 2 : 3
  return milliseconds.toFixed(digits)
}

function rttLine(times: readonly number[]): string {
  const average = times.reduce((sum, one) => sum + one, 0) / times.length
  const squares = times.reduce((sum, one) => sum + one * one, 0) / times.length
  const deviation = Math.sqrt(Math.max(0, squares - average ** 2))
  const values = [Math.min(...times), average, Math.max(...times), deviation]
  return `rtt min/avg/max/mdev = ${values.map((one) => one.toFixed(3)).join('/')} ms`
}

/** What iputils calls an error (pr_icmph). */
function errorText({ family, payload }: IpPacket): string {
  if (payload.kind !== 'icmp') return 'Bad answer'
  const { type, code, mtu } = payload
  if (family === 6) return errorText6(type, code, mtu)
  if (type === icmp.TYPE.timeExceeded) {
    return code === 0 ? 'Time to live exceeded' : 'Frag reassembly time exceeded'
  }
  if (type === icmp.TYPE.redirect) return 'Redirect Host'
  if (type !== icmp.TYPE.destinationUnreachable) return `Bad ICMP type: ${type}`
  if (code === icmp.UNREACHABLE.fragmentationNeeded) return `Frag needed and DF set (mtu = ${mtu})`
  if (code === icmp.UNREACHABLE.communicationProhibited) return 'Packet filtered'
  const names = ['Net', 'Host', 'Protocol', 'Port']
  const name = names[code]
  return name === undefined
    ? `Dest Unreachable, Bad Code: ${code}`
    : `Destination ${name} Unreachable`
}

function errorText6(type: number, code: number, mtu: number | undefined): string {
  switch (type) {
    case icmpv6.TYPE.destinationUnreachable: {
      const names = [
        'No route',
        'Administratively prohibited',
        'Beyond scope of source address',
        'Address unreachable',
        'Port unreachable',
      ]
      return `Destination unreachable: ${names[code] ?? `Unknown code ${code}`}`
    }
    case icmpv6.TYPE.packetTooBig:
      return `Packet too big: mtu=${mtu}`
    case icmpv6.TYPE.timeExceeded:
      return code === 0 ? 'Time exceeded: Hop limit' : 'Time exceeded: Defragmentation failure'
    default:
      return `Parameter problem: type ${type} code ${code}`
  }
}
