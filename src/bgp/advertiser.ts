import type { Clock } from '../lib/clock.ts'
import type { Family } from '../net/ip-address.ts'
import type { RoutePolicy } from './policy.ts'
import { AddPathRibOut } from './rib/add-path-rib-out.ts'
import { AdjRibOut } from './rib/adj-rib-out.ts'
import type { ExportPolicy } from './rib/export-check.ts'
import { OutScratch } from './rib/out-scratch.ts'
import type { Recipient, RibOut } from './rib/rib-out.ts'
import type { ExportRules } from './rib/export-rules.ts'
import type { Ribs } from './receive.ts'
import type { Work } from './work.ts'

/** A neighbor that routes of one family go to. */
export interface Subscriber extends Recipient {
  readonly isCongested: boolean
}

export interface Subscription {
  readonly family: Family
  readonly rules: ExportRules
  readonly policy: RoutePolicy | undefined
  /** Makes the policy of an Adj-RIB-Out; called once for each. */
  readonly adapt: (policy: RoutePolicy) => ExportPolicy
  /** Called when all routes have been sent, at first and after each `resend`. */
  readonly onRoutesSent?: () => void
}

/** A group is held up by a neighbor that does not read for so long; then that one goes on alone. */
const STALL_MILLISECONDS = 1000

interface Member {
  readonly subscriber: Subscriber
  readonly subscription: Subscription
  group: Group
  out: RibOut
  congestedSince: number | undefined
  hasSentAll: boolean
}

/** Neighbors that are told the same. `main` is undefined until the first of them has been told all. */
interface Group {
  readonly key: string
  readonly policy: RoutePolicy | undefined
  main: RibOut | undefined
  readonly members: Set<Member>
}

/**
 * Decides which Adj-RIB-Out a neighbor is served from. A neighbor that is new or slow has one of its own;
 * once it has been told everything it joins that of its group, where UPDATEs are built once for all.
 */
export class Advertiser {
  readonly #ribs: Ribs
  readonly #clock: Clock
  readonly #work: Work
  readonly #groups: Group[] = []
  readonly #members = new Map<Subscriber, Member[]>()
  /** Every Adj-RIB-Out with those it serves. */
  readonly #outs = new Map<RibOut, Set<Member>>()
  /** Those that serve others than they know of. */
  readonly #unaware = new Set<RibOut>()
  /** Where neighbors went, since anything was sent, that left one Adj-RIB-Out for one group. */
  readonly #moves = new Map<RibOut, Map<Group, RibOut>>()
  readonly #job = (): boolean => this.#run()
  /** Made when the first neighbor is to be told something. */
  #scratch: OutScratch | undefined
  #turn = 0
  readonly #onQuiet: () => void

  /** @param onQuiet called when everything that can be sent has been */
  constructor(ribs: Ribs, clock: Clock, work: Work, onQuiet: () => void) {
    this.#ribs = ribs
    this.#clock = clock
    this.#work = work
    this.#onQuiet = onQuiet
  }

  /** Tells what is to be told, as far as there is room. */
  wake(): void {
    this.#work.add(this.#job)
  }

  /** Whether a row's number must not be given to another prefix yet. */
  holds(family: Family, row: number): boolean {
    for (const out of this.#outs.keys()) {
      if (out.rules.family === family && out.holds(row)) return true
    }
    return false
  }

  subscribe(subscriber: Subscriber, subscription: Subscription): void {
    const group = this.#groupOf(subscription)
    const member: Member = {
      subscriber,
      subscription,
      group,
      out: this.#newOut(subscription),
      congestedSince: undefined,
      hasSentAll: false,
    }
    group.members.add(member)
    this.#serve(member, member.out)
    member.out.queue.scanAll()
    const others = this.#members.get(subscriber)
    if (others === undefined) this.#members.set(subscriber, [member])
    else others.push(member)
    this.wake()
  }

  unsubscribe(subscriber: Subscriber): void {
    for (const member of this.#members.get(subscriber) ?? []) {
      this.#leave(member)
      member.group.members.delete(member)
      if (member.group.members.size === 0) {
        this.#groups.splice(this.#groups.indexOf(member.group), 1)
      }
    }
    this.#members.delete(subscriber)
  }

  /** Sends all routes of a family again (RFC 2918). */
  resend(subscriber: Subscriber, family: Family): void {
    for (const member of this.#members.get(subscriber) ?? []) {
      if (member.subscription.family !== family) continue
      this.#separate(member)
      member.out.queue.scanAll()
      member.hasSentAll = false
    }
    this.wake()
  }

  /** Puts other rules or another policy in force; what they change is sent, nothing is withdrawn first. */
  resubscribe(subscriber: Subscriber, subscription: Subscription): void {
    const member = this.#memberOf(subscriber, subscription.family)
    if (member === undefined) this.subscribe(subscriber, subscription)
    else {
      const former = member.out
      this.#leave(member)
      member.group.members.delete(member)
      const group = this.#groupOf(subscription)
      const out = this.#outAfter(former, group, subscription)
      const next: Member = { ...member, subscription, group, out }
      group.members.add(next)
      this.#serve(next, out)
      const list = this.#members.get(subscriber)!
      list[list.indexOf(member)] = next
    }
    this.wake()
  }

