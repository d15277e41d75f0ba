import { isInterfaceName } from '../net/interface-name.ts'
import * as z from 'zod'
import { Secret } from '../lib/secret.ts'
import { parseCommunityValue } from '../bgp/filters/communities.ts'
import { ip, parseIpAddress } from '../net/ip-address.ts'
import { parsePrefix, prefix as toPrefix } from '../net/prefix.ts'

/**
 * The shape of a bgpd configuration, field by field; what one field cannot know by itself is in
 * check-config.ts. Messages say what was expected; the value and its place are added where they are
 * printed. Published as schema/bgpd.schema.json.
 */

/** Most of each list; a file beyond them is a mistake rather than a need. */
export const BGPD_LIMITS = {
  listen: 16,
  neighbors: 4096,
  dynamicNeighbors: 64,
  filters: 1024,
  rules: 1024,
  static: 100_000,
} as const

const address = z
  .string({ error: 'expected an IP address as text' })
  .refine((text) => parseIpAddress(text) !== undefined, {
    error: 'expected an IP address such as 10.0.0.1 or 2001:db8::1',
  })
  .transform((text) => ip(text))

const identifier = z
  .string({ error: 'expected four octets as text' })
  .refine(
    (text) => parseIpAddress(text) !== undefined && !text.includes(':') && text !== '0.0.0.0',
    {
      error: 'expected four octets written like an IPv4 address, not 0.0.0.0',
    },
  )
  .transform((text) => ip(text))

const prefix = z
  .string({ error: 'expected a prefix as text' })
  .refine((text) => parsePrefix(text) !== undefined, {
    error: 'expected a prefix with its host bits zero, such as 10.0.0.0/8 or 2001:db8::/32',
  })
  .transform((text) => toPrefix(text))

function integer(least: number, most: number, what: string): z.ZodNumber {
  const error = `expected ${what}: a whole number from ${least} to ${most}`
  return z.number({ error }).int(error).min(least, error).max(most, error).describe(what)
}

const asNumber = integer(1, 4294967295, 'an AS number')
const port = integer(1, 65535, 'a TCP port')
const seconds = (least: number, most: number): z.ZodNumber =>
  integer(least, most, 'a time in seconds')
const holdTime = integer(0, 65535, 'a hold time in seconds, 0 for none').refine(
  (value) => value === 0 || value >= 3,
  { error: 'expected a hold time of 0 or at least 3 seconds (RFC 4271 section 4.2)' },
)

const community = z.string().refine((text) => parseCommunityValue(text)?.kind === 'standard', {
  error: 'expected a community such as 65000:100 or no-export',
})
const largeCommunity = z.string().refine((text) => parseCommunityValue(text)?.kind === 'large', {
  error: 'expected a large community such as 65000:1:2',
})
const anyCommunity = z.string().refine((text) => parseCommunityValue(text) !== undefined, {
  error: 'expected a community such as 65000:100, no-export or 65000:1:2',
})

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'expected a name: letters, digits, ".", "_" and "-"')
const text = (most: number): z.ZodString =>
  z.string().max(most, `expected ${most} characters at most`)

/** A rule as BGPFilter has them (projectcalico.org/v3). */
const rule = z.strictObject({
  action: z.enum(['Accept', 'Reject']),
  cidr: z
    .string()
    .refine((value) => parsePrefix(value) !== undefined, {
      error: 'expected a prefix with its host bits zero, such as 10.0.0.0/8',
    })
    .transform((value) => toPrefix(value))
    .optional(),
  matchOperator: z.enum(['Equal', 'NotEqual', 'In', 'NotIn']).optional(),
  prefixLength: z
    .strictObject({
      min: integer(0, 128, 'a prefix length').optional(),
      max: integer(0, 128, 'a prefix length').optional(),
    })
    .optional(),
  source: z.enum(['RemotePeers']).optional().describe('routes learned by BGP'),
  peerType: z.enum(['eBGP', 'iBGP']).optional(),
  communities: z.strictObject({ values: z.array(anyCommunity).min(1).max(64) }).optional(),
  asPathPrefix: z.array(asNumber).max(255).optional(),
  priority: integer(0, 2147483647, 'a priority').optional(),
  operations: z
    .array(
      z.strictObject({
        addCommunity: z.strictObject({ value: anyCommunity }).optional(),
        prependASPath: z.strictObject({ prefix: z.array(asNumber).min(1).max(64) }).optional(),
        setPriority: z.strictObject({ value: integer(0, 2147483647, 'a priority') }).optional(),
      }),
    )
    .max(16)
    .optional(),
})

