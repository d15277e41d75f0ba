import {
  type Family,
  ip,
  type IpAddress,
  ipv4FromNumber,
  ipv4ToNumber,
} from '../../../net/ip-address.ts'
import { type Kernel, type Link, type Route, ROUTE_TABLE } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'
import { changeByIp } from './ip-change.ts'

/** What is asked of a view: one family or both, one link or all, one table. */
interface Query {
  readonly family: Family | undefined
  readonly link: string | undefined
  readonly table: number
  readonly isDetailed: boolean
}

/**
 * `ip [-4|-6] [-d] link|address|route|neigh|rule [show] [dev LINK] [table TABLE]` and `ip route get`, as
 * iproute2 prints them, and what `ip` changes most (ip-change.ts).
 */
export function ipCommand(kernel: Kernel, argv: readonly string[]): CommandResult {
  const [object = '', ...rest] = argv.filter((word) => !word.startsWith('-'))
  const isDetailed = argv.includes('-d') || argv.includes('-details')
  const family = argv.includes('-6') ? 6 : argv.includes('-4') ? 4 : undefined
  const view = VIEWS.find(({ names }) =>
    names.some((name) => name.startsWith(object) && object !== ''),
  )
  if (view === undefined) {
    return refused(
      `Object "${object}" is unknown here; expected link, address, route, neigh or rule`,
    )
  }
  if (view.names[0] === 'route' && rest[0] === 'get') return routeGet(kernel, rest.slice(1))
  if (changeByIp(kernel, view.names[0]!, rest)) return { stdout: '', stderr: '', status: 0 }
  const words = ['show', 'list', 'ls', 's'].includes(rest[0] ?? '') ? rest.slice(1) : [...rest]
  const table = tableNumber(valueOf(words, 'table') ?? 'main')
  const link = valueOf(words, 'dev') ?? words.shift()
  if (table === undefined || words.length > 0) {
    return refused(
      `"${rest.join(' ')}" is not understood here; expected nothing more, dev LINK or table TABLE`,
    )
  }
  if (link !== undefined && kernel.link(link) === undefined) {
    if (view.names[0] === 'link' || view.names[0] === 'address') {
      return { stdout: '', stderr: `Device "${link}" does not exist.\n`, status: 1 }
    }
    return refused(`Cannot find device "${link}"`)
  }
  return { stdout: view.show(kernel, { family, link, table, isDetailed }), stderr: '', status: 0 }
}

/** Takes "dev eth0" out of the words and answers "eth0". */
function valueOf(words: string[], name: string): string | undefined {
  const at = words.indexOf(name)
  return at < 0 ? undefined : words.splice(at, 2)[1]
}

function refused(message: string): CommandResult {
  return { stdout: '', stderr: `${message}\n`, status: 1 }
}

interface View {
  /** Full names; a beginning of one will do. */
  readonly names: readonly string[]
  show(kernel: Kernel, query: Query): string
}

const lines = (rows: readonly string[]): string => rows.map((row) => `${row}\n`).join('')

const isOf = (family: Family | undefined, address: string): boolean =>
  family === undefined || (family === 6) === address.includes(':')

const VIEWS: readonly View[] = [
  {
    names: ['link'],
    show: (kernel, { link: only, isDetailed }) =>
      lines(
        linksOf(kernel, only).flatMap((link) => [
          ...linkLines(link),
          ...(isDetailed ? detailLines(kernel, link) : []),
        ]),
      ),
  },
  {
    names: ['address', 'addr'],
    show: (kernel, { link: only, family, isDetailed }) =>
      lines(
        linksOf(kernel, only).flatMap((link) => {
          const addresses = addressLines(kernel, link, family)
          if (family !== undefined && addresses.length === 0) return []
          return [
            ...linkLines(link).slice(0, family === undefined ? 2 : 1),
            ...(isDetailed ? detailLines(kernel, link) : []),
            ...addresses,
          ]
        }),
      ),
  },
  {
    names: ['route'],
    show: (kernel, { link: only, family = 4, table }) =>
      lines(
        kernel
          .routes({ family, table })
          // A table of its own has these, which nobody asks for by "ip -6 route".
          .filter(({ type }) => table === 0 || table === ROUTE_TABLE.local || type !== 'multicast')
          .map((route) => routeLine(kernel, route, table))
          .filter((line) => only === undefined || line.includes(` dev ${only} `)),
      ),
  },
  {
    names: ['neighbor', 'neighbour'],
    show: (kernel, { link: only, family }) =>
      lines(
        kernel
          .neighbors()
          .filter(({ address, state }) => isOf(family, address) && state !== 'noarp')
          .map(({ linkIndex, address, macAddress, state }) => ({
            name: nameOf(kernel, linkIndex),
            text: `${address}${only === undefined ? ` dev ${nameOf(kernel, linkIndex)}` : ''}${macAddress === undefined ? '' : ` lladdr ${macAddress}`} ${state.toUpperCase()} `,
          }))
          .filter(({ name }) => only === undefined || name === only)
          .map(({ text }) => text),
      ),
  },
  {
    names: ['rule'],
    show: (kernel, { family = 4 }) =>
      lines(
        kernel
          .rules(family)
          .map(
            ({ priority, table, source }) =>
              `${priority}:\tfrom ${source ?? 'all'} lookup ${tableName(table)}`,
          ),
      ),
  },
]

