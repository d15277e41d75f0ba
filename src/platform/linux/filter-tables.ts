import { isDeepStrictEqual } from 'node:util'
import { checkFilterTable, distinctPrefixes } from '../../kernel/check-filter-table.ts'
import { isKernelError, KernelError } from '../../kernel/kernel.ts'
import type {
  FilterChain,
  FilterChange,
  FilterCounter,
  FilterTable,
} from '../../kernel/packet-filter.ts'
import { sortedPrefixes, type Prefix } from '../../net/prefix.ts'
import { NLM_F } from '../../wire/netlink/message.ts'
import type { Expression } from '../../wire/netlink/nftables-expressions.ts'
import {
  batchBody,
  chainBody,
  generationBody,
  NF_INET,
  NF_VERDICT,
  NFNL_MSG_BATCH,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO,
  NFT_KEY_TYPE,
  NFT_MSG,
  NFT_OBJECT_COUNTER,
  NFT_SET_INTERVAL,
  objectBody,
  ruleBody,
  setBody,
  setElementsBody,
  tableBody,
} from '../../wire/netlink/nftables.ts'
import { elementsOf, prefixesOf } from './filter-elements.ts'
import { expressionsOf } from './filter-expressions.ts'
import type { NetlinkRequest, NetlinkSocket } from './netlink-socket.ts'

type Message = Omit<NetlinkRequest, 'what'>

const family = NFPROTO.inet
/** Prefixes in one message: a list of elements holds 65,535 octets at most. */
const PREFIXES_PER_MESSAGE = 500
/** A table that is changed by others while it is read is read again, so often at most. */
const READ_ATTEMPTS = 20

/** What a table is made of, without its counters' values; comparable. */
interface TableState {
  readonly flags: number
  readonly chains: readonly {
    readonly name: string
    readonly hook: { readonly number: number; readonly priority: number } | undefined
    readonly policy: number | undefined
    readonly type: string | undefined
    readonly rules: readonly (readonly Expression[])[]
  }[]
  readonly sets: readonly {
    readonly name: string
    readonly flags: number
    readonly keyOctets: number
  }[]
  readonly counters: readonly string[]
}

interface KnownTable {
  readonly generation: number
  readonly state: TableState | undefined
  readonly members: ReadonlyMap<string, readonly Prefix[] | undefined>
}

/** Tables of nftables in one namespace, of the family inet, by the kernel's own messages. */
export class FilterTables {
  readonly #netlink: NetlinkSocket
  readonly #name: string
  /** As read at some generation of the rule set; the kernel counts one up at every change of anybody. */
  readonly #known = new Map<string, KnownTable>()

  constructor(netlink: NetlinkSocket, name: string) {
    this.#netlink = netlink
    this.#name = name
  }

  keep(table: FilterTable): FilterChange {
    checkFilterTable(table)
    const what = (): string => `Make table ${table.name} of the packet filter on ${this.#name}`
    const members = new Map(table.sets.map((set) => [set.name, distinctPrefixes(set.prefixes)]))
    const before = this.#read(table.name)
    const isRight = before.state !== undefined && isDeepStrictEqual(before.state, stateOf(table))
    if (isRight) {
      const changes = memberChanges(table, before.members, members)
      if (changes !== undefined) {
        if (changes.length === 0) return 'none'
        this.#transact(what, changes)
        return 'sets'
      }
    }
    this.#transact(what, makeTable(table, members, this.counters(table.name)))
    return 'table'
  }

