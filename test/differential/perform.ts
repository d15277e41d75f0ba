import { addressOctets, type Family, familyOf, ip, ipv4ToNumber } from '../../src/net/ip-address.ts'
import { mac } from '../../src/net/mac-address.ts'
import { parseInterfaceAddress, prefix } from '../../src/net/prefix.ts'
import {
  type CapturedPacket,
  isKernelError,
  type Kernel,
  type Machine,
  type Route,
} from '../../src/kernel/kernel.ts'
import { writeTransportChecksum } from '../../src/wire/packet/checksum.ts'
import { dissect, type IpPacket } from '../../src/wire/packet/dissect.ts'
import * as icmp from '../../src/wire/packet/icmp.ts'
import * as icmpv6 from '../../src/wire/packet/icmpv6.ts'
import * as ipv4 from '../../src/wire/packet/ipv4.ts'
import * as ipv6 from '../../src/wire/packet/ipv6.ts'
import * as udp from '../../src/wire/packet/udp.ts'
import type { Probe, Scenario, Step, StepRoute } from './scenario.ts'

/** What a kernel made of a scenario, as text that can be compared. */
export interface Outcome {
  /** "ok" or the errno of each step. */
  readonly steps: readonly string[]
  readonly tables: readonly string[]
  readonly lookups: readonly string[]
  readonly probes: readonly ProbeOutcome[]
  readonly neighbors: readonly string[]
  readonly counters: readonly string[]
}

export interface ProbeOutcome {
  /** "ok" or an errno. */
  readonly sent: string
  /** Packets by capture point, in order: "node:link". */
  readonly points: Readonly<Record<string, readonly string[]>>
}

/** A kernel to perform on, and how its time passes. */
export interface Stage {
  readonly machine: Machine
  readonly prefix: string
  /** Lets packets travel until `done` says that enough has been seen, or for as long as it makes sense. */
  settle(done: () => boolean): Promise<void>
}

const COUNTED = {
  4: [
    'Ip.ForwDatagrams',
    'Ip.InHdrErrors',
    'Ip.InAddrErrors',
    'Ip.InUnknownProtos',
    'Ip.FragFails',
    'Ip.FragOKs',
    'Ip.ReasmOKs',
    'IpExt.InNoRoutes',
    'TcpExt.IPReversePathFilter',
    'Icmp.InEchos',
    'Icmp.InEchoReps',
    'Icmp.InDestUnreachs',
    'Icmp.InTimeExcds',
    'Icmp.OutDestUnreachs',
    'Icmp.OutTimeExcds',
    'Udp.NoPorts',
  ],
  6: [
    'Ip6.OutForwDatagrams',
    'Ip6.InHdrErrors',
    'Ip6.InAddrErrors',
    'Ip6.InNoRoutes',
    'Ip6.InTooBigErrors',
    'Ip6.InUnknownProtos',
    'Icmp6.InEchos',
    'Icmp6.InEchoReplies',
    'Icmp6.InDestUnreachs',
    'Icmp6.InTimeExcds',
    'Icmp6.InPktTooBigs',
    'Icmp6.OutDestUnreachs',
    'Icmp6.OutTimeExcds',
    'Icmp6.OutPktTooBigs',
    'Udp6.NoPorts',
  ],
} as const

/**
 * Builds the scenario, sends its probes one after the other, and tells what happened.
 * @param expected what another kernel made of it; a probe waits no longer than until the same was seen
 */
export async function perform(
  scenario: Scenario,
  stage: Stage,
  expected?: Outcome,
): Promise<Outcome> {
  const kernels = new Map<string, Kernel>()
  try {
    return await performOn(scenario, stage, kernels, expected)
  } finally {
    for (const [node, kernel] of kernels) {
      kernel.close()
      stage.machine.deleteNamespace(`${stage.prefix}${node}`)
    }
  }
}

