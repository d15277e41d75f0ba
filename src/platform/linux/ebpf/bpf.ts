import { KernelError } from '../../../kernel/kernel.ts'
import { errnoName } from '../process/errno.ts'
import { checked, type Libc } from '../process/libc.ts'

/** Commands of bpf(2) (linux/bpf.h, enum bpf_cmd). */
const COMMAND = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapNextKey: 4,
  programLoad: 5,
  programById: 13,
  mapById: 14,
  information: 15,
} as const

const MAP_TYPE = { array: 2, prefixTrie: 11 } as const
const MAP_FLAG_NO_PREALLOCATION = 1
const PROGRAM_TYPE_SCHED_CLS = 3
const ATTRIBUTES_OCTETS = 120
const NAME_OCTETS = 16
const LOG_OCTETS = 256 * 1024
/** struct bpf_prog_info. */
const INFORMATION_OCTETS = 232
/** The beginning of struct bpf_map_info. */
const MAP_INFORMATION_OCTETS = 80
const ENOENT = 2

/** A map in the kernel. Keys and values have a length fixed when it was made. */
export class BpfMap {
  readonly fd: number
  readonly #libc: Libc
  readonly #keyOctets: number
  readonly #valueOctets: number

  constructor(libc: Libc, fd: number, sizes: { keyOctets: number; valueOctets: number }) {
    this.#libc = libc
    this.fd = fd
    this.#keyOctets = sizes.keyOctets
    this.#valueOctets = sizes.valueOctets
  }

