import type { Kernel } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'

/** `bridge fdb [show] [dev LINK]`, as iproute2 prints the forwarding databases of VXLAN links. */
export function bridge(kernel: Kernel, argv: readonly string[]): CommandResult {
  const words = argv.filter((word) => word !== 'show' && word !== 'list')
  const [object, dev, name] = words
  const isKnown = object === 'fdb' && (dev === undefined || (dev === 'dev' && name !== undefined))
  if (!isKnown || words.length > 3) {
    const stderr = `"${argv.join(' ')}" is not understood here; expected fdb show [dev LINK]\n`
    return { stdout: '', stderr, status: 1 }
  }
  const links = kernel.links().filter((link) => name === undefined || link.name === name)
  if (links.length === 0) {
    return { stdout: '', stderr: `Cannot find device "${name}"\n`, status: 1 }
  }
  const rows = links.flatMap((link) => {
    const where = name === undefined ? `dev ${link.name} ` : ''
    return kernel
      .forwardingEntries(link.index)
      .map((row) => `${row.macAddress} ${where}dst ${row.remoteAddress} self permanent\n`)
  })
  return { stdout: rows.join(''), stderr: '', status: 0 }
}
