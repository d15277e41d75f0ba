import * as z from 'zod'

/**
 * The trace as JSON: `tortie trace -o json`, and what its table is made of. Published as
 * schema/trace.schema.json; fields may be added under "tortie/v1", never renamed or taken away.
 */

const microseconds = z.number().describe('microseconds')
const ttl = z.int().min(0).max(255)
const count = z.int().min(0)

const outer = z
  .strictObject({
    source: z.string(),
    destination: z.string(),
    ttl,
    protocol: z.int(),
    vxlan: z
      .strictObject({ port: z.int().describe('UDP port it goes to'), vni: z.int() })
      .optional(),
  })
  .describe('the header around the packet in a tunnel; protocol 4 is IP in IP, 17 UDP with VXLAN')

const end = z.strictObject({
  kind: z.enum(['pod', 'node', 'address']),
  name: z.string().describe('"namespace/name" of a pod, a node, or the address itself'),
  node: z.string().optional(),
  address: z.string(),
})

const cause = z.strictObject({
  name: z.string().describe('id of the cause: "blackhole-route"'),
  class: z.enum(['policy', 'routing', 'encapsulation', 'underlay', 'host', 'size', 'endpoint']),
  confidence: z.enum(['certain', 'likely', 'possible']),
  sentence: z.string(),
  evidence: z.array(z.string()),
  mend: z.array(z.string()).describe('commands that mend it, in order'),
  look: z.array(z.string()).describe('commands that show more and change nothing'),
  advice: z.string().optional().describe('what to do where no command does it'),
})

const route = z
  .strictObject({
    text: z.string().describe('as `ip route` prints it'),
    table: z.int(),
    nextHop: z.string().describe('the gateway, or the destination itself'),
    alternatives: z.array(z.string()).describe('other ways of the same cost'),
    kernel: z
      .enum(['agrees', 'differs', 'not asked'])
      .describe("whether the kernel's own lookup gives the same"),
  })
  .describe('what chose the interface')

const predicted = z.strictObject({
  ttl,
  ttlIsUpperBound: z.boolean().describe('a router that no table shows may have lowered it'),
  mtu: count,
  outer: outer.optional(),
  route: route.optional(),
})

const observed = z.discriminatedUnion('state', [
  z.strictObject({
    state: z.literal('seen'),
    ttl,
    outer: outer.optional(),
    octets: count.describe('of the packet, an outer header included'),
    identification: count,
    checksumValid: z.boolean().optional(),
    at: microseconds.describe("microseconds of the machine's packet clock"),
    sincePrevious: microseconds.optional().describe('microseconds since the hop seen before'),
  }),
  z.strictObject({ state: z.literal('not seen') }),
  z.strictObject({ state: z.literal('not captured'), reason: z.string() }),
])

const hop = z.strictObject({
  node: z.string(),
  pod: z.string().optional().describe("the pod in whose namespace it is; the node's own if absent"),
  interface: z.string(),
  direction: z.enum(['in', 'out']),
  predicted: predicted.optional().describe('absent where the packet was not expected'),
  observed,
  differences: z.array(z.string()),
  notes: z.array(z.string()),
  explain: z.array(z.string()).describe('commands that show the same by hand'),
})

const outcome = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('delivered') }),
  z.strictObject({ kind: z.literal('dropped'), cause: z.string(), node: z.string() }),
  z.strictObject({ kind: z.literal('unknown'), reason: z.string() }),
])

const leg = z.strictObject({
  leg: z.enum(['forward', 'return']),
  source: z.string(),
  destination: z.string(),
  outcome: outcome.describe('where the tables say that the packet ends'),
  hops: z.array(hop),
  errors: z.array(z.strictObject({ sender: z.string(), text: z.string() })).describe('ICMP errors'),
})

export const traceDocument = z.strictObject({
  apiVersion: z.literal('tortie/v1'),
  kind: z.literal('Trace'),
  from: end,
  to: end,
  probe: z.strictObject({
    protocol: z.literal('ICMP'),
    octets: count,
    ttl,
    dontFragment: z.boolean(),
    identifier: count,
    tries: count.describe('probes sent; the hops are of the last one'),
  }),
  verdict: z.strictObject({
    kind: z.enum(['delivered', 'lost', 'inconclusive']),
    exitCode: count,
    sentence: z.string(),
    firstDifference: z
      .strictObject({ leg: z.enum(['forward', 'return']), hop: count })
      .optional()
      .describe('index of the first hop that is not as predicted'),
    causes: z.array(cause).describe('the most probable first'),
    remarks: z.array(z.string()),
  }),
  legs: z.array(leg),
  unreachable: z.array(z.strictObject({ node: z.string(), reason: z.string() })),
})

export type TraceDocument = z.output<typeof traceDocument>
export type LegDocument = TraceDocument['legs'][number]
export type HopDocument = LegDocument['hops'][number]
export type CauseDocument = TraceDocument['verdict']['causes'][number]
export type EndDocument = TraceDocument['from']
