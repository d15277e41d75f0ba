/**
 * An assembler for eBPF (RFC 9669): instructions as values, labels for places, octets out.
 *
 * A program is a list in the order of execution; a label is an entry of its own and names the place of
 * the instruction behind it.
 */

/** r0 is results, r1 to r5 arguments (lost in calls), r6 to r9 one's own, r10 the frame's end. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10

interface Instruction {
  readonly opcode: number
  readonly destination?: Register
  readonly source?: number
  readonly offset?: number
  readonly immediate?: number
  /** Where a jump goes. */
  readonly target?: string
  /** The upper half of a 64-bit value, which makes two instructions of one. */
  readonly upper?: number
}

export type Item = Instruction | { readonly label: string }

/** BPF_W, BPF_H, BPF_B, BPF_DW. */
const SIZE = { u32: 0x00, u16: 0x08, u8: 0x10, u64: 0x18 } as const
export type Size = keyof typeof SIZE

const ARITHMETIC = {
  add: 0x00,
  or: 0x40,
  and: 0x50,
  shiftLeft: 0x60,
  shiftRight: 0x70,
  xor: 0xa0,
  move: 0xb0,
} as const

const CONDITION = {
  equal: 0x10,
  above: 0x20,
  anyOf: 0x40,
  notEqual: 0x50,
  below: 0xa0,
} as const

const CLASS = {
  load: 0x00,
  loadFrom: 0x61,
  storeNumber: 0x62,
  store: 0x63,
  alu64: 0x07,
  jump: 0x05,
}
const FROM_REGISTER = 0x08

/** A register or a signed 32-bit number. */
export type Operand = { readonly register: Register } | number

export const register = (number: Register): Operand => ({ register: number })

export function label(name: string): Item {
  return { label: name }
}

/** destination = destination (operation) operand, in 64 bits. */
export function calculate(
  operation: keyof typeof ARITHMETIC,
  destination: Register,
  operand: Operand,
): Item {
  const opcode = CLASS.alu64 | ARITHMETIC[operation]
  return typeof operand === 'number'
    ? { opcode, destination, immediate: operand }
    : { opcode: opcode | FROM_REGISTER, destination, source: operand.register }
}

export function move(destination: Register, operand: Operand): Item {
  return calculate('move', destination, operand)
}

/** Between host and network order, 16 bits. */
export function swap16(destination: Register): Item {
  return { opcode: 0xdc, destination, immediate: 16 }
}

export function load(size: Size, destination: Register, source: Register, offset: number): Item {
  return { opcode: CLASS.loadFrom | SIZE[size], destination, source, offset }
}

export function store(size: Size, destination: Register, offset: number, operand: Operand): Item {
  return typeof operand === 'number'
    ? { opcode: CLASS.storeNumber | SIZE[size], destination, offset, immediate: operand }
    : { opcode: CLASS.store | SIZE[size], destination, offset, source: operand.register }
}

/** Adds a register to 64 bits of memory, undisturbed by other processors. */
export function atomicAdd(pointer: Register, offset: number, value: Register): Item {
  return { opcode: 0xdb, destination: pointer, source: value, offset }
}

/** A map by its descriptor, which the kernel turns into a pointer. */
export function loadMap(destination: Register, fd: number): Item {
  return { opcode: 0x18, destination, source: 1, immediate: fd, upper: 0 }
}

export function jump(target: string): Item {
  return { opcode: CLASS.jump, target }
}

/** Compares unsigned, in 64 bits. */
export function jumpIf(
  condition: keyof typeof CONDITION,
  destination: Register,
  operand: Operand,
  target: string,
): Item {
  const opcode = CLASS.jump | CONDITION[condition]
  return typeof operand === 'number'
    ? { opcode, destination, immediate: operand, target }
    : { opcode: opcode | FROM_REGISTER, destination, source: operand.register, target }
}

/** Calls a helper of the kernel by its number (linux/bpf.h, __BPF_FUNC_MAPPER). */
export function call(helper: number): Item {
  return { opcode: 0x85, immediate: helper }
}

export const exit: Item = { opcode: 0x95 }

const OCTETS = 8

/** The octets of a program. Throws for a jump to a label that is not there. */
export function assemble(items: readonly Item[]): Uint8Array {
  const places = new Map<string, number>()
  let length = 0
  for (const item of items) {
    if ('label' in item) places.set(item.label, length)
    else length += item.upper === undefined ? 1 : 2
  }
  const octets = Buffer.alloc(length * OCTETS)
  let at = 0
  for (const item of items) {
    if ('label' in item) continue
    write(octets, at, item, places)
    at += item.upper === undefined ? 1 : 2
  }
  return octets
}

function write(
  octets: Buffer,
  at: number,
  instruction: Instruction,
  places: ReadonlyMap<string, number>,
): void {
  const { opcode, destination = 0, source = 0, immediate = 0, target, upper } = instruction
  const start = at * OCTETS
  octets.writeUInt8(opcode, start)
  octets.writeUInt8(destination | (source << 4), start + 1)
  octets.writeInt16LE(target === undefined ? (instruction.offset ?? 0) : distance(), start + 2)
  octets.writeInt32LE(immediate | 0, start + 4)
  if (upper !== undefined) octets.writeInt32LE(upper | 0, start + OCTETS + 4)

  function distance(): number {
    const place = places.get(target!)
    if (place === undefined) throw new Error(`No place in the program has the label ${target}`)
    return place - at - 1
  }
}