async function performOn(
  scenario: Scenario,
  stage: Stage,
  kernels: Map<string, Kernel>,
  expected: Outcome | undefined,
): Promise<Outcome> {
  build(scenario, stage, kernels)
  const steps = scenario.steps.map((step) =>
    attempt(() => apply(kernels.get(step.node)!, step, scenario.family)),
  )
  // Carrier reaches bridges and routes by a work queue that may take its time.
  if (expected !== undefined) {
    await stage.settle(
      () =>
        same(describeTables(scenario.family, kernels), expected.tables) &&
        same(describeLookups(scenario, kernels), expected.lookups),
    )
  }
  // Until the same queue has run a link that lost its carrier still sends, which solicitations show.
  if (
    scenario.family === 6 &&
    scenario.steps.some((step) => step.do === 'link' && step.up === false)
  ) {
    const until = Date.now() + 1200
    await stage.settle(() => Date.now() > until)
  }
  const tables = describeTables(scenario.family, kernels)
  const lookups = describeLookups(scenario, kernels)
  let points: Record<string, string[]> = {}
  for (const [node, kernel] of kernels) {
    for (const link of kernel.links()) {
      const point = `${node}:${link.name}`
      const options = { linkIndex: link.index, snapOctets: 2048 }
      kernel.capture(options, (packet) => {
        if (!isGroupReport(packet)) (points[point] ??= []).push(describe(packet))
      })
    }
  }
  const before = countersOf(scenario.family, kernels)
  const probes: ProbeOutcome[] = []
  for (const [at, probe] of scenario.probes.entries()) {
    points = {}
    const current = points
    const wanted = expected?.probes[at]?.points
    const sent = attempt(() =>
      kernels.get(probe.node)!.sendPacket(packetOf(probe, at, scenario.family)),
    )
    await stage.settle(
      () => wanted !== undefined && same(numbered(current), wanted) && !isAsking(kernels),
    )
    probes.push({ sent, points: current })
  }
  return {
    steps,
    tables,
    lookups,
    probes: probes.map(({ sent, points }) => ({ sent, points: numbered(points) })),
    neighbors: describeNeighbors(scenario.family, kernels),
    counters: differenceOf(before, countersOf(scenario.family, kernels)),
  }
}

/** Whether some neighbour is being asked for, so that more may come of it. */
function isAsking(kernels: ReadonlyMap<string, Kernel>): boolean {
  return [...kernels.values()].some((kernel) =>
    kernel.neighbors().some(({ state }) => state === 'incomplete' || state === 'probe'),
  )
}

function build(scenario: Scenario, stage: Stage, kernels: Map<string, Kernel>): void {
  for (const { name, sysctls, bridges } of scenario.nodes) {
    const kernel = stage.machine.createNamespace(`${stage.prefix}${name}`)
    kernels.set(name, kernel)
    for (const [path, value] of sysctls) kernel.writeSysctl(path, value)
    kernel.changeLink(kernel.link('lo')!.index, { up: true })
    for (const bridge of bridges) {
      const { index } = kernel.createLink({ kind: 'bridge', name: bridge })
      kernel.changeLink(index, { up: true })
    }
  }
  for (const { near, far, mtu } of scenario.cables) {
    const kernel = kernels.get(near.node)!
    const other = kernels.get(far.node)!
    kernel.createLink({
      kind: 'veth',
      name: near.link,
      mtu,
      ...(near.mac === undefined ? {} : { macAddress: mac(near.mac) }),
      peer: {
        name: far.link,
        kernel: other,
        ...(far.mac === undefined ? {} : { macAddress: mac(far.mac) }),
      },
    })
    for (const [end, owner] of [
      [near, kernel],
      [far, other],
    ] as const) {
      const { index } = owner.link(end.link)!
      for (const family of [`ipv${scenario.family}`, 'ipv4']) {
        owner.writeSysctl(`${family}.neigh.${end.link}.retrans_time_ms`, '20')
        owner.writeSysctl(`${family}.neigh.${end.link}.proxy_delay`, '0')
      }
      if (end.bridge !== undefined) {
        owner.changeLink(index, { masterIndex: owner.link(end.bridge)!.index })
      }
      if (end.up) owner.changeLink(index, { up: true })
    }
    if (near.up && far.up) {
      // Opened before its peer, a real link waits for a work queue, up to a second, before it sends
      // (dev_activate); opened again now, it sends at once.
      const { index } = kernel.link(near.link)!
      kernel.changeLink(index, { up: false })
      kernel.changeLink(index, { up: true })
    }
  }
}

