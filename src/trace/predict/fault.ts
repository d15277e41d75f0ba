import type { Family } from '../../net/ip-address.ts'
import type { Netns } from '../../api/node-access.ts'

/** Where something is wrong. */
export interface Place {
  readonly node: string
  readonly netns: Netns
  readonly link?: string
  /** What a command is put behind to run there: "ip netns exec server01 ", or "" when it is not known. */
  readonly enter: string
}

/** Something that is wrong, as a cause's detector found it; the cause's row has the words for it. */
export interface WalkFault {
  /** Id of the cause. */
  readonly cause: string
  /** Of the packet that it stops: settings, prefixes and commands are this family's. */
  readonly family: Family
  readonly place: Place
  readonly facts: FaultFacts
}

export type FaultFacts = Readonly<Record<string, unknown>>
