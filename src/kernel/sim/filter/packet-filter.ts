import { checkFilterTable } from '../../check-filter-table.ts'
import type {
  BaseChain,
  FilterChange,
  FilterCounter,
  FilterHook,
  FilterRule,
  FilterTable,
  Rejection,
} from '../../packet-filter.ts'
import type { Namespace } from '../namespace.ts'
import { refusal } from '../configuration/port-values.ts'
import { Connections, TRACKING_PRIORITY } from './connections.ts'
import type { FilteredPacket } from './filtered-packet.ts'
import { LiveTable } from './live-table.ts'

interface Place {
  readonly table: LiveTable
  readonly chain: BaseChain
}

/** Where packets enter a namespace, and so conntrack. */
const TRACKING_HOOKS: ReadonlySet<FilterHook> = new Set(['prerouting', 'output'])

/** All tables of a namespace's packet filter (nf_tables). */
export class PacketFilter {
  readonly #tables = new Map<string, LiveTable>()
  /** Base chains of all tables by type and hook, in the order that packets pass them. */
  #places: ReadonlyMap<string, readonly Place[]> = new Map()
  readonly connections = new Connections()
  /** Connections cost something, and are tracked where a rule asks for them alone. */
  #tracks = false

  keep(table: FilterTable): readonly FilterChange[] {
    const known = this.#tables.get(table.name)
    // A thousand agents that look at their tables again need not compare what nobody else can have changed.
    if (known?.table === table) return []
    checkFilterTable(table)
    const live = known ?? new LiveTable()
    const changes = live.keep(table)
    this.#tables.set(table.name, live)
    if (changes.length > 0) this.#arrange()
    return changes
  }

  delete(name: string): void {
    if (!this.#tables.delete(name)) {
      throw refusal('ENOENT', `Unable to delete table ${name} of the packet filter`)
    }
    this.#arrange()
  }

  counters(name: string): ReadonlyMap<string, FilterCounter> {
    const counters = this.#tables.get(name)?.counters ?? []
    return new Map([...counters].map(([counter, value]) => [counter, { ...value }]))
  }

  #arrange(): void {
    const places = [...this.#tables.values()].flatMap((table) =>
      table.baseChains.map((chain): Place => ({ table, chain })),
    )
    places.sort((a, b) => a.chain.priority - b.chain.priority)
    const byHook = new Map<string, Place[]>()
    for (const each of places) {
      const hook = `${each.chain.type} ${each.chain.hook}`
      byHook.set(hook, [...(byHook.get(hook) ?? []), each])
    }
    this.#places = byHook
    this.#tracks = [...this.#tables.values()].some((table) => table.tracks)
  }

  /** Whether anything looks at packets there; who asks can spare itself the trouble of describing one. */
  sees(hook: FilterHook): boolean {
    return this.#places.has(`filter ${hook}`) || (this.#tracks && TRACKING_HOOKS.has(hook))
  }

  /** Each chain has its say; one that does not accept is the last. */
  decide(
    namespace: Namespace,
    hook: FilterHook,
    packet: FilteredPacket,
  ): 'accept' | 'drop' | { readonly reject: Rejection } {
    const tracks = this.#tracks && TRACKING_HOOKS.has(hook)
    for (const { table, chain } of this.#places.get(`filter ${hook}`) ?? []) {
      if (tracks && chain.priority > TRACKING_PRIORITY) this.connections.track(namespace, packet)
      const verdict = table.decide(namespace, chain.name, packet)?.verdict ?? chain.policy
      if (verdict === 'drop' || typeof verdict === 'object') return verdict
    }
    if (tracks) this.connections.track(namespace, packet)
    return 'accept'
  }

  /** The rule that gives a connection which begins with this packet another source, if one does. */
  masquerades(namespace: Namespace, packet: FilteredPacket): FilterRule | undefined {
    for (const { table, chain } of this.#places.get('nat postrouting') ?? []) {
      const found = table.decide(namespace, chain.name, packet)
      if (found?.verdict === 'masquerade' || found?.verdict === 'masqueradeRandomly') {
        return found.rule
      }
    }
    return undefined
  }

  get hasSourceNat(): boolean {
    return this.#places.has('nat postrouting')
  }
}