  /**
   * An Adj-RIB-Out of a group that knows what a former one knows and looks at all of it anew. Neighbors
   * that change together, as they do when a policy changes, stay together.
   */
  #outAfter(former: RibOut, group: Group, subscription: Subscription): RibOut {
    const moves = this.#moves.get(former)
    const known = moves?.get(group)
    if (known !== undefined) return known
    const out = this.#newOut(subscription)
    former.copyStateTo(out)
    out.queue.scanAll()
    // With add-path every neighbor is told other paths: all but its own.
    if (out.rules.addPath) return out
    if (moves === undefined) this.#moves.set(former, new Map([[group, out]]))
    else moves.set(group, out)
    return out
  }

  /** Prefixes of a family that a neighbor has been told of. */
  countFor(subscriber: Subscriber, family: Family): number {
    const member = this.#memberOf(subscriber, family)
    return member === undefined ? 0 : member.out.countFor(subscriber.source)
  }

  isAdvertisedTo(subscriber: Subscriber, family: Family, row: number): boolean {
    const member = this.#memberOf(subscriber, family)
    return member !== undefined && member.out.isAdvertisedTo(row, subscriber.source)
  }

  #memberOf(subscriber: Subscriber, family: Family): Member | undefined {
    return this.#members.get(subscriber)?.find((member) => member.subscription.family === family)
  }

  #groupOf({ rules, policy }: Subscription): Group {
    const key = JSON.stringify(rules, (_, value: unknown) =>
      value instanceof Uint8Array ? [...value] : value,
    )
    const found = this.#groups.find((group) => group.key === key && group.policy === policy)
    if (found !== undefined) return found
    const group: Group = { key, policy, main: undefined, members: new Set() }
    this.#groups.push(group)
    return group
  }

  #newOut({ family, rules, policy, adapt }: Subscription): RibOut {
    const rib = this.#ribs[family]
    const adapted = policy === undefined ? undefined : adapt(policy)
    const Kind = rules.addPath ? AddPathRibOut : AdjRibOut
    this.#scratch ??= new OutScratch()
    return new Kind(rib, rules, adapted, this.#scratch)
  }

  #serve(member: Member, out: RibOut): void {
    member.out = out
    let served = this.#outs.get(out)
    if (served === undefined) {
      served = new Set()
      this.#outs.set(out, served)
      this.#ribs[out.rules.family].attach(out.queue, out.rules.addPath)
    }
    served.add(member)
    this.#unaware.add(out)
  }

  #leave(member: Member): void {
    const { out } = member
    const served = this.#outs.get(out)!
    served.delete(member)
    this.#unaware.add(out)
    if (served.size > 0) return
    this.#outs.delete(out)
    this.#unaware.delete(out)
    this.#ribs[out.rules.family].detach(out.queue)
    if (member.group.main === out) member.group.main = undefined
  }

  /** Gives a member an Adj-RIB-Out of its own that knows what its group's knows. */
  #separate(member: Member): void {
    if (member.group.main !== member.out) return
    const { out } = member
    const own = this.#newOut(member.subscription)
    out.copyStateTo(own)
    out.queue.copyTo(own.queue)
    this.#leave(member)
    this.#serve(member, own)
  }

  /** One batch of one Adj-RIB-Out, in turn. */
  #run(): boolean {
    this.#moves.clear()
    const outs = [...this.#outs.keys()]
    for (let count = 0; count < outs.length; count++) {
      this.#turn = (this.#turn + 1) % outs.length
      const out = outs[this.#turn]!
      if (this.#ribs[out.rules.family].isHeldBack) continue
      const served = this.#outs.get(out)!
      if (this.#isHeldUp(out, served)) continue
      if (!out.queue.isEmpty) {
        if (this.#unaware.delete(out)) out.setRecipients([...served].map((one) => one.subscriber))
        out.flush()
        return true
      }
      if (this.#finish(out, served)) return true
    }
    this.#onQuiet()
    return false
  }

  /** Whether a member has no room; one that has none for too long is separated from the others. */
  #isHeldUp(out: RibOut, served: ReadonlySet<Member>): boolean {
    let isHeldUp = false
    for (const member of served) {
      if (!member.subscriber.isCongested) {
        member.congestedSince = undefined
        continue
      }
      const now = this.#clock.now()
      member.congestedSince ??= now
      const isStalled = now - member.congestedSince >= STALL_MILLISECONDS
      if (served.size > 1 && isStalled && !out.queue.isEmpty) this.#separate(member)
      else {
        isHeldUp = true
        if (served.size > 1 && now === member.congestedSince) {
          this.#clock.after(STALL_MILLISECONDS, () => this.wake())
        }
      }
    }
    return isHeldUp
  }

  /** Nothing waits: End-of-RIB goes out where it has not, and who was alone joins the group. */
  #finish(out: RibOut, served: ReadonlySet<Member>): boolean {
    let hasActed = false
    for (const member of served) {
      if (!member.hasSentAll) {
        member.hasSentAll = true
        member.subscription.onRoutesSent?.()
        hasActed = true
      }
      const { group } = member
      // With add-path every neighbor is told other paths: all but its own.
      if (group.main === out || out.rules.addPath) continue
      if (group.main === undefined) group.main = out
      else if (group.main.queue.isEmpty) {
        const { main } = group
        this.#leave(member)
        this.#serve(member, main)
        hasActed = true
      }
    }
    return hasActed
  }
}
