import { describe, expect, it } from 'vitest'
import { hex } from '../../../lib/bytes.ts'
import {
  assemble,
  atomicAdd,
  calculate,
  call,
  exit,
  jumpIf,
  label,
  load,
  loadMap,
  move,
  register,
  store,
  swap16,
} from './assembler.ts'

/** Opcode, registers (source, destination), offset, immediate: as `llvm-objdump -d` prints them. */
const INSTRUCTIONS = [
  ['r6 = r1', move(6, register(1)), 'bf16000000000000'],
  ['r0 = 2', move(0, 2), 'b700000002000000'],
  ['r0 = -1', move(0, -1), 'b7000000ffffffff'],
  ['r2 += -64', calculate('add', 2, -64), '07020000c0ffffff'],
  ['lock *(u64 *)(r0 + 8) += r1', atomicAdd(0, 8, 1), 'db10080000000000'],
  ['r2 += r3', calculate('add', 2, register(3)), '0f32000000000000'],
  ['r3 >>= 16', calculate('shiftRight', 3, 16), '7703000010000000'],
  ['r2 = be16 r2', swap16(2), 'dc02000010000000'],
  ['r2 = *(u32 *)(r6 + 16)', load('u32', 2, 6, 16), '6162100000000000'],
  ['r2 = *(u8 *)(r10 - 104)', load('u8', 2, 10, -104), '71a298ff00000000'],
  ['*(u16 *)(r10 - 84) = r0', store('u16', 10, -84, register(0)), '6b0aacff00000000'],
  ['*(u64 *)(r10 - 64) = 0', store('u64', 10, -64, 0), '7a0ac0ff00000000'],
  ['r1 = map fd 7 ll', loadMap(1, 7), '18110000070000000000000000000000'],
  ['call 69', call(69), '8500000045000000'],
  ['exit', exit, '9500000000000000'],
] as const

describe('the eBPF assembler', () => {
  it.each(INSTRUCTIONS)('writes %s', (_, instruction, octets) => {
    expect(hex(assemble([instruction]))).toBe(octets)
  })

  it('counts the way to a label in instructions, of which a map is two', () => {
    const program = assemble([
      label('start'),
      jumpIf('notEqual', 2, 8, 'end'),
      loadMap(1, 7),
      jumpIf('equal', 2, register(3), 'start'),
      label('end'),
      exit,
    ])
    expect(hex(program.subarray(0, 8))).toBe('5502030008000000')
    expect(hex(program.subarray(24, 32))).toBe('1d32fcff00000000')
  })

  it('refuses a jump to nowhere', () => {
    expect(() => assemble([jumpIf('equal', 0, 0, 'nowhere')])).toThrow('nowhere')
  })
})
