import { isKernelError, type Kernel } from '../../kernel.ts'
import type { CommandResult } from './command-result.ts'

/** `sysctl [-w] net.NAME[=VALUE]…`, for the names that the kernel port knows; says what procps says. */
export function sysctl(kernel: Kernel, argv: readonly string[]): CommandResult {
  const said: string[] = []
  const complaints: string[] = []
  for (const word of argv.filter((one) => one !== '-w')) {
    const [name = '', value] = word.split('=')
    const path = name.replace(/^net\./, '')
    try {
      if (value !== undefined) kernel.writeSysctl(path, value)
      said.push(`${name} = ${kernel.readSysctl(path)}\n`)
    } catch (thrown) {
      if (!isKernelError(thrown)) throw thrown
      complaints.push(`sysctl: ${complaint(name, thrown)}\n`)
    }
  }
  return {
    stdout: said.join(''),
    stderr: complaints.join(''),
    status: complaints.length === 0 ? 0 : 255,
  }
}

function complaint(name: string, { code, message }: { code: string; message: string }): string {
  if (code === 'EINVAL') return `setting key "${name}": Invalid argument`
  const file = `/proc/sys/${name.replaceAll('.', '/')}`
  return code === 'ENOENT' ? `cannot stat ${file}: No such file or directory` : message
}