function attempt(act: () => void): string {
  try {
    act()
    return 'ok'
  } catch (thrown) {
    if (isKernelError(thrown)) return thrown.code
    throw thrown
  }
}

function apply(kernel: Kernel, step: Step, family: Family): void {
  switch (step.do) {
    case 'address':
    case 'unaddress': {
      const parsed = parseInterfaceAddress(step.address)!
      const address = { ...parsed, linkIndex: indexOf(kernel, step.link), scope: 'global' } as const
      if (step.do === 'address') kernel.addAddress(address)
      else kernel.deleteAddress(address)
      break
    }
    case 'route':
      kernel.addRoute(routeOf(kernel, step.route))
      break
    case 'replace':
      kernel.replaceRoute(routeOf(kernel, step.route))
      break
    case 'unroute':
      kernel.deleteRoute(routeOf(kernel, step.route))
      break
    case 'rule':
      kernel.addRule({
        family,
        priority: step.priority,
        table: step.table,
        ...(step.source === undefined ? {} : { source: prefix(step.source) }),
        ...(step.inputLink === undefined ? {} : { inputLink: step.inputLink }),
      })
      break
    case 'sysctl':
      kernel.writeSysctl(step.path, step.value)
      break
    case 'link':
      kernel.changeLink(indexOf(kernel, step.link), {
        ...(step.up === undefined ? {} : { up: step.up }),
        ...(step.mtu === undefined ? {} : { mtu: step.mtu }),
      })
      break
    case 'neighbor':
      kernel.setNeighbor({
        linkIndex: indexOf(kernel, step.link),
        address: ip(step.address),
        macAddress: mac(step.mac),
        state: 'permanent',
      })
      break
  }
}

function indexOf(kernel: Kernel, link: string): number {
  return kernel.link(link)?.index ?? 4711
}

function routeOf(kernel: Kernel, route: StepRoute): Route {
  const { link, gateway, others = [], onlink, preferredSource, mtu, destination, ...rest } = route
  return {
    ...rest,
    destination: prefix(destination),
    protocol: 4,
    nextHops:
      link === undefined
        ? []
        : [
            {
              linkIndex: indexOf(kernel, link),
              ...(gateway === undefined ? {} : { gateway: ip(gateway) }),
              ...(onlink === true ? { onlink } : {}),
            },
            ...others.map((other) => ({
              linkIndex: indexOf(kernel, other.link),
              gateway: ip(other.gateway),
              weight: other.weight,
            })),
          ],
    ...(preferredSource === undefined ? {} : { preferredSource: ip(preferredSource) }),
    ...(mtu === undefined ? {} : { mtu }),
  }
}

function describeTables(family: Family, kernels: ReadonlyMap<string, Kernel>): string[] {
  const lines: string[] = []
  for (const [node, kernel] of kernels) {
    const names = new Map(kernel.links().map((link) => [link.index, link.name]))
    for (const link of kernel.links()) {
      const state = `${link.up ? 'up' : 'down'} ${link.carrier ? 'carrier' : 'no carrier'}`
      lines.push(`${node} link ${link.name} ${state} mtu ${link.mtu}`)
    }
    const addresses = kernel
      .addresses()
      .map(
        (each) =>
          `${node} address ${each.address}/${each.prefixLength} ${each.scope} ${names.get(each.linkIndex)}`,
      )
    const routes = kernel.routes({ family, table: 0 }).map((route) => {
      const { nextHops, ...rest } = route
      const ways = nextHops.map(({ linkIndex, ...hop }) => ({ link: names.get(linkIndex), ...hop }))
      return `${node} route ${stable({ ...rest, ways })}`
    })
    lines.push(...addresses.sort(), ...routes.sort())
  }
  return lines
}

/** JSON with keys in order. */
function stable(value: object): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))),
  )
}

function describeLookups(scenario: Scenario, kernels: ReadonlyMap<string, Kernel>): string[] {
  const lines: string[] = []
  for (const [node, kernel] of kernels) {
    const names = new Map(kernel.links().map((link) => [link.index, link.name]))
    for (const destination of scenario.lookups) {
      const outcome = attemptAnswer(() => {
        const answer = kernel.lookupRoute({ destination: ip(destination) })
        return `${answer.type} ${names.get(answer.linkIndex)} via ${answer.gateway} src ${answer.preferredSource}`
      })
      lines.push(`${node} to ${destination}: ${outcome}`)
    }
  }
  return lines
}

