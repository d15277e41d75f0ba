import { parseIpAddress } from '../net/ip-address.ts'
import { parseMacAddress } from '../net/mac-address.ts'
import { parseInterfaceAddress, parsePrefix } from '../net/prefix.ts'

/** What a field's value must be, in words and as a question. */
export interface FieldCheck {
  readonly expected: string
  is(value: unknown): boolean
  /** Whether a value that it must not be makes sense elsewhere: then it is not supported, rather than wrong. */
  readonly isKnown?: (value: unknown) => boolean
}

type Fields = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const isText = (value: unknown): value is string => typeof value === 'string'

function isListOf(value: unknown, is: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(is)
}

function hasFields(value: unknown, fields: Readonly<Record<string, FieldCheck>>): boolean {
  if (!isObject(value)) return false
  return Object.entries(fields).every(
    ([name, check]) => value[name] === undefined || check.is(value[name]),
  )
}

export const text: FieldCheck = {
  expected: 'text that is not empty',
  is: (value) => isText(value) && value !== '',
}
export const anyText: FieldCheck = { expected: 'text', is: isText }
export const texts: FieldCheck = {
  expected: 'a list of texts',
  is: (value) => isListOf(value, isText),
}
export const flag: FieldCheck = {
  expected: 'true or false',
  is: (value) => typeof value === 'boolean',
}
/** A pod's interface needs one; Calico makes 0 one, too. */
export const oneQueue: FieldCheck = {
  expected: '0 or 1',
  is: (value) => value === 0 || value === 1,
  isKnown: Number.isInteger,
}
export const logLevel: FieldCheck = {
  expected: '"debug", "info", "warning" or "error"',
  is: (value) => isText(value) && /^(debug|info|warn|warning|error|fatal|panic|)$/i.test(value),
}
export const object: FieldCheck = { expected: 'an object', is: isObject }
/** sockaddr_un takes no more (unix(7)). */
const SOCKET_PATH_OCTETS_MAX = 107
export const socketPath: FieldCheck = {
  expected: `the absolute path of a socket, at most ${SOCKET_PATH_OCTETS_MAX} octets`,
  is: (value) =>
    isText(value) &&
    value.startsWith('/') &&
    !value.includes('\0') &&
    Buffer.byteLength(value) <= SOCKET_PATH_OCTETS_MAX,
}
/** A link of Linux takes no less and no more. */
export const mtu: FieldCheck = {
  expected: "0 (the agent's choice) or 68 to 65535 octets",
  is: (value) =>
    Number.isInteger(value) && (value === 0 || (Number(value) >= 68 && Number(value) <= 65_535)),
}

export function oneOf(...values: readonly string[]): FieldCheck {
  const [last, ...rest] = values.map((value) => `"${value}"`).toReversed()
  return {
    expected: rest.length === 0 ? last! : `${rest.toReversed().join(', ')} or ${last}`,
    is: (value) => isText(value) && values.includes(value),
    isKnown: isText,
  }
}

/** CONVENTIONS: an address, perhaps with the length of its prefix. */
export function isRequestedAddress(value: unknown): value is string {
  if (!isText(value)) return false
  return value.includes('/')
    ? parseInterfaceAddress(value) !== undefined
    : parseIpAddress(value) !== undefined
}

export const addressList: FieldCheck = {
  expected: 'a list of IP addresses such as "10.211.0.6" or "10.211.0.6/32"',
  is: (value) => isListOf(value, isRequestedAddress),
}

/** IEEE 802: the lowest bit of the first octet means a group, which no interface is. */
export const unicastMac: FieldCheck = {
  expected: 'the MAC address of one interface, such as "02:00:00:00:00:01"',
  is: (value) =>
    isText(value) &&
    parseMacAddress(value) !== undefined &&
    Number.parseInt(value.slice(1, 2), 16) % 2 === 0 &&
    value !== '00:00:00:00:00:00',
}

/** As the specification has it. */
export const dns: FieldCheck = {
  expected:
    'an object of nameservers (a list of IP addresses), domain (text), search and options (lists of texts)',
  is: (value) =>
    hasFields(value, { nameservers: nameServers, domain: anyText, search: texts, options: texts }),
}
/** As the capability has it. */
export const runtimeDns: FieldCheck = {
  expected:
    'an object of servers (a list of IP addresses), domain (text), searches and options (lists of texts)',
  is: (value) =>
    hasFields(value, { servers: nameServers, domain: anyText, searches: texts, options: texts }),
}
const nameServers: FieldCheck = {
  expected: 'a list of IP addresses',
  is: (value) => isListOf(value, (each) => isText(each) && parseIpAddress(each) !== undefined),
}

export const labels: FieldCheck = {
  expected: 'a list of {"key": text, "value": text}',
  is: (value) =>
    isListOf(value, (each) => isObject(each) && isText(each['key']) && isText(each['value'])),
}

/** Destinations of IPv4, each by the pod's gateway. */
export const routeList: FieldCheck = {
  expected: 'a list of {"dst": an IPv4 prefix}, without "gw", since every pod has the same gateway',
  is: (value) =>
    isListOf(
      value,
      (each) =>
        isObject(each) && isIpv4Prefix(each['dst']) && (each['gw'] ?? POD_GATEWAY) === POD_GATEWAY,
    ),
  isKnown: (value) =>
    isListOf(
      value,
      (each) => isObject(each) && isText(each['dst']) && parsePrefix(each['dst']) !== undefined,
    ),
}
const POD_GATEWAY = '169.254.1.1'

function isIpv4Prefix(value: unknown): boolean {
  return isText(value) && !value.includes(':') && parsePrefix(value) !== undefined
}

/** Where Kubernetes gives each node its block, what host-local takes. */
const POD_CIDR = /^usePodCidr$/i
export const podCidr: FieldCheck = {
  expected: '"usePodCidr", the range that Kubernetes gave the node',
  is: (value) => isText(value) && POD_CIDR.test(value),
  isKnown: isText,
}
export const podCidrRanges: FieldCheck = {
  expected: '[[{"subnet": "usePodCidr"}]], the range that Kubernetes gave the node',
  is: (value) =>
    isListOf(value, (set) =>
      isListOf(
        set,
        (range) =>
          isObject(range) && podCidr.is(range['subnet']) && Object.keys(range).length === 1,
      ),
    ),
  isKnown: (value) => isListOf(value, (set) => isListOf(set, isObject)),
}

/** Whether a value of a field that is refused asks for nothing: Go's zero values. */
export function asksForNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  if (isObject(value)) return Object.values(value).every(asksForNothing)
  return [null, '', 0, false, 'false'].includes(value as never)
}