const TABLES: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' }
const PROTOCOLS: Readonly<Record<number, string>> = {
  2: 'kernel',
  3: 'boot',
  4: 'static',
  12: 'bird',
}

function tableName(table: number): string {
  return TABLES[table] ?? String(table)
}

/** A table by name or number; 0 for "all". */
function tableNumber(text: string): number | undefined {
  if (text === 'all') return 0
  const named = Object.entries(TABLES).find(([, name]) => name === text)?.[0] ?? text
  return /^\d+$/.test(named) ? Number(named) : undefined
}

function linksOf(kernel: Kernel, only: string | undefined): readonly Link[] {
  return kernel.links().filter(({ name }) => only === undefined || name === only)
}

function nameOf(kernel: Kernel, index: number): string {
  return kernel.links().find((link) => link.index === index)?.name ?? `if${index}`
}

function linkLines(link: Link): string[] {
  const ethernet = link.macAddress !== undefined && link.kind !== 'loopback'
  const flags = [
    ...(link.kind === 'loopback' ? ['LOOPBACK'] : []),
    ...(link.up && !link.carrier ? ['NO-CARRIER'] : []),
    ...(ethernet ? ['BROADCAST', 'MULTICAST'] : []),
    ...(link.kind === 'ipip' || link.kind === 'tun' ? ['NOARP'] : []),
    ...(link.up ? ['UP'] : []),
    ...(link.up && link.carrier ? ['LOWER_UP'] : []),
  ]
  const peer = link.peerIndex === undefined ? '' : `@if${link.peerIndex}`
  const none = link.kind === 'ipip' ? '@NONE' : peer
  const state =
    link.kind === 'loopback' || link.kind === 'vxlan' || !ethernet
      ? 'UNKNOWN'
      : link.up && link.carrier
        ? 'UP'
        : 'DOWN'
  const kind =
    link.kind === 'loopback'
      ? 'loopback'
      : link.kind === 'ipip'
        ? 'ipip'
        : ethernet
          ? 'ether'
          : 'none'
  const address =
    link.kind === 'ipip'
      ? ' 0.0.0.0 brd 0.0.0.0'
      : link.kind === 'loopback'
        ? ' 00:00:00:00:00:00 brd 00:00:00:00:00:00'
        : ethernet
          ? ` ${link.macAddress} brd ff:ff:ff:ff:ff:ff`
          : ''
  return [
    `${link.index}: ${link.name}${none}: <${flags.join(',')}> mtu ${link.mtu} qdisc noqueue state ${state} group default qlen 1000`,
    `    link/${kind}${address}`,
  ]
}

/** `    vxlan id 4096 local 172.16.170.128 dev ens33 dstport 4789 nolearning` */
function detailLines(kernel: Kernel, { vxlan }: Link): string[] {
  if (vxlan === undefined) return []
  const { vni, port, localAddress, parentIndex, learning } = vxlan
  const words = [
    `vxlan id ${vni}`,
    ...(localAddress === undefined ? [] : [`local ${localAddress}`]),
    ...(parentIndex === undefined ? [] : [`dev ${nameOf(kernel, parentIndex)}`]),
    `dstport ${port}`,
    ...(learning ? [] : ['nolearning']),
  ]
  return [`    ${words.join(' ')}`]
}

