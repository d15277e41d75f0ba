import {
  CNI_ERROR,
  CNI_ID,
  CNI_VERSIONS,
  type CniCommand,
  CniError,
  type CniVersion,
  COMMAND_SINCE,
  type NetworkConfiguration,
} from '../api/cni-protocol.ts'
import { shownValue } from './shown-value.ts'
import { decisionOn, type FieldDecision, hasInnerFields } from './configuration-fields.ts'
import { asksForNothing, isObject, podCidr } from './field-checks.ts'
import { parseResult } from './parse-result.ts'

/** The JSON object on standard input. Errors: {@link CniError} decodingFailure. */
export function parseConfiguration(text: string): Record<string, unknown> {
  const undecodable = (what: string): CniError =>
    new CniError(CNI_ERROR.decodingFailure, `The network configuration on standard input ${what}`)
  if (text.trim() === '') throw undecodable('is empty; expected a JSON object')
  let value: unknown
  try {
    value = JSON.parse(text)
    JSON.stringify(value)
  } catch (thrown) {
    // Deeper than anybody can write it again: RangeError.
    if (thrown instanceof RangeError) throw undecodable('is nested too deep')
    throw undecodable(`is not JSON: ${placeOf(thrown as Error, text)}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw undecodable('is not a JSON object')
  }
  return value as Record<string, unknown>
}

/** Where a text stops being JSON. Not what stands there, which may be a key or a token. */
function placeOf({ message }: Error, text: string): string {
  const [, position] = /position (\d+)/.exec(message) ?? []
  if (message.includes('end of JSON')) return 'it ends too early'
  if (position === undefined) return 'something in it is not expected there'
  const lines = text.slice(0, Number(position)).split('\n')
  return `what stands at line ${lines.length}, column ${lines.at(-1)!.length + 1} is not expected there`
}

/**
 * What of the configuration the command obeys. For commands that do what ADD does, each field is obeyed or
 * refused; what else is wrong in it must not keep DEL from undoing what an ADD before it made.
 * Errors: {@link CniError}.
 */
export function checkConfiguration(
  configuration: Record<string, unknown>,
  command: CniCommand,
): NetworkConfiguration {
  const cniVersion = checkVersion(configuration['cniVersion'] ?? VERSION_UNSAID, command)
  const { name, type } = configuration
  if (typeof name !== 'string' || !CNI_ID.test(name) || name.length > NAME_MAX) {
    const expected = `expected at most ${NAME_MAX} letters, digits, "_", "." and "-", a letter or digit first`
    throw invalid('name', name, expected)
  }
  if (command !== 'DEL') checkType(type)
  const read = ADDS.includes(command) ? configuration : only(configuration, ['agentSocket'])
  const picked = pickObeyed(read)
  checkTogether(picked)
  return {
    ...picked,
    cniVersion,
    name,
    type: typeof type === 'string' ? type : '',
    ...(command === 'ADD' || command === 'CHECK' ? previousOf(configuration, command) : {}),
    ...(command === 'GC' ? { [VALID_ATTACHMENTS]: validAttachments(configuration) } : {}),
  }
}

const NAME_MAX = 255

/** STATUS says no when ADD would fail. */
const ADDS: readonly CniCommand[] = ['ADD', 'STATUS']

function invalid(path: string, value: unknown, expected: string): CniError {
  const found = value === undefined || value === null ? 'is missing' : `is ${shownValue(value)}`
  return new CniError(CNI_ERROR.invalidConfiguration, `${path} ${found}; ${expected}`)
}

function checkType(type: unknown): void {
  if (typeof type === 'string' && /^[^/]{1,255}$/.test(type)) return
  throw invalid('type', type, 'expected the name of this plugin')
}

function only(configuration: Record<string, unknown>, names: readonly string[]) {
  return Object.fromEntries(Object.entries(configuration).filter(([name]) => names.includes(name)))
}

/** The fields that are obeyed, as they came. Errors: {@link CniError} of one that is not as it must be. */
function pickObeyed(fields: Record<string, unknown>, before = ''): Record<string, unknown> {
  const picked: [string, unknown][] = []
  for (const [name, value] of Object.entries(fields)) {
    const path = `${before}${name}`
    // As Go reads JSON: null is what is not there.
    if (value === null || isForOthers(path)) continue
    const decision = decisionOn(path)
    if (decision !== undefined) {
      if (isObeyed(path, value, decision)) picked.push([name, value])
    } else if (!hasInnerFields(path)) {
      throw unsupported(path, value, 'there is no such field')
    } else if (isObject(value)) {
      picked.push([name, pickObeyed(value, `${path}.`)])
    } else {
      throw invalid(path, value, 'expected an object')
    }
  }
  return Object.fromEntries(picked)
}

/**
 * Metadata that a plugin may ignore (CONVENTIONS, "args"), keys of the protocol, and what people write for
 * each other.
 */
function isForOthers(path: string): boolean {
  if (path.startsWith('cni.dev/') || path.startsWith('_')) return true
  return path.startsWith('args.') && decisionOn(path) === undefined && !hasInnerFields(path)
}

function isObeyed(path: string, value: unknown, decision: FieldDecision): boolean {
  if (decision.is === 'refused') {
    const { why, unless = asksForNothing, isSecret = false } = decision
    if (!unless(value)) throw unsupported(path, isSecret ? SECRET : value, why)
  }
  if (decision.is !== 'obeyed') return false
  const { is, isKnown, expected } = decision.check
  if (is(value)) return true
  if (isKnown?.(value) === true) throw unsupported(path, value, `expected ${expected}`)
  throw invalid(path, value, `expected ${expected}`)
}

const SECRET = '(a secret)'

function unsupported(path: string, value: unknown, why: string): CniError {
  return new CniError(
    CNI_ERROR.unsupportedField,
    `${path} is ${shownValue(value)}, which is not supported: ${why}`,
  )
}

type Ipam = NonNullable<NetworkConfiguration['ipam']>

function checkTogether({ ipam }: Record<string, unknown>): void {
  const { type, subnet, ranges, ipv4_pools: pools = [] } = (ipam ?? {}) as Ipam
  const hasRange = subnet !== undefined || ranges !== undefined
  if (type !== 'host-local' && hasRange) {
    throw unsupported('ipam.subnet', subnet ?? ranges, 'only ipam.type "host-local" has ranges')
  }
  if (type === 'host-local' && pools.length > 0) {
    throw unsupported('ipam.ipv4_pools', pools, 'ipam.type "host-local" has ranges, not pools')
  }
  if (type !== 'host-local' || hasRange) return
  throw invalid(
    'ipam.subnet',
    undefined,
    `expected ${podCidr.expected}, for ipam.type "host-local"`,
  )
}

function previousOf(
  { prevResult }: Record<string, unknown>,
  command: CniCommand,
): Pick<NetworkConfiguration, 'prevResult'> {
  if (prevResult !== undefined && prevResult !== null) {
    return { prevResult: parseResult(prevResult, 'prevResult') }
  }
  if (command === 'ADD') return {}
  throw invalid('prevResult', undefined, 'expected the result of ADD, with which CHECK compares')
}

const VALID_ATTACHMENTS = 'cni.dev/valid-attachments'
/** What the first text of CNI 1.1 called it. */
const FORMER_VALID_ATTACHMENTS = 'cni.dev/attachments'

type ValidAttachments = NonNullable<NetworkConfiguration[typeof VALID_ATTACHMENTS]>

/** What stays at GC. It must be said: without it every pod would be one that the runtime no longer knows. */
function validAttachments(configuration: Record<string, unknown>): ValidAttachments {
  const list = configuration[VALID_ATTACHMENTS] ?? configuration[FORMER_VALID_ATTACHMENTS]
  const isRow = (row: unknown): boolean => {
    const { containerID, ifname } = (row ?? {}) as Record<string, unknown>
    return typeof containerID === 'string' && typeof ifname === 'string'
  }
  if (Array.isArray(list) && list.every(isRow)) return list as ValidAttachments
  const expected =
    'expected the list of attachments that stay, {"containerID": "…", "ifname": "…"} each'
  throw new CniError(
    CNI_ERROR.invalidConfiguration,
    `${VALID_ATTACHMENTS} is ${list === undefined ? 'missing' : shownValue(list)}; ${expected}`,
    'Nothing was removed. The container runtime must name what it still has; an empty list if nothing.',
  )
}

/** As Calico's plugin reads a configuration that does not say. */
const VERSION_UNSAID = '0.2.0'

function checkVersion(value: unknown, command: CniCommand): CniVersion {
  const version = CNI_VERSIONS.find((known) => known === value)
  if (version === undefined) {
    throw new CniError(
      CNI_ERROR.incompatibleVersion,
      `cniVersion is ${shownValue(value)}; expected one of ${CNI_VERSIONS.join(', ')}`,
    )
  }
  const since = COMMAND_SINCE[command]
  if (CNI_VERSIONS.indexOf(version) < CNI_VERSIONS.indexOf(since)) {
    throw new CniError(
      CNI_ERROR.incompatibleVersion,
      `${command} needs cniVersion ${since} or later; the network configuration has ${version}`,
    )
  }
  return version
}
