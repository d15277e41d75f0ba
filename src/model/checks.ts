import { parseInterfaceAddress, prefixAddress, prefixOf } from '../net/prefix.ts'
import type { Problem } from './problem.ts'

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

  /** Of a network as it was written; what was read of it has none. */
  noHostBits(field: string, written: unknown): void {
    const parts = typeof written === 'string' ? parseInterfaceAddress(written) : undefined
    this.require(
      parts === undefined ||
        prefixAddress(prefixOf(parts.address, parts.prefixLength)) === parts.address,
      field,
      written,
      'expected a CIDR without bits beyond its prefix length',
    )
  }

  /** Of the networks of a list, or of one field of its entries. */
  noHostBitsIn(field: string, list: unknown, key?: string): void {
    for (const [at, entry] of (Array.isArray(list) ? list : []).entries()) {
      const written = key === undefined ? entry : (entry as Record<string, unknown> | null)?.[key]
      this.noHostBits(`${field}[${at}]${key === undefined ? '' : `.${key}`}`, written)
    }
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
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const DNS_SUBDOMAIN = new RegExp(String.raw`^${LABEL}(\.${LABEL})*$`)

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