  delete(name: string): void {
    const body = { family, name }
    const type = NFT_MSG.deleteTable
    this.#transact(
      () => `Delete table ${name} of the packet filter on ${this.#name}`,
      [{ type, body: (to) => tableBody.encode(to, body) }],
    )
    this.#known.delete(name)
  }

  counters(name: string): ReadonlyMap<string, FilterCounter> {
    const rows = this.#dump(NFT_MSG.getObject, name, objectBody).filter(
      (row) => row.table === name && row.type === NFT_OBJECT_COUNTER,
    )
    return new Map(
      rows.map(({ name: counter, counter: value }) => [
        counter ?? '',
        { packets: Number(value?.packets ?? 0), octets: Number(value?.octets ?? 0) },
      ]),
    )
  }

  #read(name: string): KnownTable {
    const known = this.#known.get(name)
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const generation = this.#generation()
      if (known?.generation === generation) return known
      const read = { generation, ...this.#readOnce(name) }
      if (this.#generation() !== generation) continue
      this.#known.set(name, read)
      return read
    }
    throw new KernelError(
      'EAGAIN',
      `Read table ${name} of the packet filter on ${this.#name}: it changed during each of ${READ_ATTEMPTS} attempts`,
    )
  }

  #readOnce(name: string): Omit<KnownTable, 'generation'> {
    const table = this.#table(name)
    if (table === undefined) return { state: undefined, members: new Map() }
    const rules = this.#dump(NFT_MSG.getRule, name, ruleBody).filter((row) => row.table === name)
    const chains = this.#dump(NFT_MSG.getChain, name, chainBody).filter((row) => row.table === name)
    const sets = this.#dump(NFT_MSG.getSet, name, setBody).filter((row) => row.table === name)
    const objects = this.#dump(NFT_MSG.getObject, name, objectBody).filter(
      (row) => row.table === name,
    )
    const state: TableState = {
      flags: table.flags ?? 0,
      chains: byName(
        chains.map(({ name: chain = '', hook, policy, type }) => ({
          name: chain,
          hook: hook && { number: hook.number ?? -1, priority: hook.priority ?? 0 },
          policy,
          type,
          rules: rules
            .filter((rule) => rule.chain === chain)
            .map(({ expressions = [] }) => expressions),
        })),
      ),
      sets: byName(
        sets.map(({ name: set = '', flags = 0, keyOctets = 0 }) => ({
          name: set,
          flags,
          keyOctets,
        })),
      ),
      counters: objects
        .map(({ name: object = '', type }) => (type === NFT_OBJECT_COUNTER ? object : `?${object}`))
        .sort(),
    }
    const members = new Map(sets.map(({ name: set = '' }) => [set, this.#members(name, set)]))
    return { state, members }
  }

  #table(name: string) {
    const body = { family, name }
    try {
      return this.#netlink.ask(
        {
          type: NFT_MSG.getTable,
          body: (to) => tableBody.encode(to, body),
          what: () => `Read table ${name} of the packet filter on ${this.#name}`,
        },
        (message) => tableBody.decode(message.body),
      )
    } catch (thrown) {
      if (isKernelError(thrown, 'ENOENT')) return undefined
      throw thrown
    }
  }

  #members(table: string, set: string): readonly Prefix[] | undefined {
    const body = { family, table, set }
    const rows = this.#netlink.dump(
      {
        type: NFT_MSG.getSetElement,
        body: (to) => setElementsBody.encode(to, body),
        what: () => `Read set ${set} of table ${table} on ${this.#name}`,
      },
      (message) => setElementsBody.decode(message.body).elements ?? [],
    )
    return prefixesOf(rows.flat())
  }

  /** All of a kind, of one table where the kernel heeds that (rules, sets and objects). */
  #dump<Value>(
    type: number,
    table: string,
    codec: { decode(from: Parameters<typeof ruleBody.decode>[0]): Value },
  ): readonly Value[] {
    const body = { family, table }
    return this.#netlink.dump(
      {
        type,
        // The name of a table is attribute 1 of all of them.
        body: (to) => ruleBody.encode(to, body),
        what: () => `Read table ${table} of the packet filter on ${this.#name}`,
      },
      (message) => codec.decode(message.body),
    )
  }

  #generation(): number {
    return this.#netlink.ask(
      {
        type: NFT_MSG.getGeneration,
        body: (to) => generationBody.encode(to, {}),
        what: () => `Ask for the state of the packet filter on ${this.#name}`,
      },
      (message) => generationBody.decode(message.body).id ?? 0,
    )
  }

  #transact(what: () => string, messages: readonly Message[]): void {
    const resource = NFNL_SUBSYS_NFTABLES
    const edge = (type: number): Message => ({
      type,
      body: (to) => batchBody.encode(to, { resource }),
    })
    this.#netlink.transact(what, [
      edge(NFNL_MSG_BATCH.begin),
      ...messages,
      edge(NFNL_MSG_BATCH.end),
    ])
  }
}

