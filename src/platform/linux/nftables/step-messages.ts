import { elementsOf, type FilterLookupTable } from '../../../kernel/filter-keys.ts'
import { filterImage } from '../../../kernel/filter-image.ts'
import type { FilterStep, RuleImage, TableImage } from '../../../kernel/filter-plan.ts'
import type {
  FilterChain,
  FilterCounter,
  FilterFlowtable,
  FilterRule,
  FilterTable,
} from '../../../kernel/packet-filter.ts'
import { NLM_F } from '../../../wire/netlink/message.ts'
import type { Expression } from '../../../wire/netlink/nftables-expressions.ts'
import {
  chainBody,
  flowtableBody,
  NF_INET,
  NF_NETDEV_INGRESS,
  NF_VERDICT,
  NFPROTO,
  NFT_MSG,
  NFT_OBJECT_COUNTER,
  objectBody,
  ruleBody,
  setBody,
  setElementsBody,
  type SetElement,
  tableBody,
} from '../../../wire/netlink/nftables.ts'
import type { NetlinkRequest } from '../netlink/netlink-socket.ts'
import { keyElements, setElementsOf } from './filter-elements.ts'
import { expressionsOf, type KeyTypes } from './filter-expressions.ts'
import { type KeyOctets, keyOctets } from './key-octets.ts'
import type { KernelTable } from './kernel-table.ts'
import { commentRow, ruleImage } from './rule-text.ts'
import { flowtableShape, lookupShape, wantedChainShape, wantedLookupShape } from './shapes.ts'

export type NftMessage = Omit<NetlinkRequest, 'what'>

const family = NFPROTO.inet
/** Elements in one message: a list of them holds 65,535 octets at most. */
const ELEMENTS_PER_MESSAGE = 400
/** Values of a map need as much room as their keys: a mark four octets, a verdict what the kernel says. */
const MARK_OCTETS = 4

interface WantedRule extends RuleImage {
  readonly expressions: readonly Expression[]
  readonly userData: Uint8Array | undefined
}

/** A table as it should be, in the kernel's words. */
export class WantedTable {
  readonly image: TableImage
  readonly #name: string
  readonly #rules = new Map<string, readonly WantedRule[]>()
  readonly #chains: ReadonlyMap<string, FilterChain>
  readonly #lookups: ReadonlyMap<string, FilterLookupTable>
  readonly #flowtables: ReadonlyMap<string, FilterFlowtable>

