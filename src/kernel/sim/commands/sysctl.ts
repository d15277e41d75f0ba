import type { Kernel } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'

/** `sysctl [-w] net.NAME[=VALUE]…`, for the names that the kernel port knows. */
export function sysctl(kernel: Kernel, argv: readonly string[]): CommandResult {
  const said: string[] = []
  for (const word of argv.filter((one) => one !== '-w')) {
    const [name = '', value] = word.split('=')
    const path = name.replace(/^net\./, '')
    if (value !== undefined) kernel.writeSysctl(path, value)
    said.push(`${name} = ${kernel.readSysctl(path)}\n`)
  }
  return { stdout: said.join(''), stderr: '', status: 0 }
}