function attemptAnswer(ask: () => string): string {
  try {
    return ask()
  } catch (thrown) {
    if (isKernelError(thrown)) return thrown.code
    throw thrown
  }
}

function describeNeighbors(family: Family, kernels: ReadonlyMap<string, Kernel>): string[] {
  const lines: string[] = []
  for (const [node, kernel] of kernels) {
    const names = new Map(kernel.links().map((link) => [link.index, link.name]))
    for (const { linkIndex, address, macAddress, state } of kernel.neighbors()) {
      // What failed may be collected as garbage: the real table is shared by all namespaces.
      if (macAddress === undefined) continue
      if (familyOf(address) !== family || names.get(linkIndex) === 'lo' || state === 'noarp')
        continue
      lines.push(`${node} ${names.get(linkIndex)} ${address}`)
    }
  }
  return lines.sort()
}

/** Counters by "node name"; links that come up have moved some of them. */
function countersOf(family: Family, kernels: ReadonlyMap<string, Kernel>): Map<string, number> {
  const found = new Map<string, number>()
  for (const [node, kernel] of kernels) {
    const counters = kernel.counters()
    for (const name of COUNTED[family]) found.set(`${node} ${name}`, counters.get(name) ?? -1)
  }
  return found
}

function differenceOf(before: ReadonlyMap<string, number>, after: Map<string, number>): string[] {
  return [...after].map(([name, count]) => `${name} ${count - before.get(name)!}`)
}

function packetOf6(probe: Probe, at: number): Uint8Array {
  const body = new Uint8Array(probe.payload).fill(0x54)
  const { protocol, message } = messageOf6(probe, at, body)
  const packet = ipv6.encode(
    {
      source: addressOctets(ip(probe.source!)),
      destination: addressOctets(ip(probe.destination)),
      nextHeader: protocol,
      hopLimit: probe.timeToLive,
    },
    message,
  )
  if (protocol !== UNKNOWN_PROTOCOL) {
    writeTransportChecksum(packet, 0, protocol, ipv6.HEADER_OCTETS, packet.length)
  }
  return packet
}

function messageOf6(
  probe: Probe,
  at: number,
  body: Uint8Array,
): { protocol: number; message: Uint8Array } {
  if (probe.protocol !== 'echo') return messageOf(probe, at, body)
  const word = ((1000 + at) << 16) | 1
  return { protocol: 58, message: icmpv6.encode({ type: 128, code: 0, word, body }) }
}

function packetOf(probe: Probe, at: number, family: Family): Uint8Array {
  if (family === 6) return packetOf6(probe, at)
  const body = new Uint8Array(probe.payload).fill(0x54)
  const { protocol, message } = messageOf(probe, at, body)
  const packet = ipv4.encode(
    {
      source: probe.source === undefined ? 0 : ipv4ToNumber(ip(probe.source)),
      destination: ipv4ToNumber(ip(probe.destination)),
      protocol,
      timeToLive: probe.timeToLive,
      identification: 0x1000 + at,
      dontFragment: probe.dontFragment,
    },
    message,
  )
  if (protocol === 17 && probe.source !== undefined) {
    writeTransportChecksum(packet, 0, protocol, ipv4.HEADER_OCTETS, packet.length)
  }
  return packet
}

function messageOf(
  probe: Probe,
  at: number,
  body: Uint8Array,
): { protocol: number; message: Uint8Array } {
  switch (probe.protocol) {
    case 'echo': {
      const header = { type: icmp.TYPE.echoRequest, code: 0, first: 1000 + at, second: 1 }
      return { protocol: 1, message: icmp.encode({ ...header, body }) }
    }
    case 'udp': // without a checksum where the source is left to the kernel
      return {
        protocol: 17,
        message: udp.encode({ sourcePort: 40_000 + at, destinationPort: 33_434 }, body),
      }
    case 'unknown':
      return { protocol: UNKNOWN_PROTOCOL, message: body }
  }
}

/** For experiments (RFC 3692). */
const UNKNOWN_PROTOCOL = 253

