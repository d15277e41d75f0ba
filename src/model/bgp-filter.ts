import { z } from 'zod'
import { parsePrefix, prefixFamily } from '../net/prefix.ts'
import type { Checks } from './checks.ts'
import { loose } from './loose.ts'

const community = z.string()

const rule = loose({
  cidr: z.string().optional(),
  prefixLength: loose({ min: z.number().nullish(), max: z.number().nullish() }).optional(),
  source: z.enum(['RemotePeers']).optional(),
  /** Glob: "*.calico". */
  interface: z.string().optional(),
  matchOperator: z.enum(['Equal', 'NotEqual', 'In', 'NotIn']).optional(),
  peerType: z.enum(['eBGP', 'iBGP']).optional(),
  communities: loose({ values: z.array(community) }).optional(),
  asPathPrefix: z.array(z.number()).optional(),
  priority: z.number().optional(),
  action: z.enum(['Accept', 'Reject']),
  operations: z
    .array(
      loose({
        addCommunity: loose({ value: community }).optional(),
        prependASPath: loose({ prefix: z.array(z.number()) }).optional(),
        setPriority: loose({ value: z.number() }).optional(),
      }),
    )
    .optional(),
})

const rules = z.array(rule).optional()

/** What a BGPPeer lets in and out: the first rule that matches decides. */
export const bgpFilterSpec = loose({
  exportV4: rules,
  importV4: rules,
  exportV6: rules,
  importV6: rules,
})

export type BGPFilterRule = z.infer<typeof rule>

export function checkBgpFilter(
  checks: Checks,
  { spec }: { spec: z.infer<typeof bgpFilterSpec> },
): void {
  for (const list of ['exportV4', 'importV4', 'exportV6', 'importV6'] as const) {
    for (const [at, rule] of (spec[list] ?? []).entries()) {
      checkRule(checks, `spec.${list}[${at}]`, rule, list.endsWith('V6') ? 6 : 4)
    }
  }
}

function checkRule(checks: Checks, at: string, rule: BGPFilterRule, family: 4 | 6): void {
  checks.prefix(`${at}.cidr`, rule.cidr)
  const cidr = rule.cidr === undefined ? undefined : parsePrefix(rule.cidr)
  checks.require(
    cidr === undefined || prefixFamily(cidr) === family,
    `${at}.cidr`,
    rule.cidr,
    `expected a CIDR of IPv${family}`,
  )
  checks.require(
    (rule.cidr === undefined) === (rule.matchOperator === undefined),
    `${at}.matchOperator`,
    rule.matchOperator,
    'cidr and matchOperator must both be given or neither',
  )
  checks.require(
    rule.prefixLength === undefined || rule.cidr !== undefined,
    `${at}.prefixLength`,
    rule.prefixLength,
    'prefixLength needs a cidr',
  )
  const most = family === 6 ? 128 : 32
  checks.integer(`${at}.prefixLength.min`, rule.prefixLength?.min ?? undefined, 0, most)
  checks.integer(`${at}.prefixLength.max`, rule.prefixLength?.max ?? undefined, 0, most)
  checks.require(
    rule.operations === undefined || rule.action === 'Accept',
    `${at}.operations`,
    rule.operations,
    'operations need the action Accept',
  )
}
