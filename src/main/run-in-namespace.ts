import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { UserError } from '../lib/errors.ts'
import type { Machine } from '../kernel/kernel.ts'
import { LinuxKernel } from '../platform/linux/linux-kernel.ts'
import { labPath } from './lab-paths.ts'

/**
 * Runs a program in a namespace with this process's own terminal, and answers its exit status, 128 and
 * the signal's number when a signal ended it. `lab down` ends it too: its environment names the lab.
 */
export function runInNamespace(
  machine: Machine,
  lab: string,
  namespace: string,
  [command, ...args]: readonly string[],
): Promise<number> {
  const kernel = machine.openNamespace(namespace)
  if (!(kernel instanceof LinuxKernel)) throw new UserError('Only the real kernel runs programs')
  const child = kernel.inside(() =>
    spawn(command!, args, {
      stdio: 'inherit',
      env: { ...process.env, TORTIE_LAB: lab, TORTIE_LAB_DIR: labPath(lab) },
    }),
  )
  kernel.close()
  // The terminal sends Ctrl-C to both; what it means is the child's to say.
  const ignore = (): void => {}
  process.on('SIGINT', ignore)
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') reject(error)
      else reject(new UserError(`There is no program ${command}`, { exitCode: 127 }))
    })
    child.on('exit', (status, signal) => {
      process.off('SIGINT', ignore)
      resolve(status ?? 128 + constants.signals[signal!])
    })
  })
}
