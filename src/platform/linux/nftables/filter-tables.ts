import { checkFilterTable } from '../../../kernel/check-filter-table.ts'
import { type FilterPlan, planFilter } from '../../../kernel/filter-plan.ts'
import { isKernelError, KernelError } from '../../../kernel/kernel.ts'
import type { FilterChange, FilterCounter, FilterTable } from '../../../kernel/packet-filter.ts'
import {
  batchBody,
  generationBody,
  NFNL_MSG_BATCH,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO,
  NFT_MSG,
  NFT_OBJECT_COUNTER,
  objectBody,
  ruleBody,
  tableBody,
} from '../../../wire/netlink/nftables.ts'
import type { NetlinkSocket } from '../netlink/netlink-socket.ts'
import type { KernelTable } from './kernel-table.ts'
import { readRules, readTable } from './read-table.ts'
import { type NftMessage, WantedTable } from './step-messages.ts'

const family = NFPROTO.inet
/** A rule set that others change meanwhile is read again, so often at most. */
const ATTEMPTS = 20
/** Beyond so many chains whose handles are not known, all are read at once. */
const CHAINS_READ_ALONE = 20

interface KnownTable {
  /** The kernel counts one up at every change of anybody. */
  readonly generation: number
  readonly table: KernelTable | 'unusable' | undefined
}

/** Tables of nftables in one namespace, of the family inet, by the kernel's own messages. */
export class FilterTables {
  readonly #netlink: NetlinkSocket
  readonly #name: string
  readonly #known = new Map<string, KnownTable>()

  constructor(netlink: NetlinkSocket, name: string) {
    this.#netlink = netlink
    this.#name = name
  }

  keep(table: FilterTable): readonly FilterChange[] {
    checkFilterTable(table)
    const { name } = table
    const wanted = new WantedTable(table)
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const known = this.#read(name)
      const plan = planFilter(name, known.table, wanted.image)
      if (plan.steps.length === 0) return []
      if (this.#make(wanted, known, plan, name)) return plan.changes
    }
    throw new KernelError(
      'EAGAIN',
      `Make table ${name} of the packet filter on ${this.#name}: others changed it during each of ${ATTEMPTS} attempts`,
    )
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
    const body = { family, table: name }
    const rows = this.#netlink.dump(
      {
        type: NFT_MSG.getObject,
        body: (to) => ruleBody.encode(to, body),
        what: () => `Read counters of table ${name} of the packet filter on ${this.#name}`,
      },
      (message) => objectBody.decode(message.body),
    )
    return new Map(
      rows
        .filter((row) => row.table === name && row.type === NFT_OBJECT_COUNTER)
        .map(({ name: counter = '', counter: value }) => [
          counter,
          { packets: Number(value?.packets ?? 0), octets: Number(value?.octets ?? 0) },
        ]),
    )
  }

  /** False if somebody changed the rule set since it was read. */
  #make(wanted: WantedTable, known: KnownTable, { steps }: FilterPlan, name: string): boolean {
    const what = (): string => `Make table ${name} of the packet filter on ${this.#name}`
    const live = typeof known.table === 'object' ? known.table : undefined
    if (live !== undefined) this.#learnHandles(live, name, steps)
    const counters = live === undefined ? this.counters(name) : NO_COUNTERS
    const messages = steps.flatMap((step) => wanted.messages(step, live, counters))
    try {
      this.#transact(what, messages, known.generation)
    } catch (thrown) {
      if (isKernelError(thrown, 'ERESTART')) return false
      throw thrown
    }
    const after = afterSteps(live, wanted, steps)
    this.#known.set(name, { generation: nextGeneration(known.generation), table: after })
    return true
  }

  /** Reads what the kernel calls the rules that steps name, where they were made since the last reading. */
  #learnHandles(live: KernelTable, name: string, steps: FilterPlan['steps']): void {
    const chains = new Set(
      steps
        .filter(({ step }) => step === 'deleteRule' || step === 'addRule')
        .map((step) => step.name)
        .filter((chain) =>
          live.chains.get(chain)?.rules.some(({ handle }) => handle === undefined),
        ),
    )
    const what = (): string => `Read table ${name} of the packet filter on ${this.#name}`
    if (chains.size > CHAINS_READ_ALONE) {
      const all = readTable(this.#netlink, name, what)
      if (typeof all === 'object')
        for (const [each, chain] of all.chains) live.chains.set(each, chain)
      return
    }
    for (const each of chains) {
      const rules = readRules(this.#netlink, name, each, what)
      live.chains.set(each, { ...live.chains.get(each)!, rules })
    }
  }

  #read(name: string): KnownTable {
    const known = this.#known.get(name)
    const what = (): string => `Read table ${name} of the packet filter on ${this.#name}`
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const generation = this.#generation()
      if (known?.generation === generation) return known
      const read = { generation, table: readTable(this.#netlink, name, what) }
      if (this.#generation() !== generation) continue
      this.#known.set(name, read)
      return read
    }
    throw new KernelError('EAGAIN', `${what()}: it changed during each of ${ATTEMPTS} attempts`)
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

  /** @param generation the transaction is refused with ERESTART if the rule set is of another */
  #transact(what: () => string, messages: readonly NftMessage[], generation?: number): void {
    const edge = (type: number, more: { readonly generation?: number }): NftMessage => ({
      type,
      body: (to) => batchBody.encode(to, { resource: NFNL_SUBSYS_NFTABLES, ...more }),
    })
    this.#netlink.transact(what, [
      edge(NFNL_MSG_BATCH.begin, generation === undefined ? {} : { generation }),
      ...messages,
      edge(NFNL_MSG_BATCH.end, {}),
    ])
  }
}

const NO_COUNTERS: ReadonlyMap<string, FilterCounter> = new Map()

/** The kernel leaves 0 out, which stands for no generation (nft_base_seq_inc). */
function nextGeneration(generation: number): number {
  const next = (generation + 1) >>> 0
  return next === 0 ? 1 : next
}

/** The table after our own steps, as it need not be read again: what they did not name is as it was. */
function afterSteps(
  live: KernelTable | undefined,
  wanted: WantedTable,
  steps: FilterPlan['steps'],
): KernelTable {
  const { image } = wanted
  const touched = new Set(steps.map(({ name }) => name))
  const chains: KernelTable['chains'] = new Map()
  for (const [name, chain] of image.chains) {
    const before = live?.chains.get(name)
    const rules = chain.rules.map(({ text, uses }) => ({ text, uses, handle: undefined }))
    chains.set(name, before === undefined || touched.has(name) ? { ...chain, rules } : before)
  }
  const lookups: KernelTable['lookups'] = new Map()
  for (const [name, lookup] of image.lookups) {
    const before = live?.lookups.get(name)
    if (before !== undefined && !touched.has(name)) {
      lookups.set(name, before)
      continue
    }
    const elements = new Map(lookup.elements)
    const keys = new Map(wanted.keys(name, [...elements.keys()]))
    lookups.set(name, { ...lookup, types: wanted.types(name), elements, keys })
  }
  return {
    chains,
    lookups,
    counters: new Set(image.counters),
    flowtables: new Map(image.flowtables),
  }
}