function broadcastOf(address: IpAddress, prefixLength: number): IpAddress {
  return ipv4FromNumber((ipv4ToNumber(address) | (0xffffffff >>> prefixLength)) >>> 0)
}

function addressLines(kernel: Kernel, link: Link, wanted: Family | undefined): string[] {
  return kernel
    .addresses()
    .filter(({ linkIndex, address }) => linkIndex === link.index && isOf(wanted, address))
    .sort((a, b) => Number(a.address.includes(':')) - Number(b.address.includes(':')))
    .flatMap(({ address, prefixLength, scope }) => {
      const family = address.includes(':') ? 'inet6' : 'inet'
      const hasBroadcast = family === 'inet' && prefixLength < 31 && scope !== 'host'
      const broadcast = hasBroadcast ? ` brd ${broadcastOf(address, prefixLength)}` : ''
      return [
        `    ${family} ${address}/${prefixLength}${broadcast} scope ${scope} ${family === 'inet' ? link.name : ''}`,
        '       valid_lft forever preferred_lft forever',
      ]
    })
}

/** `10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird` */
function routeLine(kernel: Kernel, route: Route, asked: number): string {
  const isVersion6 = route.destination.includes(':')
  const isDefault = route.destination === '0.0.0.0/0' || route.destination === '::/0'
  const text = isDefault ? 'default' : route.destination.replace(/\/(32|128)$/, '')
  const words = [route.type === 'unicast' ? text : `${route.type} ${text}`]
  const hop = (at: Route['nextHops'][number]): string => {
    const via = (at.gateway ?? '').includes(':') && !isVersion6 ? 'via inet6' : 'via'
    return `${at.gateway === undefined ? '' : `${via} ${at.gateway} `}dev ${nameOf(kernel, at.linkIndex)}`
  }
  if (route.nextHops.length === 1) words.push(hop(route.nextHops[0]!))
  if (asked === 0 && route.table !== ROUTE_TABLE.main) words.push(`table ${tableName(route.table)}`)
  if (route.protocol !== 3) words.push(`proto ${PROTOCOLS[route.protocol] ?? route.protocol}`)
  if (route.scope !== 'global') words.push(`scope ${route.scope}`)
  if (route.preferredSource !== undefined) words.push(`src ${route.preferredSource}`)
  if (route.priority !== 0 || isVersion6) words.push(`metric ${route.priority}`)
  if (route.mtu !== undefined) words.push(`mtu ${route.mtu}`)
  if (route.nextHops[0]?.onlink === true) words.push('onlink')
  if (isVersion6) words.push('pref medium')
  const ways = route.nextHops.length > 1 ? route.nextHops : []
  return [
    isVersion6 ? words.join(' ') : `${words.join(' ')} `,
    ...ways.map((way) => `\tnexthop ${hop(way)} weight ${way.weight ?? 1} `),
  ].join('\n')
}

function routeGet(kernel: Kernel, words: readonly string[]): CommandResult {
  const destination = ip(words[0] ?? '')
  const at = (word: string): string | undefined => words[words.indexOf(word) + 1 || words.length]
  const from = at('from')
  const input = at('iif')
  const answer = kernel.lookupRoute({
    destination,
    ...(from === undefined ? {} : { source: ip(from) }),
    ...(input === undefined ? {} : { inputLinkIndex: kernel.link(input)?.index ?? 0 }),
  })
  const via = answer.gateway === undefined ? '' : ` via ${answer.gateway}`
  const source = from ?? answer.preferredSource
  const kind = answer.type === 'local' ? 'local ' : ''
  const type = from === undefined ? ` src ${source}` : ''
  const dev = ` dev ${nameOf(kernel, answer.linkIndex)}`
  if (destination.includes(':')) {
    const stdout = `${kind}${destination} from ${from ?? '::'}${via}${dev}${type} pref medium\n`
    return { stdout, stderr: '', status: 0 }
  }
  return {
    stdout: `${kind}${destination}${from === undefined ? '' : ` from ${from}`}${via}${dev}${type} \n    cache ${input === undefined ? '' : `iif ${input} `}\n`,
    stderr: '',
    status: 0,
  }
}
