import { ip } from '../../../net/ip-address.ts'
import { mac } from '../../../net/mac-address.ts'
import { hostPrefix, parseInterfaceAddress, prefix } from '../../../net/prefix.ts'
import {
  type Kernel,
  KernelError,
  type Route,
  ROUTE_PROTOCOL,
  ROUTE_TABLE,
  type RouteType,
  type Scope,
} from '../../kernel.ts'

/** Words of a command that are still to be understood. */
type Words = string[]
/** Understands the words, and answers what carries them out. */
type Change = (kernel: Kernel, words: Words) => () => void

/** What `ip OBJECT VERB` changes, by object and verb; words that are left over are an error. */
const CHANGES: Readonly<Record<string, Readonly<Record<string, Change>>>> = {
  link: { set: setLink },
  address: {
    add(kernel, words) {
      const address = addressOf(kernel, words)
      return () => kernel.addAddress(address)
    },
    replace: replaceAddress,
    del(kernel, words) {
      const address = addressOf(kernel, words)
      return () => kernel.deleteAddress(address)
    },
  },
  route: {
    add(kernel, words) {
      const route = newRoute(kernel, words)
      return () => kernel.addRoute(route)
    },
    replace(kernel, words) {
      const route = newRoute(kernel, words)
      return () => kernel.replaceRoute(route)
    },
    del: deleteRoute,
  },
  neighbor: { add: setNeighbor, replace: setNeighbor, del: deleteNeighbor },
}

/**
 * Carries out `ip link set`, `ip address|route add|replace|del` and `ip neigh add|replace|del` as
 * iproute2 does; false if the words are none of these. Errors: KernelError, RangeError.
 */
export function changeByIp(kernel: Kernel, object: string, words: readonly string[]): boolean {
  const [verb = '', ...rest] = words
  const change = CHANGES[object]?.[verb === 'delete' ? 'del' : verb]
  if (change === undefined) return false
  const perform = change(kernel, rest)
  if (rest.length > 0) throw new RangeError(`"${rest.join(' ')}" is not understood here`)
  perform()
  return true
}

/** Takes "dev eth0" out of the words and answers "eth0". */
function take(words: Words, name: string): string | undefined {
  const at = words.indexOf(name)
  return at < 0 ? undefined : words.splice(at, 2)[1]
}

function takeFlag(words: Words, name: string): boolean {
  const at = words.indexOf(name)
  if (at >= 0) words.splice(at, 1)
  return at >= 0
}

function indexOf(kernel: Kernel, name: string | undefined): number {
  const link = kernel.link(name ?? '')
  if (link === undefined) throw new KernelError('ENODEV', `Cannot find device "${name ?? ''}"`)
  return link.index
}

function setLink(kernel: Kernel, words: Words): () => void {
  const name = take(words, 'dev') ?? words.shift()
  const [mtu, newName] = [take(words, 'mtu'), take(words, 'name')]
  const [up, down] = [takeFlag(words, 'up'), takeFlag(words, 'down')]
  const index = indexOf(kernel, name)
  const change = {
    ...(up || down ? { up } : {}),
    ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
    ...(newName === undefined ? {} : { name: newName }),
  }
  return () => kernel.changeLink(index, change)
}

