import { type Clock, sleep } from '../../../lib/clock.ts'
import { ip, type IpAddress, ipv4FromNumber, ipv4ToNumber } from '../../../net/ip-address.ts'
import * as icmp from '../../../wire/packet/icmp.ts'
import * as ipv4 from '../../../wire/packet/ipv4.ts'
import { IP_PROTOCOL } from '../../../wire/packet/protocols.ts'
import { isKernelError, type Kernel } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'

interface PingOptions {
  readonly destination: IpAddress
  readonly count: number
  readonly intervalMilliseconds: number
  readonly timeoutMilliseconds: number
  readonly dataOctets: number
  readonly ttl: number
  readonly dontFragment: boolean
}

/** Most requests of one command: nobody can interrupt it here. */
const COUNT_MAX = 1000

/** `ping [-c COUNT] [-i SECONDS] [-W SECONDS] [-s OCTETS] [-t TTL] [-M do] ADDRESS`, IPv4; three times unless told. */
export async function ping(
  kernel: Kernel,
  argv: readonly string[],
  clock: Clock,
): Promise<CommandResult> {
  const options = readOptions(argv)
  const { destination, dataOctets, count } = options
  const identifier = (clock.now() * 7 + 1) & 0xffff
  const total = dataOctets + icmp.HEADER_OCTETS + ipv4.HEADER_OCTETS
  let stdout = `PING ${destination} (${destination}) ${dataOctets}(${total}) bytes of data.\n`
  const began = clock.now()
  const times: number[] = []
  for (let sequence = 1; sequence <= count; sequence++) {
    const sent = clock.now()
    const answer = await once(kernel, clock, options, identifier, sequence)
    if (answer.milliseconds !== undefined) times.push(answer.milliseconds)
    stdout += answer.line
    const rest = options.intervalMilliseconds - (clock.now() - sent)
    if (sequence < count && rest > 0) await sleep(clock, rest)
  }
  const lost = Math.round(((count - times.length) / count) * 100)
  stdout += `\n--- ${destination} ping statistics ---\n`
  stdout += `${count} packets transmitted, ${times.length} received, ${lost}% packet loss, time ${Math.round(clock.now() - began)}ms\n`
  if (times.length > 0) stdout += rttLine(times)
  return { stdout, stderr: '', status: times.length > 0 ? 0 : 1 }
}

function rttLine(times: readonly number[]): string {
  const average = times.reduce((sum, one) => sum + one, 0) / times.length
  const deviation = Math.sqrt(
    Math.max(0, times.reduce((sum, one) => sum + one * one, 0) / times.length - average ** 2),
  )
  const values = [Math.min(...times), average, Math.max(...times), deviation]
  return `rtt min/avg/max/mdev = ${values.map((one) => one.toFixed(3)).join('/')} ms\n`
}

interface Answer {
  readonly line: string
  readonly milliseconds?: number
}

/** One request, and what came of it before the time-out. */
async function once(
  kernel: Kernel,
  clock: Clock,
  options: PingOptions,
  identifier: number,
  sequence: number,
): Promise<Answer> {
  const { destination } = options
  let source: IpAddress
  let linkIndex: number
  try {
    const way = kernel.lookupRoute({ destination })
    source = way.preferredSource ?? destination
    linkIndex = way.linkIndex
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    return { line: 'ping: connect: Network is unreachable\n' }
  }
  const sent = clock.now()
  return new Promise((resolve) => {
    const done = (answer: Answer): void => {
      timer.cancel()
      capture.close()
      resolve(answer)
    }
    const capture = kernel.capture({ linkIndex, snapOctets: 65_535 }, ({ octets, direction }) => {
      const answer =
        direction === 'in'
          ? readAnswer(octets, source, identifier, sequence, clock.now() - sent)
          : undefined
      if (answer !== undefined) done(answer)
    })
    const timer = clock.after(options.timeoutMilliseconds, () => done({ line: '' }))
    try {
      kernel.sendPacket(request(options, source, identifier, sequence))
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      done({ line: `ping: sendmsg: ${thrown.message}\n` })
    }
  })
}

