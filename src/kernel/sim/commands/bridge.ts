import { ip } from '../../../net/ip-address.ts'
import { mac } from '../../../net/mac-address.ts'
import type { Kernel } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'

/** `bridge fdb`, as iproute2 prints and changes the forwarding databases of VXLAN links. */
export function bridge(kernel: Kernel, argv: readonly string[]): CommandResult {
  const [, verb = '', macText = ''] = argv
  if (argv[0] === 'fdb' && ['add', 'append', 'replace', 'del'].includes(verb)) {
    changeForwarding(kernel, verb, macText, argv.slice(3))
    return { stdout: '', stderr: '', status: 0 }
  }
  const words = argv.filter((word) => word !== 'show' && word !== 'list')
  const [object, dev, name] = words
  const isKnown = object === 'fdb' && (dev === undefined || (dev === 'dev' && name !== undefined))
  if (!isKnown || words.length > 3) {
    const stderr = `"${argv.join(' ')}" is not understood here; expected fdb show [dev LINK] or fdb add|append|replace|del MAC dev LINK [dst ADDRESS]\n`
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

function changeForwarding(
  kernel: Kernel,
  verb: string,
  macText: string,
  words: readonly string[],
): void {
  const after = (name: string): string | undefined => words[words.indexOf(name) + 1 || words.length]
  const linkIndex = kernel.link(after('dev') ?? '')?.index ?? 0
  const macAddress = mac(macText)
  if (verb === 'del') kernel.deleteForwardingEntry({ linkIndex, macAddress })
  else {
    const remoteAddress = ip(after('dst') ?? '')
    kernel.setForwardingEntry({ linkIndex, macAddress, remoteAddress })
  }
}
