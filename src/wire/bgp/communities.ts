import { registeredName, WELL_KNOWN_COMMUNITY } from './iana.ts'
import { type LargeCommunity } from './path-attributes.ts'

/** Names of RFC 1997 and its followers as routers print them: "no-export". */
const NAMES: ReadonlyMap<string, number> = new Map(
  Object.entries(WELL_KNOWN_COMMUNITY).map(([name, value]) => [kebab(name), value]),
)

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** "65000:100", or the name of a well-known one: "no-export". */
export function formatCommunity(value: number): string {
  const name = registeredName(WELL_KNOWN_COMMUNITY, value)
  return name.startsWith('unknown') ? `${value >>> 16}:${value & 0xffff}` : kebab(name)
}

/** The 32 bits of "65000:100" or "no-export"; undefined if the text is neither. */
export function parseCommunity(text: string): number | undefined {
  const named = NAMES.get(text)
  if (named !== undefined) return named
  const numbers = parseNumbers(text, 2, 0xffff)
  return numbers === undefined ? undefined : ((numbers[0]! << 16) | numbers[1]!) >>> 0
}

/** "65000:1:2", RFC 8092 section 5. */
export function formatLargeCommunity(value: LargeCommunity): string {
  return `${value.globalAdministrator}:${value.localData1}:${value.localData2}`
}

export function parseLargeCommunity(text: string): LargeCommunity | undefined {
  const numbers = parseNumbers(text, 3, 0xffffffff)
  if (numbers === undefined) return undefined
  const [globalAdministrator, localData1, localData2] = numbers as [number, number, number]
  return { globalAdministrator, localData1, localData2 }
}

function parseNumbers(text: string, count: number, most: number): number[] | undefined {
  const parts = text.split(':')
  if (parts.length !== count) return undefined
  if (!parts.every((part) => /^(0|[1-9]\d{0,9})$/.test(part))) return undefined
  const numbers = parts.map(Number)
  return numbers.every((number) => number <= most) ? numbers : undefined
}
