import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newSession, type Session, type SessionEffect, type SessionEvent, step } from './fsm.ts'
import type { SessionState } from '../status.ts'
import { EVERY_EVENT, SETTINGS } from '../testing/session-events.ts'

const MATRIX = join(import.meta.dirname, 'fsm-matrix.txt')

/** A session as it ordinarily is in each state. */
const IN_STATE: Readonly<Record<SessionState, Session>> = (() => {
  const idle = newSession(SETTINGS)
  const after = (session: Session, ...kinds: SessionEvent['kind'][]): Session =>
    kinds.reduce((at, kind) => step(at, EVERY_EVENT[kind]).session, session)
  const connect = after(idle, 'manualStart')
  const openSent = after(connect, 'tcpConnected')
  const openConfirm = after(openSent, 'openReceived')
  return {
    Idle: idle,
    Connect: connect,
    Active: after(connect, 'tcpFails'),
    OpenSent: openSent,
    OpenConfirm: openConfirm,
    Established: after(openConfirm, 'keepaliveReceived'),
  }
})()

function describeEffect(effect: SessionEffect): string {
  if (effect.do === 'setTimer') return `${effect.timer}=${effect.seconds}`
  if (effect.do === 'stopTimer') return `${effect.timer}=off`
  if (effect.do === 'release') return `release(${effect.cause})`
  if (effect.do !== 'sendNotification') return effect.do
  return `NOTIFICATION ${effect.notification.code}/${effect.notification.subcode}`
}

function printedMatrix(): string {
  const lines: string[] = []
  for (const [state, session] of Object.entries(IN_STATE)) {
    lines.push(state)
    for (const event of Object.values(EVERY_EVENT)) {
      const { session: next, effects, reason } = step(session, event)
      const done = effects.map(describeEffect).join(', ')
      lines.push(`  ${event.kind.padEnd(26)} ${next.state.padEnd(11)} ${done || '-'}  # ${reason}`)
    }
  }
  return `${lines.join('\n')}\n`
}

describe('the state machine', () => {
  it('does what the reviewed matrix of states and events says', () => {
    const printed = printedMatrix()
    if (process.env['UPDATE_SNAPSHOTS'] === '1') writeFileSync(MATRIX, printed)
    expect(printed).toBe(readFileSync(MATRIX, 'utf8'))
  })

  it.each([
    ['OpenSent', 1],
    ['OpenConfirm', 2],
    ['Established', 3],
  ] as const)(
    'answers the unexpected in %s with FSM error subcode %d (RFC 6608)',
    (state, subcode) => {
      const { effects } = step(IN_STATE[state], { kind: 'connectRetryTimerExpires' })
      expect(effects).toContainEqual({
        do: 'sendNotification',
        notification: { code: 5, subcode, data: new Uint8Array(0) },
      })
    },
  )

  it('runs no timers when a hold time of zero was agreed', () => {
    const open = { ...EVERY_EVENT.openReceived, holdTimeSeconds: 0, keepaliveSeconds: 0 }
    const confirmed = step(IN_STATE.OpenSent, open).session
    const established = step(confirmed, { kind: 'keepaliveReceived' }).session
    expect(established).toMatchObject({ state: 'Established', running: ['stable'] })
  })

  it('waits twice as long in Idle with each error in a row, up to the most', () => {
    let session = IN_STATE.Idle
    const waits: number[] = []
    for (let round = 0; round < 7; round++) {
      session = step(session, { kind: 'manualStart' }).session
      session = { ...session, errors: round }
      session = step(session, EVERY_EVENT.tcpConnected).session
      const failed = step(session, EVERY_EVENT.openError)
      session = failed.session
      const wait = failed.effects.find((effect) => effect.do === 'setTimer')
      waits.push(wait?.do === 'setTimer' ? wait.seconds : -1)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30])
  })

  it('counts errors over tries, so that a neighbor that flaps is tried less and less', () => {
    let session = IN_STATE.Idle
    const waits: number[] = []
    for (let round = 0; round < 4; round++) {
      session = step(session, EVERY_EVENT.automaticStart).session
      session = step(session, EVERY_EVENT.tcpConnected).session
      const failed = step(session, EVERY_EVENT.openError)
      session = failed.session
      waits.push(...failed.effects.flatMap((row) => (row.do === 'setTimer' ? [row.seconds] : [])))
    }
    expect(waits).toEqual([1, 2, 4, 8])
    // What is no error does not count.
    session = step(session, EVERY_EVENT.automaticStart).session
    expect(step(session, EVERY_EVENT.manualStop).session.errors).toBe(4)
  })

  it('connects again at once after a connection that was lost', () => {
    const { effects } = step(IN_STATE.Established, EVERY_EVENT.tcpFails)
    expect(effects).toContainEqual({ do: 'setTimer', timer: 'idleHold', seconds: 0 })
  })
})
