import type { Rule } from '../../../kernel/kernel.ts'
import { type Family, type IpAddress } from '../../../net/ip-address.ts'
import { type Prefix, prefixAddress, prefixLength, prefixOf } from '../../../net/prefix.ts'
import { type NetlinkMessage, NLM_F, RTM } from '../../../wire/netlink/message.ts'
import { RULE_TO_TABLE, routingRuleBody, type RuleRequest } from '../../../wire/netlink/rule.ts'
import { addressFamily, AF, type Context } from './context.ts'

export function listRules({ netlink, name }: Context, family: Family): Rule[] {
  const body = { family: addressFamily(family) }
  return netlink.dump(
    {
      type: RTM.getRule,
      body: (to) => routingRuleBody.encode(to, body),
      what: () => `List rules on ${name}`,
    },
    decodeRule,
  )
}

export function addRule({ netlink, name }: Context, rule: Rule): void {
  netlink.execute({
    type: RTM.newRule,
    flags: NLM_F.create | NLM_F.exclusive,
    body: (to) => routingRuleBody.encode(to, ruleRequest(rule)),
    what: () => `Add rule ${rule.priority} to table ${rule.table} on ${name}`,
  })
}

export function deleteRule({ netlink, name }: Context, rule: Rule): void {
  netlink.execute({
    type: RTM.deleteRule,
    body: (to) => routingRuleBody.encode(to, ruleRequest(rule)),
    what: () => `Delete rule ${rule.priority} to table ${rule.table} on ${name}`,
  })
}

function ruleRequest(rule: Rule): RuleRequest {
  return {
    family: addressFamily(rule.family),
    destinationLength: rule.destination === undefined ? 0 : prefixLength(rule.destination),
    sourceLength: rule.source === undefined ? 0 : prefixLength(rule.source),
    shortTable: rule.table < 256 ? rule.table : 0,
    action: RULE_TO_TABLE,
    destination: rule.destination === undefined ? undefined : prefixAddress(rule.destination),
    source: rule.source === undefined ? undefined : prefixAddress(rule.source),
    inputLink: rule.inputLink,
    outputLink: rule.outputLink,
    priority: rule.priority,
    mark: rule.mark,
    markMask: rule.markMask,
    table: rule.table,
  }
}

export function decodeRule(message: NetlinkMessage): Rule {
  const rule = routingRuleBody.decode(message.body)
  const source = prefixFrom(rule.source, rule.sourceLength)
  const destination = prefixFrom(rule.destination, rule.destinationLength)
  return {
    family: rule.family === AF.inet6 ? 6 : 4,
    priority: rule.priority ?? 0,
    table: rule.table ?? rule.shortTable,
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
    ...(rule.inputLink === undefined ? {} : { inputLink: rule.inputLink }),
    ...(rule.outputLink === undefined ? {} : { outputLink: rule.outputLink }),
    // A mark of 0 is told only where there is a mask to compare it under.
    ...(rule.markMask === undefined ? {} : { mark: rule.mark ?? 0, markMask: rule.markMask }),
  }
}

function prefixFrom(address: IpAddress | undefined, length: number): Prefix | undefined {
  return address === undefined ? undefined : prefixOf(address, length)
}
