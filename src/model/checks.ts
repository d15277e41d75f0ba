import { parseIpAddress } from '../net/ip-address.ts'
import { parseInterfaceAddress, parsePrefix } from '../net/prefix.ts'
import { messageOf } from '../lib/errors.ts'
import type { Problem } from './problem.ts'
import { parseSelector } from './selector.ts'

/** Collects what is wrong with one resource; every check is made, so that all problems are told at once. */
export class Checks {
  readonly problems: Problem[] = []

  /** Records a problem unless `fine`. */
  require(fine: boolean, field: string, value: unknown, reason: string): void {
    if (!fine) this.problems.push({ field, value, reason })
  }

  name(field: string, value: string): void {
    this.require(
      value.length <= 253 && DNS_SUBDOMAIN.test(value),
      field,
      value,
      "name must consist of lower case alphanumeric characters, '-' or '.', begin and end alphanumerically, and have at most 253 characters",
    )
  }

  ipAddress(field: string, value: string | undefined, family?: 4 | 6): void {
    if (value === undefined || value === '') return
    const address = parseIpAddress(value)
    const right = address !== undefined && (family === undefined || familyIs(address, family))
    this.require(
      right,
      field,
      value,
      `expected an IP${family === undefined ? '' : `v${family}`} address`,
    )
  }

  /** An address with a prefix length, host bits allowed. */
  interfaceAddress(field: string, value: string | undefined, family?: 4 | 6): void {
    if (value === undefined || value === '') return
    const parsed = parseInterfaceAddress(value)
    const right = parsed !== undefined && (family === undefined || familyIs(parsed.address, family))
    const example = family === 6 ? 'fd00::5/64' : '172.18.0.2/24'
    this.require(
      right,
      field,
      value,
      `expected an address with its prefix length such as ${example}`,
    )
  }

  /** A network, host bits zero. */
  prefix(field: string, value: string | undefined): void {
    if (value === undefined) return
    if (parsePrefix(value) !== undefined) return
    const kept = parseInterfaceAddress(value)
    this.require(
      false,
      field,
      value,
      kept === undefined
        ? 'expected a CIDR such as 10.211.0.0/16'
        : 'expected a CIDR without bits beyond its prefix length',
    )
  }

  interfaceName(field: string, value: string | undefined): void {
    this.require(
      value !== undefined &&
        /^[a-zA-Z0-9_.-]{1,15}$/.test(value) &&
        value !== '.' &&
        value !== '..',
      field,
      value,
      'expected an interface name: 1 to 15 of letters, digits, "_", "." and "-"',
    )
  }

  integer(field: string, value: number | undefined, least: number, most: number): void {
    if (value === undefined) return
    const right = Number.isInteger(value) && value >= least && value <= most
    this.require(right, field, value, `expected an integer from ${least} to ${most}`)
  }

  selector(field: string, value: string | undefined): void {
    if (value === undefined) return
    try {
      parseSelector(value)
    } catch (thrown) {
      this.require(false, field, value, messageOf(thrown))
    }
  }

  asNumber(field: string, value: number | undefined): void {
    this.integer(field, value, 0, 4294967295)
  }
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const DNS_SUBDOMAIN = new RegExp(String.raw`^${LABEL}(\.${LABEL})*$`)

function familyIs(address: string, family: 4 | 6): boolean {
  return address.includes(':') === (family === 6)
}

const QUALIFIED_NAME =
  /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/

/** The rules of Kubernetes for label keys and values. */
export function checkLabels(checks: Checks, labels: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(labels)) {
    const field = `metadata.labels["${key}"]`
    checks.require(
      QUALIFIED_NAME.test(key),
      field,
      key,
      'a label key is a name of at most 63 letters, digits, "-", "_" and ".", optionally after a DNS prefix and "/"',
    )
    checks.require(
      LABEL_VALUE.test(value),
      field,
      value,
      'a label value has at most 63 letters, digits, "-", "_" and ".", and begins and ends with a letter or digit',
    )
  }
}
