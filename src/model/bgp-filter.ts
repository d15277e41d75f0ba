import * as z from 'zod'
import type { Family } from '../net/ip-address.ts'
import type { Checks } from './checks.ts'
import { asNumber, cidrOrAddress, community, integer } from './fields.ts'
import { loose } from './loose.ts'
import { nameColumn } from './column.ts'
import type { KindDefinition } from './kind-definition.ts'

/** In the units of FelixConfiguration's route priorities (bgpfilter.go). */
const priority = integer(1, 2_147_483_646)

/** Exactly one of the three. */
const operation = loose({
  addCommunity: loose({ value: community }).optional(),
  prependASPath: loose({ prefix: z.array(asNumber).min(1) }).optional(),
  setPriority: loose({ value: priority }).optional(),
}).refine(
  (found) =>
    [found.addCommunity, found.prependASPath, found.setPriority].filter((one) => one !== undefined)
      .length === 1,
  { error: 'expected exactly one of addCommunity, prependASPath and setPriority' },
)

const ONE_COMMUNITY = 'expected one community'

function ruleOf(family: Family) {
  const length = integer(0, family === 6 ? 128 : 32)
  return loose({
    cidr: cidrOrAddress(family).optional(),
    prefixLength: loose({ min: length.nullish(), max: length.nullish() }).optional(),
    source: z.enum(['RemotePeers']).optional(),
    /** Glob: "*.calico". */
    interface: z.string().optional(),
    matchOperator: z.enum(['Equal', 'NotEqual', 'In', 'NotIn']).optional(),
    peerType: z.enum(['eBGP', 'iBGP']).optional(),
    communities: loose({
      values: z.array(community).min(1, ONE_COMMUNITY).max(1, ONE_COMMUNITY),
    }).optional(),
    asPathPrefix: z.array(asNumber).optional(),
    priority: priority.optional(),
    action: z.enum(['Accept', 'Reject']),
    operations: z.array(operation).max(10, 'expected 10 operations at most').optional(),
  })
}

const rulesV4 = z.array(ruleOf(4)).optional()
const rulesV6 = z.array(ruleOf(6)).optional()

/** What a BGPPeer lets in and out: the first rule that matches decides. */
export const bgpFilterSpec = loose({
  exportV4: rulesV4,
  importV4: rulesV4,
  exportV6: rulesV6,
  importV6: rulesV6,
})

export type BGPFilterRule = z.infer<ReturnType<typeof ruleOf>>

const LISTS = ['exportV4', 'importV4', 'exportV6', 'importV6'] as const

function checkBgpFilter(
  checks: Checks,
  { spec }: { spec: z.infer<typeof bgpFilterSpec> },
  document: { readonly spec: Partial<Record<(typeof LISTS)[number], unknown>> },
): void {
  for (const list of LISTS) {
    for (const [at, rule] of (spec[list] ?? []).entries()) {
      checkRule(checks, `spec.${list}[${at}]`, rule)
    }
    checks.noHostBitsIn(`spec.${list}`, document.spec[list], 'cidr')
  }
}

function checkRule(checks: Checks, at: string, rule: BGPFilterRule): void {
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
  checks.require(
    (rule.operations ?? []).length === 0 || rule.action === 'Accept',
    `${at}.operations`,
    rule.operations,
    'operations need the action Accept',
  )
}

export const bgpFilter: KindDefinition<'BGPFilter'> = {
  plural: 'bgpfilters',
  aliases: ['bgpf', 'bf'],
  namespaced: false,
  spec: bgpFilterSpec,
  check: checkBgpFilter,
  uses: { exportV4: 'obeyed', importV4: 'obeyed', exportV6: 'obeyed', importV6: 'obeyed' },
  columns: [
    nameColumn,
    { header: 'NUMEXPORTV4', value: ({ spec }) => String(spec.exportV4?.length ?? 0) },
    { header: 'NUMIMPORTV4', value: ({ spec }) => String(spec.importV4?.length ?? 0) },
    { header: 'NUMEXPORTV6', value: ({ spec }) => String(spec.exportV6?.length ?? 0) },
    { header: 'NUMIMPORTV6', value: ({ spec }) => String(spec.importV6?.length ?? 0) },
  ],
}
