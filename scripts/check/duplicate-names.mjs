// The exported names that still mean two things, and why. The list only gets shorter.
import { duplicateExports } from './exported-names.mjs'

/** The real kernel and the simulated one do the same by functions of the same name. */
const BOTH_KERNELS = 'one call of the kernel port, in either kernel'

/** Renamed with the folder that it is in. */
const PENDING = 'two things with one name'

const ALLOWED = {
  addAddress: BOTH_KERNELS,
  addRoute: BOTH_KERNELS,
  deleteAddress: BOTH_KERNELS,
  deleteRoute: BOTH_KERNELS,
  replaceRoute: BOTH_KERNELS,
  // What a fault does, and what a recording has.
  Effect: PENDING,
  // How a lab is broken, and where a walk ends.
  Fault: PENDING,
  Step: PENDING,
  HEADER_OCTETS: PENDING,
  encode: PENDING,
  podRoute: PENDING,
  refusal: PENDING,
  tunnelDrops: PENDING,
  writeSysctl: PENDING,
  // Of requests between Tortie's own processes, and of etcd's services.
  Method: PENDING,
  // Of the simulated kernel's ping, and of the trace's.
  ProbeAnswer: PENDING,
  // Of the speaker's tables, and of a kernel's.
  RouteFilter: PENDING,
  // A file that a person writes, and tables that a trace reads.
  Topology: PENDING,
  // Two ways to follow a packet, of which one is a test's.
  Walk: PENDING,
  Arrival: PENDING,
  destinationOf: PENDING,
  readJournal: PENDING,
  speakerConfig: PENDING,
  tunnelAddressOf: PENDING,
}

/** A cause and the fault that shows it have one name in two folders that do not know each other. */
const PAIRED = /^src\/(faults|trace\/causes)\//

/** What is wrong with the exported names of a tree, a line each; undefined when nothing is. */
export function reportDuplicates(root) {
  const found = duplicateExports(root).filter(
    ({ files }) => !files.every((path) => PAIRED.test(path)),
  )
  const lines = found
    .filter(({ name }) => !(name in ALLOWED))
    .map(({ name, files }) => `${name} is exported by ${files.join(' and ')}: rename one of them`)
  const names = new Set(found.map(({ name }) => name))
  for (const name of Object.keys(ALLOWED)) {
    if (!names.has(name)) {
      lines.push(
        `${name} is exported once: take it off the list in scripts/check/duplicate-names.mjs`,
      )
    }
  }
  return lines.length === 0 ? undefined : lines.join('\n')
}
