import { messageOf } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { IpAddress } from '../../net/ip-address.ts'
import type { SpeakerEvent } from '../status.ts'
import type { Bfd, BfdSession, BfdSessionConfig } from './bfd.ts'

/** What of a speaker this needs. */
export interface FollowedSpeaker {
  onEvent(listener: (event: SpeakerEvent) => void): unknown
  /** The BFD session that an established neighbor's configuration asks for, if it does. */
  bfdSessionOf(neighbor: IpAddress): BfdSessionConfig | undefined
  neighborDown(neighbor: IpAddress, reason: string): void
  readonly defer: (task: () => void) => void
  readonly log: Log
}

/**
 * Gives every established neighbor that asks for it a BFD session for as long as it is established,
 * and tells the speaker when that fails (RFC 5882 section 4). A neighbor that does not answer BFD, or
 * shuts it down, keeps its BGP session.
 */
export function followNeighbors(bfd: Bfd, speaker: FollowedSpeaker): void {
  const sessions = new Map<IpAddress, BfdSession>()
  const end = (neighbor: IpAddress): void => {
    sessions.get(neighbor)?.close()
    sessions.delete(neighbor)
  }
  const fail = (neighbor: IpAddress, session: BfdSession, reason: string): void => {
    // By now it may have ended, and another have begun.
    if (sessions.get(neighbor) === session) speaker.neighborDown(neighbor, `BFD: ${reason}`)
  }
  const begin = (neighbor: IpAddress): void => {
    const config = speaker.bfdSessionOf(neighbor)
    if (config === undefined || sessions.has(neighbor)) return
    try {
      const session = bfd.add(config, ({ failure, reason }) => {
        if (failure) speaker.defer(() => fail(neighbor, session, reason))
      })
      sessions.set(neighbor, session)
    } catch (error) {
      speaker.log.error('Failed to start a BFD session', { neighbor, reason: messageOf(error) })
    }
  }
  speaker.onEvent((event) => {
    if (event.kind !== 'neighborState') return
    // The session's local address is known only after the state has changed.
    if (event.to === 'Established') speaker.defer(() => begin(event.neighbor))
    else if (event.from === 'Established') end(event.neighbor)
  })
}