function byName<Row extends { readonly name: string }>(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

/** The table as the kernel would tell of it. */
function stateOf(table: FilterTable): TableState {
  return {
    flags: 0,
    chains: byName(
      table.chains.map((chain) => ({
        name: chain.name,
        hook: { number: NF_INET[chain.hook], priority: chain.priority },
        policy: NF_VERDICT[chain.policy],
        type: chain.type,
        rules: chain.rules.map((rule) => expressionsOf(table, rule)),
      })),
    ),
    sets: byName(
      table.sets.map((set) => ({
        name: set.name,
        flags: NFT_SET_INTERVAL,
        keyOctets: KEYS[set.family].octets,
      })),
    ),
    counters: [...countersOf(table.chains)].sort(),
  }
}

function countersOf(chains: readonly FilterChain[]): ReadonlySet<string> {
  return new Set(chains.flatMap(({ rules }) => rules.flatMap(({ counter }) => counter ?? [])))
}

const KEYS = {
  4: { type: NFT_KEY_TYPE.ipv4Address, octets: 4 },
  6: { type: NFT_KEY_TYPE.ipv6Address, octets: 16 },
} as const

/** Messages that change members of sets; undefined where a set holds what was not put there. */
function memberChanges(
  table: FilterTable,
  before: KnownTable['members'],
  after: ReadonlyMap<string, readonly Prefix[]>,
): readonly Message[] | undefined {
  const removals: Message[] = []
  const additions: Message[] = []
  for (const { name } of table.sets) {
    const had = before.get(name)
    if (had === undefined) return undefined
    const wanted = after.get(name)!
    const [old, now] = [new Set(had), new Set(wanted)]
    const gone = had.filter((prefix) => !now.has(prefix))
    const come = wanted.filter((prefix) => !old.has(prefix))
    removals.push(...elementMessages(NFT_MSG.deleteSetElement, table.name, name, gone))
    additions.push(...elementMessages(NFT_MSG.newSetElement, table.name, name, come))
  }
  return [...removals, ...additions]
}

function elementMessages(
  type: number,
  table: string,
  set: string,
  prefixes: readonly Prefix[],
): readonly Message[] {
  const sorted = sortedPrefixes(prefixes)
  const messages: Message[] = []
  for (let at = 0; at < sorted.length; at += PREFIXES_PER_MESSAGE) {
    const elements = sorted.slice(at, at + PREFIXES_PER_MESSAGE).flatMap(elementsOf)
    const flags = type === NFT_MSG.newSetElement ? NLM_F.create : 0
    const body = { family, table, set, elements }
    messages.push({ type, flags, body: (to) => setElementsBody.encode(to, body) })
  }
  return messages
}

/** Messages that put a table in place of what has its name: made if it is not there, deleted, made. */
function makeTable(
  table: FilterTable,
  members: ReadonlyMap<string, readonly Prefix[]>,
  counters: ReadonlyMap<string, FilterCounter>,
): readonly Message[] {
  const flags = NLM_F.create
  const named = { family, name: table.name }
  const make = (type: number): Message => ({
    type,
    flags: type === NFT_MSG.newTable ? flags : 0,
    body: (to) => tableBody.encode(to, named),
  })
  const sets = table.sets.map(({ name, family: version }, index): Message => {
    const { type: keyType, octets: keyOctets } = KEYS[version]
    const key = { flags: NFT_SET_INTERVAL, keyType, keyOctets, id: index + 1 }
    const body = { family, table: table.name, name, ...key }
    return { type: NFT_MSG.newSet, flags, body: (to) => setBody.encode(to, body) }
  })
  const elements = table.sets.flatMap(({ name }) =>
    elementMessages(NFT_MSG.newSetElement, table.name, name, members.get(name)!),
  )
  const objects = [...countersOf(table.chains)].map((name): Message => {
    const { packets, octets } = counters.get(name) ?? { packets: 0, octets: 0 }
    const counter = { packets: BigInt(packets), octets: BigInt(octets) }
    const body = { family, table: table.name, name, type: NFT_OBJECT_COUNTER, counter }
    return { type: NFT_MSG.newObject, flags, body: (to) => objectBody.encode(to, body) }
  })
  return [
    make(NFT_MSG.newTable),
    make(NFT_MSG.deleteTable),
    make(NFT_MSG.newTable),
    ...sets,
    ...elements,
    ...objects,
    ...table.chains.flatMap((chain) => chainMessages(table, chain)),
  ]
}

function chainMessages(table: FilterTable, chain: FilterChain): readonly Message[] {
  const body = {
    family,
    table: table.name,
    name: chain.name,
    hook: { number: NF_INET[chain.hook], priority: chain.priority },
    policy: NF_VERDICT[chain.policy],
    type: chain.type,
  }
  const flags = NLM_F.create
  const rules = chain.rules.map((rule): Message => {
    const expressions = expressionsOf(table, rule)
    const ruleValues = { family, table: table.name, chain: chain.name, expressions }
    return {
      type: NFT_MSG.newRule,
      flags: flags | NLM_F.append,
      body: (to) => ruleBody.encode(to, ruleValues),
    }
  })
  return [{ type: NFT_MSG.newChain, flags, body: (to) => chainBody.encode(to, body) }, ...rules]
}