function request(
  options: PingOptions,
  source: IpAddress,
  identifier: number,
  sequence: number,
): Uint8Array {
  const message = icmp.encode({
    type: icmp.TYPE.echoRequest,
    code: 0,
    first: identifier,
    second: sequence,
    body: new Uint8Array(options.dataOctets),
  })
  return ipv4.encode(
    {
      typeOfService: 0,
      identification: sequence,
      dontFragment: options.dontFragment,
      timeToLive: options.ttl,
      protocol: IP_PROTOCOL.icmp,
      source: ipv4ToNumber(source),
      destination: ipv4ToNumber(options.destination),
    },
    message,
  )
}

function readAnswer(
  octets: Uint8Array,
  own: IpAddress,
  identifier: number,
  sequence: number,
  milliseconds: number,
): Answer | undefined {
  if (!ipv4.check(octets) || ipv4.protocol(octets) !== IP_PROTOCOL.icmp) return undefined
  if (ipv4.destination(octets) !== ipv4ToNumber(own)) return undefined
  const at = ipv4.headerOctets(octets)
  if (octets.length < at + icmp.HEADER_OCTETS) return undefined
  const from = ipv4FromNumber(ipv4.source(octets))
  const type = icmp.type(octets, at)
  if (type === icmp.TYPE.echoReply) {
    if (icmp.identifier(octets, at) !== identifier || icmp.sequence(octets, at) !== sequence)
      return undefined
    const size = ipv4.totalLength(octets) - at
    const time = milliseconds < 1 ? milliseconds.toFixed(3) : milliseconds.toFixed(2)
    return {
      milliseconds,
      line: `${size} bytes from ${from}: icmp_seq=${sequence} ttl=${ipv4.timeToLive(octets)} time=${time} ms\n`,
    }
  }
  if (!icmp.isError(type)) return undefined
  return {
    line: `From ${from} icmp_seq=${sequence} ${errorText(type, icmp.code(octets, at), icmp.nextHopMtu(octets, at))}\n`,
  }
}

function errorText(type: number, code: number, mtu: number): string {
  if (type === icmp.TYPE.timeExceeded) return 'Time to live exceeded'
  if (type !== icmp.TYPE.destinationUnreachable) return `ICMP type ${type} code ${code}`
  if (code === icmp.UNREACHABLE.fragmentationNeeded) return `Frag needed and DF set (mtu = ${mtu})`
  const names = ['Net', 'Host', 'Protocol', 'Port']
  return `Destination ${names[code] ?? 'Host'} Unreachable`
}

function readOptions(argv: readonly string[]): PingOptions {
  const values = new Map<string, string>()
  let destination: string | undefined
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    const [, flag, glued] = /^-([ciWstM])(.*)$/.exec(word) ?? []
    if (flag !== undefined) values.set(flag, glued === '' ? (argv[++at] ?? '') : glued!)
    else if (!word.startsWith('-')) destination = word
  }
  const number = (flag: string, otherwise: number): number => {
    const value = Number(values.get(flag) ?? otherwise)
    if (Number.isFinite(value) && value >= 0) return value
    throw new RangeError(`invalid argument: '-${flag} ${values.get(flag)}'`)
  }
  if (destination === undefined) throw new RangeError('usage error: Destination address required')
  return {
    destination: ip(destination),
    count: Math.min(COUNT_MAX, Math.max(1, number('c', 3))),
    intervalMilliseconds: number('i', 1) * 1000,
    timeoutMilliseconds: number('W', 1) * 1000,
    dataOctets: Math.min(65_507, number('s', 56)),
    ttl: Math.min(255, number('t', 64)),
    dontFragment: values.get('M') !== 'dont',
  }
}
