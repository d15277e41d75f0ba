import { isKernelError, type Kernel } from '../kernel/kernel.ts'
import { readJournal } from './journal.ts'
import type { LabPorts, LabState } from './lab-ports.ts'
import type { NeighborEntries } from './neighbor-entries.ts'

/*
 * Linux has one neighbor table a family for all network namespaces of a machine, and one limit of it
 * (neigh_alloc in net/core/neighbour.c): beyond gc_thresh3 entries, which can be set in the first
 * namespace only, no new neighbor is found ("neighbor table overflow"). Labs that need more than half of
 * it raise it by what they need, and with the last of them the value from before comes back.
 *
 *     raise      note what it was and what it will be, then set it
 *     restore    set it, then forget the note
 *
 * So whoever is killed between the two leaves a note by which the next one finds its way. A value that is
 * none of those noted was set by somebody else and stays.
 */

const LIMITS: Readonly<Record<keyof NeighborEntries, string>> = {
  ipv4: 'ipv4.neigh.default.gc_thresh3',
  ipv6: 'ipv6.neigh.default.gc_thresh3',
}
const FAMILIES = Object.keys(LIMITS) as (keyof NeighborEntries)[]

/** Where notes about the machine are kept, beside the labs; no lab is called so. */
export const MACHINE_NOTES = '.machine'
const FILE = 'neighbor-table.json'

interface Note {
  /** The limit before labs. */
  readonly before: number
  /** What labs have set, or were about to set. */
  readonly ours: readonly number[]
}
type Notes = Partial<Record<keyof NeighborEntries, Note>>

/** The namespace that has the limits. */
type Host = Pick<Kernel, 'readSysctl' | 'writeSysctl'>

/** The kernel's own (arp_tbl and nd_tbl), for where it cannot be read. */
const DEFAULT_LIMIT = 1024

/**
 * Raises the limits to what the labs with a journal need together. To be called while no other process
 * changes which labs there are. Where that cannot be done, it is said and the lab goes on without.
 */
export function raiseNeighborTable({ host, state, warn }: LabPorts): void {
  if (host === undefined) return
  for (const family of FAMILIES) raise(family, host, state, warn)
}

function raise(
  family: keyof NeighborEntries,
  host: Host,
  state: LabState,
  warn: LabPorts['warn'],
): void {
  const needed = total(state, family)
  let before = DEFAULT_LIMIT
  try {
    const current = Number(host.readSysctl(LIMITS[family]))
    const notes = readNotes(state)
    const note = noteOf(current, notes[family])
    before = note.before
    const wanted = limitFor(needed, before)
    if (wanted <= current) return
    writeNotes(state, { ...notes, [family]: { before, ours: [...note.ours, wanted] } })
    host.writeSysctl(LIMITS[family], String(wanted))
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    const wanted = limitFor(needed, before)
    if (wanted === before) return
    warn(
      `the labs of this machine may need ${needed} entries of the kernel's neighbor table, whose limit ` +
        `cannot be raised here (${thrown.message}). Where nodes do not find each other, raise it in ` +
        `the machine's first network namespace: sysctl -w net.${LIMITS[family]}=${wanted}`,
    )
  }
}

/**
 * Brings the limits from before back, unless labs other than `leaving` still need more. To be called
 * as {@link raiseNeighborTable}, and before the journal of `leaving` goes.
 */
export function restoreNeighborTable(leaving: string, { host, state, warn }: LabPorts): void {
  if (host === undefined) return
  const notes = readNotes(state)
  for (const family of FAMILIES) {
    const note = notes[family]
    if (note === undefined || limitFor(total(state, family, leaving), note.before) > note.before) {
      continue
    }
    try {
      const current = Number(host.readSysctl(LIMITS[family]))
      if (note.ours.includes(current)) host.writeSysctl(LIMITS[family], String(note.before))
      delete notes[family]
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      warn(`net.${LIMITS[family]} was ${note.before} before there were labs; ${thrown.message}`)
    }
  }
  writeNotes(state, notes)
}

/** Half of the table is for labs as it is; where they need more, all of what was is left to others. */
function limitFor(needed: number, before: number): number {
  return needed > before / 2 ? before + needed : before
}

/** What is known of the limit, given what it is: a value that is none of ours is a new beginning. */
function noteOf(current: number, noted: Note | undefined): Note {
  return noted?.ours.includes(current) === true ? noted : { before: current, ours: [] }
}

/** What all labs but one need; beyond all measure where one's journal cannot be read. */
function total(state: LabState, family: keyof NeighborEntries, leaving?: string): number {
  let sum = 0
  for (const lab of state.labs()) {
    if (lab === leaving) continue
    try {
      sum += readJournal(state, lab)?.neighborEntries?.[family] ?? 0
    } catch {
      if (leaving !== undefined) return Infinity
    }
  }
  return sum
}

function readNotes(state: LabState): Notes {
  try {
    const notes = JSON.parse(state.read(MACHINE_NOTES, FILE) ?? '{}') as Notes
    const known = FAMILIES.filter((family) => isNote(notes[family]))
    return Object.fromEntries(known.map((family) => [family, notes[family]]))
  } catch {
    return {} // written by nobody that is known: what the limit is now counts
  }
}

function isNote(note: Note | undefined): boolean {
  return Number.isInteger(note?.before) && Array.isArray(note?.ours)
}

function writeNotes(state: LabState, notes: Notes): void {
  if (Object.keys(notes).length === 0) state.remove(MACHINE_NOTES)
  else state.write(MACHINE_NOTES, FILE, `${JSON.stringify(notes)}\n`)
}
