import * as z from 'zod'
import { type Family, type IpAddress, familyOf, parseIpAddress } from '../net/ip-address.ts'
import { type MacAddress, parseMacAddress } from '../net/mac-address.ts'
import {
  hostPrefix,
  type InterfaceAddressText,
  interfaceAddressText,
  isHostPrefix,
  parseInterfaceAddress,
  type Prefix,
  prefixFamily,
  prefixOf,
} from '../net/prefix.ts'
import { isCommunity } from './community.ts'
import { parseSelector } from './selector.ts'

/**
 * Fields of resources as other programs write them, parsed once into the types of this program. What is
 * strict here is strict for what a person applies and for what is read from the datastore alike.
 */

/** Text in which `parse` finds a value; `expected` is said of any other. */
function parsed<Value>(
  parse: (text: string) => Value | undefined,
  expected: string,
): z.ZodType<Value, string> {
  return z.string({ error: expected }).transform((text, context) => {
    const value = parse(text)
    if (value !== undefined) return value
    context.issues.push({ code: 'custom', input: text, message: expected })
    return z.NEVER
  })
}

const of = (family: Family | undefined): string => (family === undefined ? '' : `v${family}`)

/** Text of an address, of one family or of both. */
export function address(family?: Family): z.ZodType<IpAddress, string> {
  const is = (found: IpAddress): boolean => family === undefined || familyOf(found) === family
  return parsed(
    (text) => {
      const found = parseIpAddress(text)
      return found !== undefined && is(found) ? found : undefined
    },
    `expected an IP${of(family)} address`,
  )
}

/** "172.16.170.128/24"; an address alone is one with all of its bits, as where Calico reads it. */
export function addressOnLink(family: Family): z.ZodType<InterfaceAddressText, string> {
  const example = family === 6 ? 'fd00::5/64' : '172.18.0.2/24'
  return parsed((text) => {
    const parts = parseInterfaceAddress(text) ?? parseInterfaceAddress(hostText(text))
    if (parts === undefined || familyOf(parts.address) !== family) return undefined
    return interfaceAddressText(parts)
  }, `expected an address with its prefix length such as ${example}`)
}

/** The text of an address with the length of an address; any other text as it is. */
function hostText(text: string): string {
  const found = parseIpAddress(text)
  return found === undefined ? text : hostPrefix(found)
}

const CIDR = 'expected a CIDR such as 10.211.0.0/16'

/** A network. Bits beyond the length are dropped, as in Calico; that none is applied is a check's. */
export const cidr = parsed(networkOf, CIDR)

/** The same, or an address alone for the network of it alone (libcalico-go: ParseCIDROrIP). */
export function cidrOrAddress(family?: Family): z.ZodType<Prefix, string> {
  return parsed(
    (text) => {
      const found = networkOf(hostText(text))
      const isRight = family === undefined || (found && prefixFamily(found) === family)
      return isRight ? found : undefined
    },
    family === undefined ? CIDR : `expected a CIDR of IPv${family}`,
  )
}

function networkOf(text: string): Prefix | undefined {
  const parts = parseInterfaceAddress(text)
  return parts && prefixOf(parts.address, parts.prefixLength)
}

/** One address as a network: "10.211.0.6/32". */
export const hostNetwork = cidrOrAddress().refine(isHostPrefix, {
  error: 'IP network contains multiple addresses; expected one such as 10.211.0.6/32',
})

export const macAddress: z.ZodType<MacAddress, string> = parsed(
  parseMacAddress,
  'expected a MAC address such as 02:42:ac:11:00:02',
)

export function integer(least: number, most: number): z.ZodNumber {
  const error = `expected an integer from ${least} to ${most}`
  return z.number({ error }).int(error).min(least, error).max(most, error)
}

export const port = integer(1, 65_535)

const AS_MAX = 4_294_967_295
/** Stands for numbers of 32 bits where a neighbor knows only 16 (RFC 6793), and so is nobody's. */
const AS_TRANS = 23_456

/** A number, or text of one, also as two halves: "64512", "1.10" (libcalico-go: numorstring.ASNumber). */
export const asNumber: z.ZodType<number, number | string> = z
  .union([z.number(), z.string()], { error: 'expected an AS number' })
  .transform((value, context) => {
    const number = typeof value === 'number' ? value : asNumberOf(value)
    if (Number.isInteger(number) && number >= 1 && number <= AS_MAX && number !== AS_TRANS) {
      return number
    }
    const message = `expected an AS number from 1 to ${AS_MAX} other than ${AS_TRANS} (AS_TRANS)`
    context.issues.push({ code: 'custom', input: value, message })
    return z.NEVER
  })

function asNumberOf(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text)
  const [, high, low] = /^(\d{1,5})\.(\d{1,5})$/.exec(text) ?? []
  const halves = [Number(high), Number(low)] as const
  return halves.every((half) => half <= 0xffff) ? halves[0] * 0x10000 + halves[1] : Number.NaN
}

export const community = z.string({ error: 'expected a community' }).refine(isCommunity, {
  error:
    'expected a community aa:nn of two numbers up to 65535, or a large one aa:nn:mm of three up to 4294967295',
})

export const selector = z.string().superRefine((text, context) => {
  try {
    parseSelector(text)
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : 'expected a selector'
    context.addIssue({ code: 'custom', input: text, message })
  }
})
