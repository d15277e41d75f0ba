import { Secret } from '../lib/secret.ts'

/** A value as a line of a recording holds it: JSON, with objects that have a "$" for what JSON has not. */
export type Encoded =
  | string
  | number
  | boolean
  | null
  | readonly Encoded[]
  | { readonly [key: string]: Encoded }

/** What becomes of what cannot be written down: functions, and objects that have some. */
export interface References {
  encode(value: object): Encoded | undefined
  decode(encoded: { readonly $: string; readonly [key: string]: Encoded }): unknown
}

const REDACTED = '(not recorded)'

export function encodeValue(value: unknown, references: References): Encoded {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : { $: 'number', value: String(value) }
    case 'bigint':
      return { $: 'bigint', value: String(value) }
    case 'function':
    case 'object':
      return value === null ? null : encodeObject(value, references)
    case 'undefined':
    case 'symbol':
      return { $: 'undefined' }
  }
}

function encodeObject(value: object, references: References): Encoded {
  if (value instanceof Secret) return REDACTED
  if (value instanceof Uint8Array) {
    return { $: 'octets', base64: Buffer.from(value).toString('base64') }
  }
  if (Array.isArray(value)) return value.map((each) => encodeValue(each, references))
  if (value instanceof Map) {
    return { $: 'map', entries: [...value].map((entry) => encodeValue(entry, references)) }
  }
  if (value instanceof Set) {
    return { $: 'set', values: [...value].map((each) => encodeValue(each, references)) }
  }
  if (value instanceof Secret) return REDACTED
  if (value instanceof Error) return encodeError(value)
  const reference = references.encode(value)
  if (reference !== undefined) return reference
  const entries = Object.entries(value)
    .filter(([, each]) => each !== undefined)
    .map(([key, each]) => [key, encodeValue(each, references)])
  return Object.fromEntries(entries) as Encoded
}

function encodeError(error: Error): Encoded {
  const { code } = error as { code?: unknown }
  const common = { $: 'error', name: error.name, message: error.message }
  return typeof code === 'string' ? { ...common, code } : common
}

export function decode(encoded: Encoded, references: References): unknown {
  if (typeof encoded !== 'object' || encoded === null) return encoded
  if (Array.isArray(encoded)) return encoded.map((each: Encoded) => decode(each, references))
  const value = encoded as { readonly [key: string]: Encoded }
  const kind = value['$']
  if (kind === undefined) {
    const entries = Object.entries(value)
    return Object.fromEntries(entries.map(([key, each]) => [key, decode(each, references)]))
  }
  switch (textOf(kind)) {
    case 'undefined':
      return undefined
    case 'number':
      return Number(textOf(value['value']))
    case 'bigint':
      return BigInt(textOf(value['value']))
    case 'octets':
      return new Uint8Array(Buffer.from(textOf(value['base64']), 'base64'))
    case 'map':
      return new Map(decode(value['entries']!, references) as [unknown, unknown][])
    case 'set':
      return new Set(decode(value['values']!, references) as unknown[])
    default:
      return references.decode(value as { $: string })
  }
}

/** A text of a recording; empty where somebody wrote something else there. */
export function textOf(encoded: Encoded | undefined): string {
  return typeof encoded === 'string' ? encoded : ''
}