const policy = z
  .union([z.enum(['accept', 'reject']), z.array(name).min(1).max(64)], {
    error: 'expected accept, reject, or a list of names from filters',
  })
  .describe('accept, reject, or filters in order: the first rule that matches decides, else reject')

/** All that can be wrong with it is told here, and by an issue that says that its value is not shown. */
const md5Key = z
  .unknown()
  .transform((value, context): Secret => {
    const octets = typeof value === 'string' ? Buffer.byteLength(value) : 0
    if (typeof value === 'string' && octets >= 1 && octets <= 80) return new Secret(value)
    const message = 'expected 1 to 80 octets of key'
    context.addIssue({ code: 'custom', message, params: { isSecret: true } })
    return z.NEVER
  })
  .meta({
    type: 'string',
    minLength: 1,
    maxLength: 80,
    description: 'TCP MD5 signature key (RFC 2385)',
  })

/** What can be said of a neighbor whether or not its address is known beforehand. */
const neighborOptions = {
  description: text(255).optional(),
  localAs: asNumber.optional().describe('AS number shown instead of our own'),
  families: z
    .array(z.enum(['ipv4', 'ipv6']))
    .min(1, 'expected one family at least')
    .optional(),
  holdTimeSeconds: holdTime.optional(),
  keepaliveSeconds: seconds(1, 21845).optional(),
  md5Key: md5Key.optional(),
  multihopTtl: integer(1, 255, 'a TTL').optional(),
  ttlSecurityHops: integer(1, 255, 'a number of hops').optional().describe('GTSM (RFC 5082)'),
  addPaths: z.enum(['off', 'receive', 'send', 'both']).optional().describe('RFC 7911'),
  addPathsMaximum: integer(1, 256, 'a number of paths').optional(),
  extendedMessages: z.boolean().optional().describe('RFC 8654'),
  extendedNextHop: z.boolean().optional().describe('RFC 8950'),
  routeReflectorClient: z.boolean().optional().describe('RFC 4456'),
  clusterId: identifier.optional(),
  nextHop: z.enum(['auto', 'self', 'keep']).optional(),
  allowOwnAs: integer(0, 10, 'how often our AS may be in a path').optional(),
  enforceFirstAs: z.boolean().optional(),
  defaultLocalPreference: integer(0, 4294967295, 'a LOCAL_PREF').optional(),
  prefixLimit: z
    .strictObject({
      maximum: integer(1, 100_000_000, 'a number of prefixes'),
      action: z.enum(['reset', 'refuse', 'warn']).optional(),
      restartSeconds: seconds(1, 86_400).optional(),
    })
    .optional(),
  gracefulRestart: z.boolean().optional(),
  bfd: z
    .union(
      [
        z.boolean(),
        z.strictObject({
          desiredMinTxMilliseconds: integer(10, 60_000, 'milliseconds').optional(),
          requiredMinRxMilliseconds: integer(10, 60_000, 'milliseconds').optional(),
          detectMultiplier: integer(1, 255, 'a number of packets').optional(),
          multihop: z
            .boolean()
            .optional()
            .describe('RFC 5883; for iBGP and multihopTtl when absent'),
        }),
      ],
      { error: 'expected true, false, or timers' },
    )
    .optional()
    .describe('RFC 5880, 5881, 5883'),
  import: policy.optional(),
  export: policy.optional(),
}