/** Reports of multicast listeners and requests for routers: RFC 3810, RFC 2710 and RFC 4861. */
const OF_ITSELF6: readonly number[] = [130, 131, 132, 133, 134, 143]

/** IGMP (protocol 2), which Linux sends of its own accord and the simulation does not. */
function isGroupReport(packet: CapturedPacket): boolean {
  if (packet.octets[0]! >>> 4 === 4) return ipv4.protocol(packet.octets) === 2
  const payload = ipv6.payload(packet.octets)
  return payload?.protocol === 58 && OF_ITSELF6.includes(packet.octets[payload.at]!)
}

function describe(packet: CapturedPacket): string {
  const found = dissect(packet.octets)
  return `${packet.direction} ${found === undefined ? 'no IP' : describePacket(found)}`
}

function describePacket(packet: IpPacket): string {
  const flags = `${packet.dontFragment ? 'DF' : ''}${packet.moreFragments ? 'MF' : ''}`
  const head =
    `${packet.source} > ${packet.destination} ttl ${packet.timeToLive} tos ${packet.typeOfService} ` +
    `id ${packet.identification} ${flags}${packet.fragmentOffset > 0 ? `@${packet.fragmentOffset}` : ''} ` +
    `proto ${packet.protocol} length ${packet.totalLength}` +
    (packet.headerChecksumValid === false && !packet.truncated ? ' bad checksum' : '')
  const { payload } = packet
  if (payload.kind === 'udp') {
    return `${head} udp ${payload.sourcePort} > ${payload.destinationPort}`
  }
  if (payload.kind !== 'icmp') return `${head} ${payload.kind}`
  const about = payload.about === undefined ? '' : ` about (${describePacket(payload.about)})`
  const sound = payload.checksumValid === false ? ' bad' : ''
  const { type, code, identifier, mtu } = payload
  return `${head} icmp ${type}/${code} ${identifier ?? ''} ${mtu ?? ''}${sound}${about}`
}

/** Identifications are the kernel's choice: numbered in the order in which a point's list is read. */
function numbered(
  points: Readonly<Record<string, readonly string[]>>,
): Readonly<Record<string, readonly string[]>> {
  const ids = new Map<string, string>()
  const names = Object.keys(points).sort()
  return Object.fromEntries(
    names.map((name) => [
      name,
      points[name]!.map((line) =>
        line.replaceAll(/ id (\d+) /g, (_, id: string) => {
          if (id === '0') return ' id 0 '
          if (!ids.has(id)) ids.set(id, String.fromCharCode(65 + (ids.size % 26)))
          return ` id ${ids.get(id)} `
        }),
      ),
    ]),
  )
}

export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** What differs between two outcomes, one line each; empty if nothing does. */
export function differences(scenario: Scenario, simulated: Outcome, real: Outcome): string[] {
  const found: string[] = []
  for (const part of ['steps', 'tables', 'lookups', 'neighbors', 'counters'] as const) {
    const [left, right] = [simulated[part], real[part]]
    if (part === 'steps') {
      left.forEach((line, at) => {
        if (line !== right[at]) {
          found.push(
            `step ${at} ${JSON.stringify(scenario.steps[at])}: simulated ${line}, real ${right[at]}`,
          )
        }
      })
      continue
    }
    for (const line of left)
      if (!right.includes(line)) found.push(`${part}: only simulated: ${line}`)
    for (const line of right) if (!left.includes(line)) found.push(`${part}: only real: ${line}`)
  }
  for (const [at, probe] of scenario.probes.entries()) {
    const [left, right] = [simulated.probes[at]!, real.probes[at]!]
    const text = `probe ${at} ${JSON.stringify(probe)}`
    if (left.sent !== right.sent) found.push(`${text}: simulated ${left.sent}, real ${right.sent}`)
    for (const point of new Set([...Object.keys(left.points), ...Object.keys(right.points)])) {
      const [seen, wanted] = [left.points[point] ?? [], right.points[point] ?? []]
      if (same(seen, wanted)) continue
      found.push(
        `${text}: at ${point}`,
        ...seen.map((line) => `    simulated ${line}`),
        ...wanted.map((line) => `    real      ${line}`),
      )
    }
  }
  return found
}
