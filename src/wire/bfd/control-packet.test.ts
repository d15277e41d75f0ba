import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hex } from '../../lib/bytes.ts'
import {
  BFD_STATE,
  type BfdState,
  decodeBfdControlPacket,
  encodeBfdControlPacket,
} from './control-packet.ts'

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const packets = fc
  .record({
    diagnostic: fc.integer({ min: 0, max: 31 }),
    state: fc.constantFrom(...(Object.keys(BFD_STATE) as BfdState[])),
    poll: fc.boolean(),
    final: fc.boolean(),
    controlPlaneIndependent: fc.boolean(),
    demand: fc.boolean(),
    detectMultiplier: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
    yourDiscriminator: fc.integer({ min: 1, max: 0xffffffff }),
    desiredMinTxMicroseconds: u32,
    requiredMinRxMicroseconds: u32,
    requiredMinEchoRxMicroseconds: u32,
  })
  .map((packet) => ({ ...packet, authenticationType: undefined }))

// prettier-ignore
const UP = Uint8Array.from([
  0x20, // version 1, no diagnostic
  0xe0, // Up, Poll
  3, // Detect Mult
  24, // Length
  0, 0, 0, 1, // My Discriminator
  0, 0, 0, 2, // Your Discriminator
  0, 4, 0x93, 0xe0, // Desired Min TX Interval: 300 ms
  0, 3, 0x0d, 0x40, // Required Min RX Interval: 200 ms
  0, 0, 0, 0, // Required Min Echo RX Interval
])

function changed(at: number, value: number): Uint8Array {
  const octets = UP.slice()
  octets[at] = value
  return octets
}

function problemOf(octets: Uint8Array): string | undefined {
  const decoded = decodeBfdControlPacket(octets)
  return decoded.ok ? undefined : decoded.problem
}

describe('a BFD control packet', () => {
  it('is read as RFC 5880 section 4.1 draws it', () => {
    expect(decodeBfdControlPacket(UP)).toEqual({
      ok: true,
      packet: {
        diagnostic: 0,
        state: 'Up',
        poll: true,
        final: false,
        controlPlaneIndependent: false,
        demand: false,
        detectMultiplier: 3,
        myDiscriminator: 1,
        yourDiscriminator: 2,
        desiredMinTxMicroseconds: 300_000,
        requiredMinRxMicroseconds: 200_000,
        requiredMinEchoRxMicroseconds: 0,
        authenticationType: undefined,
      },
    })
  })

  it('is written to the octets it was read from', () => {
    const decoded = decodeBfdControlPacket(UP)
    expect(decoded.ok && hex(encodeBfdControlPacket(decoded.packet))).toBe(hex(UP))
  })

  it('survives writing and reading, whatever it says', () => {
    fc.assert(
      fc.property(packets, (packet) => {
        const decoded = decodeBfdControlPacket(encodeBfdControlPacket(packet))
        expect(decoded).toEqual({ ok: true, packet })
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['a version other than 1', changed(0, 0x40), 'expected version 1, found 2'],
    ['a length below 24', changed(3, 23), 'expected a length of 24 to 24, found 23'],
    ['a length beyond the datagram', changed(3, 25), 'expected a length of 24 to 24, found 25'],
    [
      'authentication without room for it',
      changed(1, 0xc4),
      'expected a length of 26 to 24, found 24',
    ],
    ['a Detect Mult of zero', changed(2, 0), 'Detect Mult is zero'],
    ['the Multipoint bit', changed(1, 0xc1), 'the Multipoint bit is set'],
    ['My Discriminator of zero', changed(7, 0), 'My Discriminator is zero'],
    ['no Your Discriminator in state Up', changed(11, 0), 'Your Discriminator is zero in state Up'],
  ])('is refused with %s', (_, octets, problem) => {
    expect(problemOf(octets)).toBe(problem)
  })

  it('may lack Your Discriminator in the states Down and AdminDown', () => {
    const early = changed(11, 0)
    for (const flags of [0x40, 0x00]) {
      early[1] = flags
      expect(problemOf(early)).toBeUndefined()
    }
  })

  it('tells its authentication type', () => {
    const octets = Uint8Array.from([...changed(1, 0xc4), 2, 19])
    octets[3] = 26
    const decoded = decodeBfdControlPacket(octets)
    expect(decoded.ok && decoded.packet.authenticationType).toBe(2)
  })

  it('is refused at every truncation', () => {
    for (let length = 0; length < UP.length; length++) {
      expect(problemOf(UP.subarray(0, length))).toMatch(/expected at least 24 octets/)
    }
  })

  it('never throws, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (octets) => {
        decodeBfdControlPacket(octets)
      }),
      { numRuns: 20_000 },
    )
  })
})
