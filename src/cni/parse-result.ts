import { CNI_ERROR, CniError, type CniResult } from '../api/cni-protocol.ts'
import { parseIpAddress } from '../net/ip-address.ts'
import { parseMacAddress } from '../net/mac-address.ts'
import { parseInterfaceAddress } from '../net/prefix.ts'
import { dns, type FieldCheck, isObject, text } from './field-checks.ts'
import { shownValue } from './shown-value.ts'

type Fields = Readonly<Record<string, unknown>>
type Checks = Readonly<Record<string, FieldCheck>>

const whole: FieldCheck = {
  expected: 'a whole number from 0',
  is: (value) => Number.isInteger(value) && Number(value) >= 0,
}
const ofAddress: FieldCheck = {
  expected: 'an address with the length of its prefix, such as "10.211.0.6/32"',
  is: (value) => typeof value === 'string' && parseInterfaceAddress(value) !== undefined,
}
const address: FieldCheck = {
  expected: 'an IP address',
  is: (value) => typeof value === 'string' && parseIpAddress(value) !== undefined,
}
const mac: FieldCheck = {
  expected: 'a MAC address',
  is: (value) =>
    value === '' || (typeof value === 'string' && parseMacAddress(value) !== undefined),
}
const anyText: FieldCheck = { expected: 'text', is: (value) => typeof value === 'string' }

/** What the rows of each list have; the first field of each must be there. */
const ROWS: Readonly<Record<'interfaces' | 'ips' | 'routes', Checks>> = {
  interfaces: {
    name: text,
    mac,
    mtu: whole,
    sandbox: anyText,
    socketPath: anyText,
    pciID: anyText,
  },
  ips: { address: ofAddress, gateway: address, interface: whole },
  routes: {
    dst: ofAddress,
    gw: address,
    mtu: whole,
    advmss: whole,
    priority: whole,
    table: whole,
    scope: whole,
  },
}

/**
 * A result that a runtime hands back, in the shape of version 1.1.0 whatever version it has.
 * Errors: {@link CniError} invalidConfiguration that names what is not as it must be.
 *
 * @param path what errors call it: "prevResult"
 */
export function parseResult(value: unknown, path: string): CniResult {
  if (!isObject(value)) throw wrong(path, value, 'an object')
  const of = (name: keyof typeof ROWS): Fields[] =>
    rowsOf(value[name], `${path}.${name}`, ROWS[name])
  const interfaces = of('interfaces')
  const ips = [...of('ips'), ...oldIps(value, path)]
  for (const [at, row] of ips.entries()) {
    const index = row['interface']
    if (index !== undefined && Number(index) >= interfaces.length) {
      const expected = `the index of one of the ${interfaces.length} interfaces`
      throw wrong(`${path}.ips[${at}].interface`, index, expected)
    }
  }
  const given = value['dns'] ?? {}
  if (!dns.is(given)) throw wrong(`${path}.dns`, given, dns.expected)
  return { interfaces, ips, routes: of('routes'), dns: given } as unknown as CniResult
}

/** Before 0.3.0 there was one address of each family. */
function oldIps(value: Fields, path: string): Fields[] {
  return ['ip4', 'ip6'].flatMap((name) => {
    const row = value[name]
    if (row === undefined || row === null) return []
    if (!isObject(row)) throw wrong(`${path}.${name}`, row, 'an object')
    const { ip, gateway } = row
    return rowsOf([{ address: ip, gateway }], `${path}.${name}`, ROWS.ips)
  })
}

function rowsOf(list: unknown, path: string, checks: Checks): Fields[] {
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) throw wrong(path, list, 'a list')
  return list.map((row: unknown, at) => {
    if (!isObject(row)) throw wrong(`${path}[${at}]`, row, 'an object')
    return pick(row, `${path}[${at}]`, checks)
  })
}

function pick(row: Fields, path: string, checks: Checks): Fields {
  const names = Object.keys(checks)
  const picked = names.flatMap((name): [string, unknown][] => {
    const value = row[name]
    if ((value === undefined || value === null) && name !== names[0]) return []
    const { expected, is } = checks[name]!
    if (!is(value)) throw wrong(`${path}.${name}`, value, expected)
    return [[name, value]]
  })
  return Object.fromEntries(picked)
}

function wrong(path: string, value: unknown, expected: string): CniError {
  const found = value === undefined ? 'is missing' : `is ${shownValue(value)}`
  return new CniError(CNI_ERROR.invalidConfiguration, `${path} ${found}; expected ${expected}`)
}
