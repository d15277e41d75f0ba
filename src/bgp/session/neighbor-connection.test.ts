import { describe, expect, it } from 'vitest'
import { type Clock, VirtualClock } from '../../lib/clock.ts'
import { silentLog } from '../../lib/log.ts'
import { ip } from '../../net/ip-address.ts'
import type { TcpConnection, TcpHandlers } from '../../net/transport.ts'
import { encodeMessage } from '../../wire/bgp/message.ts'
import { GOLDENS, SESSION } from '../../wire/bgp/testing/goldens.ts'
import { NeighborConnection, type ConnectionEvents } from './neighbor-connection.ts'
import { Work } from '../work.ts'

const ROUTES = 50_000
const PIECE_OCTETS = 16_384

/** Every look at it is a millisecond later: as much is done in between as a slow machine does. */
function slowClock(): Clock {
  const clock = new VirtualClock()
  let looks = 0
  return {
    now: () => clock.now() + looks++,
    wallTime: () => clock.wallTime(),
    after: (milliseconds, fire) => clock.after(milliseconds, fire),
  }
}

/** An Established link that counts UPDATEs; the turns of the event loop are taken by hand. */
function established() {
  const turns: (() => void)[] = []
  const work = new Work(slowClock(), (task) => turns.push(task))
  const said: string[] = []
  const connection: TcpConnection = {
    handlers: {} as TcpHandlers,
    local: { address: ip('10.0.0.1'), port: 179 },
    remote: { address: ip('10.0.0.2'), port: 40_000 },
    unsentOctets: 0,
    write: () => true,
    pause: () => said.push('pause'),
    resume: () => said.push('resume'),
    close: () => said.push('close'),
    destroy: () => said.push('destroy'),
  }
  const seen = { updates: 0, octets: 0, ended: false }
  const events: ConnectionEvents = {
    event: ({ kind }) => said.push(kind),
    open: () => {},
    update: (_, start, end) => {
      seen.updates++
      seen.octets += end - start
      return !seen.ended
    },
    routeRefresh: () => {},
    shutdownCommunication: () => {},
    heard: () => {},
    taken: () => {},
    processed: () => {},
    drained: () => {},
  }
  const link = new NeighborConnection(connection, work, silentLog, events)
  link.isEstablished = true
  return { connection, link, said, seen, turns }
}

const UPDATE = GOLDENS.find(({ message }) => message.kind === 'update')!
const MESSAGE = encodeMessage(UPDATE.message, SESSION)

function manyUpdates(count: number): Uint8Array {
  const octets = new Uint8Array(MESSAGE.length * count)
  for (let at = 0; at < count; at++) octets.set(MESSAGE, at * MESSAGE.length)
  return octets
}

describe('a link that gets more than a turn of the event loop can take', () => {
  it('takes a little in each turn, reads nothing more meanwhile, and loses nothing', () => {
    const { connection, said, seen, turns } = established()
    let [most, count, before] = [0, 0, 0]
    const look = (): void => {
      count++
      most = Math.max(most, seen.octets - before)
      before = seen.octets
    }
    connection.handlers.onData(manyUpdates(ROUTES))
    look()
    expect(said).toEqual(['pause'])
    for (let next = turns.shift(); next !== undefined; next = turns.shift()) {
      next()
      look()
    }
    expect(seen.updates).toBe(ROUTES)
    expect(said).toEqual(['pause', 'resume'])
    expect(count).toBeGreaterThan((ROUTES * MESSAGE.length) / PIECE_OCTETS / 10)
    expect(most).toBeLessThan(12 * PIECE_OCTETS)
  })

  it('takes all of it before it tells of the end of the connection', () => {
    const { connection, said, seen } = established()
    connection.handlers.onData(manyUpdates(ROUTES))
    connection.handlers.onClose('gone')
    expect(seen.updates).toBe(ROUTES)
    expect(said).toEqual(['pause', 'tcpFails'])
  })

  it('stops at the UPDATE that ends the session', () => {
    const { connection, link, seen, turns } = established()
    connection.handlers.onData(manyUpdates(ROUTES))
    seen.ended = true
    link.close()
    const { updates } = seen
    for (let next = turns.shift(); next !== undefined; next = turns.shift()) next()
    expect(seen.updates).toBe(updates)
  })
})