  set(key: Uint8Array, value: Uint8Array): void {
    checked('Write to a BPF map', this.#command(COMMAND.mapUpdate, key, value))
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const value = new Uint8Array(this.#valueOctets)
    const result = this.#command(COMMAND.mapLookup, key, value)
    if (result === -ENOENT) return undefined
    checked('Read a BPF map', result)
    return value
  }

  /** Does nothing if the key is not there. */
  delete(key: Uint8Array): void {
    const result = this.#command(COMMAND.mapDelete, key, undefined)
    if (result !== -ENOENT) checked('Delete from a BPF map', result)
  }

  keys(): Uint8Array[] {
    const keys: Uint8Array[] = []
    for (let key: Uint8Array | undefined; ; key = keys.at(-1)) {
      const next = new Uint8Array(this.#keyOctets)
      const result = this.#command(COMMAND.mapNextKey, key, next)
      if (result === -ENOENT) return keys
      checked('List a BPF map', result)
      keys.push(next)
    }
  }

  /** The number by which the kernel knows the map, whoever has it open. */
  id(): number {
    const information = Buffer.alloc(MAP_INFORMATION_OCTETS)
    informationOf(this.#libc, this.fd, information)
    return information.readUInt32LE(4)
  }

  close(): void {
    this.#libc.close(this.fd)
  }

  /** map_fd, key, and value or next_key. */
  #command(command: number, key: Uint8Array | undefined, value: Uint8Array | undefined): number {
    const attributes = Buffer.alloc(ATTRIBUTES_OCTETS)
    attributes.writeUInt32LE(this.fd, 0)
    attributes.writeBigUInt64LE(addressOf(this.#libc, key), 8)
    attributes.writeBigUInt64LE(addressOf(this.#libc, value), 16)
    return this.#libc.bpf(command, attributes)
  }
}

export interface MapShape {
  readonly name: string
  readonly keyOctets: number
  readonly valueOctets: number
  readonly entries: number
}

/**
 * Finds the longest prefix that covers an address (BPF_MAP_TYPE_LPM_TRIE). Keys are struct
 * bpf_lpm_trie_key: a prefix length of 32 bits in the machine's order, then the address.
 */
export function createPrefixTrieMap(libc: Libc, shape: MapShape): BpfMap {
  return createMap(libc, shape, MAP_TYPE.prefixTrie, MAP_FLAG_NO_PREALLOCATION)
}

/** Keys are indices of 32 bits; all entries are there from the beginning, and zero. */
export function createArrayMap(libc: Libc, shape: MapShape): BpfMap {
  return createMap(libc, shape, MAP_TYPE.array, 0)
}

function createMap(libc: Libc, shape: MapShape, type: number, flags: number): BpfMap {
  const attributes = Buffer.alloc(ATTRIBUTES_OCTETS)
  attributes.writeUInt32LE(type, 0)
  attributes.writeUInt32LE(shape.keyOctets, 4)
  attributes.writeUInt32LE(shape.valueOctets, 8)
  attributes.writeUInt32LE(shape.entries, 12)
  attributes.writeUInt32LE(flags, 16)
  writeName(attributes, shape.name, 28)
  const fd = checked(`Make BPF map ${shape.name}`, libc.bpf(COMMAND.mapCreate, attributes))
  return new BpfMap(libc, fd, shape)
}

/** Loads a program for tc; answers its descriptor. A refusal carries the verifier's last words. */
export function loadProgram(libc: Libc, name: string, instructions: Uint8Array): number {
  const load = (log: Uint8Array | undefined): number => {
    const license = Buffer.from('GPL\0')
    const attributes = Buffer.alloc(ATTRIBUTES_OCTETS)
    attributes.writeUInt32LE(PROGRAM_TYPE_SCHED_CLS, 0)
    attributes.writeUInt32LE(instructions.length / 8, 4)
    attributes.writeBigUInt64LE(libc.addressOf(instructions), 8)
    attributes.writeBigUInt64LE(libc.addressOf(license), 16)
    attributes.writeUInt32LE(log === undefined ? 0 : 1, 24)
    attributes.writeUInt32LE(log?.length ?? 0, 28)
    attributes.writeBigUInt64LE(addressOf(libc, log), 32)
    writeName(attributes, name, 48)
    return libc.bpf(COMMAND.programLoad, attributes)
  }
  const fd = load(undefined)
  if (fd >= 0) return fd
  const log = Buffer.alloc(LOG_OCTETS)
  const second = load(log)
  if (second >= 0) return second
  const words = log.toString('utf8', 0, log.indexOf(0)).trim().split('\n').slice(-6)
  throw new KernelError(errnoName(-fd), `Load BPF program ${name}: ${words.join(' | ')}`)
}

/** The maps that a loaded program uses, opened anew, by name. */
export function mapsOfProgram(libc: Libc, programId: number): Map<string, BpfMap> {
  const program = byId(libc, COMMAND.programById, programId)
  try {
    const ids = Buffer.alloc(4 * 16)
    const information = Buffer.alloc(INFORMATION_OCTETS)
    information.writeUInt32LE(ids.length / 4, 52)
    information.writeBigUInt64LE(libc.addressOf(ids), 56)
    informationOf(libc, program, information)
    const count = Math.min(information.readUInt32LE(52), ids.length / 4)
    const numbers = Array.from({ length: count }, (_, index) => ids.readUInt32LE(index * 4))
    return new Map(numbers.map((id) => openMap(libc, id)))
  } finally {
    libc.close(program)
  }
}

/** struct bpf_map_info: type, id, key_size, value_size, max_entries, map_flags, name. */
function openMap(libc: Libc, id: number): [name: string, map: BpfMap] {
  const fd = byId(libc, COMMAND.mapById, id)
  const information = Buffer.alloc(MAP_INFORMATION_OCTETS)
  informationOf(libc, fd, information)
  const [name = ''] = information.toString('latin1', 24, 24 + NAME_OCTETS).split('\0')
  const sizes = {
    keyOctets: information.readUInt32LE(8),
    valueOctets: information.readUInt32LE(12),
  }
  return [name, new BpfMap(libc, fd, sizes)]
}

function informationOf(libc: Libc, fd: number, into: Uint8Array): void {
  const attributes = Buffer.alloc(16)
  attributes.writeUInt32LE(fd, 0)
  attributes.writeUInt32LE(into.length, 4)
  attributes.writeBigUInt64LE(libc.addressOf(into), 8)
  checked('Ask about a BPF object', libc.bpf(COMMAND.information, attributes))
}

function byId(libc: Libc, command: number, id: number): number {
  const attributes = Buffer.alloc(ATTRIBUTES_OCTETS)
  attributes.writeUInt32LE(id, 0)
  return checked(`Open BPF object ${id}`, libc.bpf(command, attributes.subarray(0, 12)))
}

function addressOf(libc: Libc, octets: Uint8Array | undefined): bigint {
  return octets === undefined ? 0n : libc.addressOf(octets)
}

/** At most 15 octets, as the kernel has room for. */
function writeName(attributes: Buffer, name: string, at: number): void {
  attributes.write(name.slice(0, NAME_OCTETS - 1), at)
}
