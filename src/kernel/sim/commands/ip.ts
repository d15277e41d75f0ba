import { ip } from '../../../net/ip-address.ts'
import type { Kernel, Link, Route } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'

/** `ip [-d] link|address|route|neigh|rule [show]` and `ip route get`, as iproute2 prints them. */
export function ipCommand(kernel: Kernel, argv: readonly string[]): CommandResult {
  const isDetailed = argv[0] === '-d' || argv[0] === '-details'
  const [object = '', ...rest] = argv.slice(isDetailed ? 1 : 0).filter((word) => word !== '-4')
  const view = VIEWS.find(({ names }) =>
    names.some((name) => name.startsWith(object) && object !== ''),
  )
  if (view === undefined) {
    return refused(
      `Object "${object}" is unknown here; expected link, address, route, neigh or rule`,
    )
  }
  if (view.names[0] === 'route' && rest[0] === 'get') return routeGet(kernel, rest.slice(1))
  const words = rest[0] === 'show' || rest[0] === 'list' ? rest.slice(1) : rest
  const link = words[0] === 'dev' ? words[1] : words[0]
  if (link !== undefined && kernel.link(link) === undefined) {
    if (view.names[0] === 'link' || view.names[0] === 'address') {
      return { stdout: '', stderr: `Device "${link}" does not exist.\n`, status: 1 }
    }
    return refused(
      `"${words.join(' ')}" is not understood here; expected nothing more, or dev LINK`,
    )
  }
  return { stdout: view.show(kernel, link, isDetailed), stderr: '', status: 0 }
}

function refused(message: string): CommandResult {
  return { stdout: '', stderr: `${message}\n`, status: 1 }
}

interface View {
  /** Full names; a beginning of one will do. */
  readonly names: readonly string[]
  show(kernel: Kernel, link: string | undefined, isDetailed: boolean): string
}

const lines = (rows: readonly string[]): string => rows.map((row) => `${row}\n`).join('')

const VIEWS: readonly View[] = [
  {
    names: ['link'],
    show: (kernel, only, isDetailed) =>
      lines(
        linksOf(kernel, only).flatMap((link) => [
          ...linkLines(link),
          ...(isDetailed ? detailLines(kernel, link) : []),
        ]),
      ),
  },
  {
    names: ['address', 'addr'],
    show: (kernel, only, isDetailed) =>
      lines(
        linksOf(kernel, only).flatMap((link) => [
          ...linkLines(link),
          ...(isDetailed ? detailLines(kernel, link) : []),
          ...addressLines(kernel, link),
        ]),
      ),
  },
  {
    names: ['route'],
    show: (kernel, only) =>
      lines(
        kernel
          .routes({ family: 4 })
          .filter(
            (route) => only === undefined || routeLine(kernel, route).includes(` dev ${only} `),
          )
          .map((route) => routeLine(kernel, route)),
      ),
  },
  {
    names: ['neighbor', 'neighbour'],
    show: (kernel, only) =>
      lines(
        kernel
          .neighbors()
          .map(({ linkIndex, address, macAddress, state }) => ({
            name: nameOf(kernel, linkIndex),
            text: `${address}${only === undefined ? ` dev ${nameOf(kernel, linkIndex)}` : ''}${macAddress === undefined ? '' : ` lladdr ${macAddress}`} ${state.toUpperCase()}`,
          }))
          .filter(({ name }) => only === undefined || name === only)
          .map(({ text }) => text),
      ),
  },
  {
    names: ['rule'],
    show: (kernel) =>
      lines(
        kernel
          .rules(4)
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
      : ethernet
        ? ` ${link.macAddress} brd ff:ff:ff:ff:ff:ff`
        : ''
  return [
    `${link.index}: ${link.name}${none}: <${flags.join(',')}> mtu ${link.mtu} qdisc noqueue state ${state}`,
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

function addressLines(kernel: Kernel, link: Link): string[] {
  return kernel
    .addresses()
    .filter(({ linkIndex }) => linkIndex === link.index)
    .map(({ address, prefixLength, scope }) => {
      const family = address.includes(':') ? 'inet6' : 'inet'
      return `    ${family} ${address}/${prefixLength} scope ${scope}${family === 'inet' ? ` ${link.name}` : ''}`
    })
}

/** `10.211.1.0/24 via 172.16.170.129 dev ens33 proto bird` */
function routeLine(kernel: Kernel, route: Route): string {
  const text =
    route.destination === '0.0.0.0/0' ? 'default' : route.destination.replace(/\/32$/, '')
  const words = [route.type === 'unicast' ? text : `${route.type} ${text}`]
  const hop = (at: Route['nextHops'][number]): string =>
    `${at.gateway === undefined ? '' : `via ${at.gateway} `}dev ${nameOf(kernel, at.linkIndex)}`
  if (route.nextHops.length === 1) words.push(hop(route.nextHops[0]!))
  if (route.protocol !== 3) words.push(`proto ${PROTOCOLS[route.protocol] ?? route.protocol}`)
  if (route.scope !== 'global') words.push(`scope ${route.scope}`)
  if (route.preferredSource !== undefined) words.push(`src ${route.preferredSource}`)
  if (route.priority !== 0) words.push(`metric ${route.priority}`)
  if (route.nextHops[0]?.onlink === true) words.push('onlink')
  const ways = route.nextHops.length > 1 ? route.nextHops : []
  return [
    `${words.join(' ')} `,
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
  return {
    stdout: `${kind}${destination}${from === undefined ? '' : ` from ${from}`}${via}${dev}${type} \n    cache ${input === undefined ? '' : `iif ${input} `}\n`,
    stderr: '',
    status: 0,
  }
}