  constructor(table: FilterTable) {
    const { name, chains, sets, maps = [], flowtables = [] } = table
    this.#name = name
    this.#chains = new Map(chains.map((chain) => [chain.name, chain]))
    this.#lookups = new Map([...sets, ...maps].map((each) => [each.name, each]))
    this.#flowtables = new Map(flowtables.map((each) => [each.name, each]))
    const keys: KeyTypes = new Map([...this.#lookups].map(([each, { key }]) => [each, key]))
    this.image = filterImage(table, {
      rule: (rule) => wantedRule(rule, keys),
      chain: wantedChainShape,
      lookup: (each) => lookupShape(wantedLookupShape(each)),
      flowtable: ({ priority, links }) => flowtableShape(priority, links),
    })
    for (const [chain, { rules }] of this.image.chains) {
      this.#rules.set(chain, rules as readonly WantedRule[])
    }
  }

  types(lookup: string): FilterLookupTable['key'] {
    return this.#lookups.get(lookup)!.key
  }

  /** How the kernel knows each of a set's elements. */
  keys(lookup: string, texts: readonly string[]): readonly (readonly [string, KeyOctets])[] {
    const table = this.#lookups.get(lookup)!
    const elements = elementsOf(table)
    return texts.map((text) => [text, keyOctets(table.key, elements.get(text)!.key)])
  }

  /**
   * The messages of a step.
   * @param live the table before any step, with the handles of rules that steps name
   * @param counters what counters begin with
   */
  messages(
    step: FilterStep,
    live: KernelTable | undefined,
    counters: ReadonlyMap<string, FilterCounter>,
  ): readonly NftMessage[] {
    const { name } = step
    const table = this.#name
    const create = NLM_F.create
    switch (step.step) {
      case 'addTable':
        return [message(NFT_MSG.newTable, tableBody, { name: table }, create)]
      case 'deleteTable':
        return [message(NFT_MSG.deleteTable, tableBody, { name: table })]
      case 'flushChain':
        return [message(NFT_MSG.deleteRule, ruleBody, { table, chain: name })]
      case 'deleteRule': {
        const { handle } = live!.chains.get(name)!.rules[step.index]!
        return [message(NFT_MSG.deleteRule, ruleBody, { table, chain: name, handle })]
      }
      case 'flushLookup':
        return [message(NFT_MSG.deleteSetElement, setElementsBody, { table, set: name })]
      case 'deleteElements': {
        const { keys } = live!.lookups.get(name)!
        const elements = step.keys.map((key) => keyElements(keys.get(key)!))
        return this.#elementMessages(NFT_MSG.deleteSetElement, name, elements)
      }
      case 'deleteChain':
        return [message(NFT_MSG.deleteChain, chainBody, { table, name })]
      case 'deleteLookup':
        return [message(NFT_MSG.deleteSet, setBody, { table, name })]
      case 'deleteFlowtable':
        return [message(NFT_MSG.deleteFlowtable, flowtableBody, { table, name })]
      case 'deleteCounter':
        return [
          message(NFT_MSG.deleteObject, objectBody, { table, name, type: NFT_OBJECT_COUNTER }),
        ]
      case 'addCounter':
        return [this.#addCounter(name, counters.get(name))]
      case 'addFlowtable':
        return [this.#addFlowtable(this.#flowtables.get(name)!)]
      case 'addLookup':
        return [this.#addLookup(this.#lookups.get(name)!)]
      case 'addChain':
      case 'setPolicy':
        return [this.#addChain(this.#chains.get(name)!, step.step === 'addChain')]
      case 'addElements': {
        const { key } = this.#lookups.get(name)!
        const elements = elementsOf(this.#lookups.get(name)!)
        const rows = step.keys.map((text) => setElementsOf(key, elements.get(text)!))
        return this.#elementMessages(NFT_MSG.newSetElement, name, rows)
      }
      case 'addRule': {
        const { expressions, userData } = this.#rules.get(name)![step.index]!
        const before =
          step.before === undefined ? undefined : live!.chains.get(name)!.rules[step.before]!
        const values = { table, chain: name, expressions, userData, position: before?.handle }
        return [
          message(
            NFT_MSG.newRule,
            ruleBody,
            values,
            before === undefined ? create | NLM_F.append : create,
          ),
        ]
      }
    }
  }

  #addCounter(name: string, value: FilterCounter | undefined): NftMessage {
    const counter = { packets: BigInt(value?.packets ?? 0), octets: BigInt(value?.octets ?? 0) }
    const values = { table: this.#name, name, type: NFT_OBJECT_COUNTER, counter }
    return message(NFT_MSG.newObject, objectBody, values, NLM_F.create)
  }

  #addFlowtable({ name, priority, links }: FilterFlowtable): NftMessage {
    const hook = { number: NF_NETDEV_INGRESS, priority, links }
    return message(
      NFT_MSG.newFlowtable,
      flowtableBody,
      { table: this.#name, name, hook },
      NLM_F.create,
    )
  }

  #addLookup(lookup: FilterLookupTable): NftMessage {
    const { flags, keyType, keyOctets: octets, valueType } = wantedLookupShape(lookup)
    const isMarks = 'entries' in lookup && lookup.value === 'mark'
    const values = {
      table: this.#name,
      name: lookup.name,
      flags,
      keyType,
      keyOctets: octets,
      valueType,
      valueOctets: isMarks ? MARK_OCTETS : undefined,
      // Sets are found by name; the kernel wants the number all the same.
      id: 1,
    }
    return message(NFT_MSG.newSet, setBody, values, NLM_F.create)
  }

  #addChain(chain: FilterChain, isNew: boolean): NftMessage {
    const base =
      chain.hook === undefined
        ? {}
        : {
            ...(isNew ? { type: chain.type } : {}),
            ...(isNew ? { hook: { number: NF_INET[chain.hook], priority: chain.priority } } : {}),
            policy: NF_VERDICT[chain.policy],
          }
    const values = { table: this.#name, name: chain.name, ...base }
    return message(NFT_MSG.newChain, chainBody, values, isNew ? NLM_F.create : 0)
  }

  #elementMessages(
    type: number,
    set: string,
    rows: readonly (readonly SetElement[])[],
  ): readonly NftMessage[] {
    const sorted = rows.toSorted((a, b) => Buffer.compare(a[0]!.key!.value!, b[0]!.key!.value!))
    const messages: NftMessage[] = []
    for (let at = 0; at < sorted.length; at += ELEMENTS_PER_MESSAGE) {
      const elements = sorted.slice(at, at + ELEMENTS_PER_MESSAGE).flat()
      const flags = type === NFT_MSG.newSetElement ? NLM_F.create : 0
      messages.push(message(type, setElementsBody, { table: this.#name, set, elements }, flags))
    }
    return messages
  }
}

function wantedRule(rule: FilterRule, keys: KeyTypes): WantedRule {
  const expressions = expressionsOf(rule, keys)
  const userData = rule.comment === undefined ? undefined : commentRow(rule.comment)
  return { ...ruleImage(expressions, userData), expressions, userData }
}

function message<Values>(
  type: number,
  codec: { encode(to: Parameters<NetlinkRequest['body']>[0], values: Values): void },
  values: Values,
  flags = 0,
): NftMessage {
  const body = { family, ...values }
  return { type, flags, body: (to) => codec.encode(to, body) }
}
