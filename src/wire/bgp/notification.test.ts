import { describe, expect, it } from 'vitest'
import { fromHex, hex } from '../../lib/bytes.ts'
import { updateError } from './bgp-error.ts'
import { CEASE_SUBCODE } from './iana.ts'
import {
  describeNotification,
  hardReset,
  hardResetCause,
  notificationOf,
  shutdownCommunication,
  shutdownNotification,
} from './notification.ts'

describe('shutdown communication', () => {
  it('survives in any language', () => {
    const text = 'Wartung bis 14:00 – 保守作業 🛠'
    const sent = shutdownNotification(CEASE_SUBCODE.administrativeShutdown, text)
    expect(shutdownCommunication(sent)).toBe(text)
    expect(describeNotification(sent)).toBe(`cease/administrativeShutdown: ${text}`)
  })

  it('is cut at 255 octets, never inside a character', () => {
    const sent = shutdownNotification(CEASE_SUBCODE.administrativeReset, '保'.repeat(200))
    expect(sent.data).toHaveLength(256)
    expect(shutdownCommunication(sent)).toBe('保'.repeat(85))
    const odd = shutdownNotification(CEASE_SUBCODE.administrativeReset, `a${'é'.repeat(200)}`)
    expect(shutdownCommunication(odd)).toBe(`a${'é'.repeat(127)}`)
    const even = shutdownNotification(CEASE_SUBCODE.administrativeReset, 'é'.repeat(200))
    expect(even.data).toHaveLength(255)
  })

  it.each([
    ['no data', 2, ''],
    ['length 0', 2, '00'],
    ['a length beyond the data', 2, '0561'],
    ['octets that are not UTF-8', 2, '02c328'],
    ['another subcode', 3, '0161'],
  ])('is none with %s', (_, subcode, data) => {
    expect(shutdownCommunication({ code: 6, subcode, data: fromHex(data) })).toBeUndefined()
  })

  it('has no control characters in it when it is shown', () => {
    const sent = shutdownNotification(2, 'a\u001B[31mb\nc')
    expect(shutdownCommunication(sent)).toBe('a\uFFFD[31mb\uFFFDc')
  })
})

describe('notification', () => {
  it('names code, subcode and data', () => {
    expect(describeNotification({ code: 3, subcode: 4, data: fromHex('c0010100') })).toBe(
      'updateMessage/attributeFlagsError (data c0010100)',
    )
    expect(describeNotification({ code: 4, subcode: 0, data: fromHex('') })).toBe(
      'holdTimerExpired',
    )
    expect(describeNotification({ code: 9, subcode: 9, data: fromHex('') })).toBe('unknown (9)')
    expect(describeNotification({ code: 6, subcode: 99, data: fromHex('') })).toBe(
      'cease/unknown (99)',
    )
  })

  it('fits a message whatever the error carries', () => {
    const sent = notificationOf(updateError(5, 'too long', new Uint8Array(60_000)))
    expect(sent.data).toHaveLength(4075)
  })

  it('wraps another in a hard reset, which is seen through', () => {
    const text = shutdownNotification(CEASE_SUBCODE.administrativeShutdown, 'patch night')
    const sent = hardReset(text)
    expect(hex(sent.data)).toBe(`0602${hex(text.data)}`)
    expect(shutdownCommunication(sent)).toBe('patch night')
    expect(describeNotification(sent)).toBe('hard reset, cease/administrativeShutdown: patch night')
  })

  it('is described however deep hard resets are wrapped in one another', () => {
    const data = new Uint8Array(65_000).map((_, at) => (at % 2 === 0 ? 6 : 9))
    expect(describeNotification({ code: 6, subcode: 9, data })).toMatch(
      /^hard reset, cease\/hardReset \(data 06090609/,
    )
    expect(shutdownCommunication({ code: 6, subcode: 9, data })).toBeUndefined()
  })

  it('shows what a hard reset wraps', () => {
    expect(hardResetCause({ code: 6, subcode: 9, data: fromHex('0602') })).toEqual({
      code: 6,
      subcode: 2,
      data: fromHex(''),
    })
    expect(hardResetCause({ code: 6, subcode: 9, data: fromHex('06') })).toBeUndefined()
    expect(hardResetCause({ code: 6, subcode: 2, data: fromHex('0602') })).toBeUndefined()
  })
})
