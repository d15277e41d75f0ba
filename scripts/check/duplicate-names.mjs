// The exported names that more than one file has, and why.
import { duplicateExports } from './exported-names.mjs'

/** The real kernel and the simulated one do the same by functions of the same name. */
const BOTH_KERNELS = 'one call of the kernel port, in either kernel'

/** Of modules that are imported whole, so that it reads `ipv4.encode`. */
const CODECS = 'one word for the same of every protocol'

const ALLOWED = {
  addAddress: BOTH_KERNELS,
  addRoute: BOTH_KERNELS,
  deleteAddress: BOTH_KERNELS,
  deleteRoute: BOTH_KERNELS,
  replaceRoute: BOTH_KERNELS,
  swapRoute: BOTH_KERNELS,
  HEADER_OCTETS: CODECS,
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
