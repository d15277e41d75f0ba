import { describe, expect, it } from 'vitest'
import { tooLargePacket } from './path-mtus.ts'

/** What a router of MTU 1400 answers to an IPIP packet of 1,500 octets with DF. */
const MESSAGE = [
  [0x45, 0xc0, 0, 56, 0, 1, 0, 0, 63, 1, 0, 0, 172, 16, 170, 1, 172, 16, 170, 128],
  [3, 4, 0, 0, 0, 0, 1400 >> 8, 1400 & 255],
  [0x45, 0, 1500 >> 8, 1500 & 255, 0, 9, 0x40, 0, 63, 4, 0, 0, 172, 16, 170, 128, 172, 16, 2, 1],
  [0x45, 0, 0, 0, 0, 0, 0, 0],
].flat()

const changed = (at: number, value: number): Uint8Array =>
  Uint8Array.from(MESSAGE).fill(value, at, at + 1)

describe('an ICMP message', () => {
  it('says which IPIP packet was too large, and what would have passed', () => {
    expect(tooLargePacket(Uint8Array.from(MESSAGE))).toEqual({
      source: '172.16.170.128',
      destination: '172.16.2.1',
      mtu: 1400,
    })
  })

  it.each([
    ['of another type', 20, 11],
    ['of another code', 21, 1],
    ['about another protocol', 28 + 9, 6],
  ])('%s says nothing of the kind', (_, at, value) => {
    expect(tooLargePacket(changed(at, value))).toBeUndefined()
  })

  it('without an MTU says nothing that helps', () => {
    expect(tooLargePacket(Uint8Array.from(MESSAGE).fill(0, 26, 28))).toBeUndefined()
  })

  it('may be cut anywhere', () => {
    for (let length = 0; length < 48; length++) {
      expect(tooLargePacket(Uint8Array.from(MESSAGE.slice(0, length)))).toBeUndefined()
    }
  })
})
