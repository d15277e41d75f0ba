import { attributes } from './attributes.ts'
import { body } from './body.ts'
import { cstring, ipAddress, padding, struct, u32, u8 } from './codec.ts'

/** FR_ACT_TO_TBL: look the packet up in a table (linux/fib_rules.h). */
export const RULE_TO_TABLE = 1

/** struct fib_rule_hdr (linux/fib_rules.h). */
const header = struct({
  family: u8,
  destinationLength: u8,
  sourceLength: u8,
  tos: u8,
  /** Tables above 255 are only in the attribute. */
  shortTable: u8,
  _reserved: padding(2),
  action: u8,
  flags: u32,
})

const ruleAttributes = attributes({
  destination: ['FRA_DST', 1, ipAddress],
  source: ['FRA_SRC', 2, ipAddress],
  inputLink: ['FRA_IIFNAME', 3, cstring],
  priority: ['FRA_PRIORITY', 6, u32],
  mark: ['FRA_FWMARK', 10, u32],
  table: ['FRA_TABLE', 15, u32],
  markMask: ['FRA_FWMASK', 16, u32],
  outputLink: ['FRA_OIFNAME', 17, cstring],
})

/** RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE. */
export const routingRuleBody = body(header, ruleAttributes)
export type RuleMessage = ReturnType<typeof routingRuleBody.decode>
export type RuleRequest = Partial<RuleMessage>