function addressOf(kernel: Kernel, words: Words) {
  const linkIndex = indexOf(kernel, take(words, 'dev'))
  const text = words.shift() ?? ''
  const parsed = parseInterfaceAddress(
    text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`,
  )
  if (parsed === undefined) throw new RangeError(`"${text}" is not an address`)
  return { linkIndex, scope: 'global' as const, ...parsed }
}

function replaceAddress(kernel: Kernel, words: Words): () => void {
  const address = addressOf(kernel, words)
  const isThere = kernel
    .addresses()
    .some((each) => each.linkIndex === address.linkIndex && each.address === address.address)
  return () => (isThere ? undefined : kernel.addAddress(address))
}

const TYPES: readonly string[] = ['unicast', 'blackhole', 'unreachable', 'prohibit', 'throw']
const PROTOCOLS: Readonly<Record<string, number>> = ROUTE_PROTOCOL
const TABLES: Readonly<Record<string, number>> = ROUTE_TABLE

/** What a command says of a route; what it does not say is undefined. */
function routeWords(kernel: Kernel, words: Words) {
  const number = (name: string, names: Readonly<Record<string, number>>): number | undefined => {
    const text = take(words, name)
    return text === undefined ? undefined : (names[text] ?? Number(text))
  }
  const link = take(words, 'dev')
  const said = {
    linkIndex: link === undefined ? undefined : indexOf(kernel, link),
    gateway: take(words, 'via'),
    protocol: number('proto', PROTOCOLS),
    table: number('table', TABLES),
    priority: number('metric', {}),
    scope: take(words, 'scope') as Scope | undefined,
    onlink: takeFlag(words, 'onlink'),
  }
  const type = TYPES.includes(words[0] ?? '') ? (words.shift() as RouteType) : undefined
  const text = words.shift() ?? ''
  const everything = (said.gateway ?? '').includes(':') ? '::/0' : '0.0.0.0/0'
  const destination =
    text === 'default'
      ? prefix(everything)
      : text.includes('/')
        ? prefix(text)
        : hostPrefix(ip(text))
  return { ...said, type, destination }
}

function newRoute(kernel: Kernel, words: Words): Route {
  const said = routeWords(kernel, words)
  const { linkIndex, gateway, onlink, type = 'unicast', destination, table, protocol } = said
  const isVersion6 = destination.includes(':')
  const isOnLink = type === 'unicast' && gateway === undefined && !isVersion6
  const hop = {
    linkIndex: linkIndex ?? 0,
    ...(gateway === undefined ? {} : { gateway: ip(gateway) }),
    ...(onlink ? { onlink } : {}),
  }
  return {
    destination,
    type,
    table: table ?? ROUTE_TABLE.main,
    protocol: protocol ?? ROUTE_PROTOCOL.boot,
    scope: said.scope ?? (isOnLink ? 'link' : 'global'),
    priority: said.priority ?? (isVersion6 ? 1024 : 0),
    nextHops: linkIndex === undefined && gateway === undefined ? [] : [hop],
  }
}

/** The first route that is all that was said of it. */
function deleteRoute(kernel: Kernel, words: Words): () => void {
  const said = routeWords(kernel, words)
  const found = kernel
    .routes({ table: said.table ?? ROUTE_TABLE.main })
    .find(
      ({ destination, type, protocol, priority, nextHops: [hop] }) =>
        destination === said.destination &&
        isSo(said.type, type) &&
        isSo(said.protocol, protocol) &&
        isSo(said.priority, priority) &&
        isSo(said.linkIndex, hop?.linkIndex) &&
        isSo(said.gateway, hop?.gateway),
    )
  if (found === undefined) throw new KernelError('ESRCH', 'RTNETLINK answers: No such process')
  return () => kernel.deleteRoute(found)
}

function isSo(said: string | number | undefined, is: string | number | undefined): boolean {
  return said === undefined || said === is
}

function setNeighbor(kernel: Kernel, words: Words): () => void {
  const linkIndex = indexOf(kernel, take(words, 'dev'))
  const [macText = '', state] = [take(words, 'lladdr'), take(words, 'nud')]
  const address = ip(words.shift() ?? '')
  const isPermanent = state === undefined || state === 'permanent'
  const macAddress = mac(macText)
  const entry = isPermanent ? 'permanent' : 'reachable'
  return () => kernel.setNeighbor({ linkIndex, address, macAddress, state: entry })
}

function deleteNeighbor(kernel: Kernel, words: Words): () => void {
  const linkIndex = indexOf(kernel, take(words, 'dev'))
  const address = ip(words.shift() ?? '')
  return () => kernel.deleteNeighbor({ linkIndex, address })
}
