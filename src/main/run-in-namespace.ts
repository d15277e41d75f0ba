import { UserError } from '../lib/errors.ts'
import { isKernelError, type Machine } from '../kernel/kernel.ts'
import { execute } from '../platform/linux/process/execute.ts'
import { LinuxKernel } from '../platform/linux/linux-kernel.ts'
import { labPath } from './lab-paths.ts'

/**
 * Becomes a program inside a namespace. `lab down` ends it too: its environment names the lab. Errors:
 * UserError with the statuses of a shell, 127 when there is no such program and 126 when it cannot run.
 */
export function runInNamespace(
  machine: Machine,
  lab: string,
  namespace: string,
  argv: readonly string[],
): never {
  const kernel = machine.openNamespace(namespace)
  if (!(kernel instanceof LinuxKernel)) throw new UserError('Only the real kernel runs programs')
  try {
    return kernel.inside(() =>
      execute(argv, { ...process.env, TORTIE_LAB: lab, TORTIE_LAB_DIR: labPath(lab) }),
    )
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
    const absent = thrown.code === 'ENOENT'
    const reason = absent ? 'there is no such program' : thrown.message
    throw new UserError(`Cannot run ${argv[0]}: ${reason}`, { exitCode: absent ? 127 : 126 })
  }
}