const neighbor = z.strictObject({
  address,
  remoteAs: asNumber,
  port: port.optional(),
  localAddress: address.optional(),
  interface: z
    .string()
    .regex(/^[\x21-\x2e\x30-\x7e]{1,15}$/, {
      error: 'expected an interface name: 1 to 15 visible characters',
      abort: true,
    })
    .refine(isInterfaceName, 'expected an interface name without ":", and not "." or ".."')
    .optional(),
  passive: z.boolean().optional(),
  shutdown: z
    .union([z.boolean(), text(255)], {
      error: 'expected true, false, or a text of 255 characters at most',
    })
    .optional()
    .describe('true, or the text that the neighbor is told (RFC 9003)'),
  connectDelaySeconds: seconds(0, 3600).optional(),
  connectRetrySeconds: seconds(1, 3600).optional(),
  errorWaitSeconds: z
    .strictObject({ first: seconds(1, 3600), most: seconds(1, 86_400) })
    .optional(),
  ...neighborOptions,
})

const dynamicNeighbor = z.strictObject({
  range: prefix,
  remoteAs: asNumber.optional().describe('any AS when absent'),
  maximum: integer(1, 10_000, 'a number of neighbors').optional(),
  ...neighborOptions,
})

const announcement = z.strictObject({
  prefix,
  origin: z.enum(['igp', 'egp', 'incomplete']).optional(),
  nextHop: address.optional(),
  med: integer(0, 4294967295, 'a MULTI_EXIT_DISC').optional(),
  localPreference: integer(0, 4294967295, 'a LOCAL_PREF').optional(),
  asPath: z.array(asNumber).max(255).optional().describe('behind our own AS'),
  communities: z.array(community).max(255).optional(),
  largeCommunities: z.array(largeCommunity).max(255).optional(),
})

const gracefulRestart = z.strictObject({
  restartTimeSeconds: seconds(1, 4095).optional(),
  selectionDeferralSeconds: seconds(1, 3600).optional(),
  notification: z.boolean().optional().describe('RFC 8538'),
  longLivedStaleSeconds: seconds(1, 16_777_215).optional().describe('RFC 9494'),
  helperOnly: z.boolean().optional(),
})

const kernel = z
  .strictObject({
    metric: integer(0, 4294967295, 'a metric')
      .optional()
      .describe('of the routes written; 20 when absent'),
    learned: z
      .enum(['all', 'external', 'none'])
      .optional()
      .describe('which learned routes are written; all when absent'),
  })
  .describe('write best paths to the main table; without this section no route is written')

export const bgpdSchema = z.strictObject({
  localAs: asNumber,
  routerId: identifier,
  listen: z
    .array(z.strictObject({ address: address.optional(), port: port.optional() }))
    .max(BGPD_LIMITS.listen)
    .optional()
    .describe('all addresses, port 179, when absent'),
  control: z
    .string()
    .min(1)
    .max(107, 'expected the path of a unix socket: 107 octets at most')
    .optional()
    .describe('unix socket that "tortie bgp" asks; /run/tortie/bgpd.sock when absent'),
  clusterId: identifier.optional(),
  gracefulRestart: z
    .union([z.literal(false), gracefulRestart], { error: 'expected false, or a map of fields' })
    .optional(),
  requirePolicy: z
    .boolean()
    .optional()
    .describe(
      'eBGP neighbors without import or export take and give nothing (RFC 8212); true when absent',
    ),
  multipathMaximum: integer(1, 256, 'a number of paths').optional(),
  multipathRelaxed: z.boolean().optional(),
  alwaysCompareMed: z.boolean().optional(),
  historyPerRoute: integer(0, 1000, 'a number of changes').optional().describe('8 when absent'),
  filters: z
    .record(name, z.array(rule).max(BGPD_LIMITS.rules))
    .optional()
    .describe('lists of rules by name, as in projectcalico.org/v3 BGPFilter'),
  neighbors: z.array(neighbor).max(BGPD_LIMITS.neighbors).optional(),
  dynamicNeighbors: z.array(dynamicNeighbor).max(BGPD_LIMITS.dynamicNeighbors).optional(),
  static: z.array(announcement).max(BGPD_LIMITS.static).optional().describe('routes to announce'),
  kernel: kernel.optional(),
})

/** A configuration file that is well formed. */
export type BgpdFile = z.output<typeof bgpdSchema>
export type FileNeighbor = z.output<typeof neighbor>
export type FileDynamicNeighbor = z.output<typeof dynamicNeighbor>
export type FileAnnouncement = z.output<typeof announcement>
export type FilePolicy = z.output<typeof policy>
