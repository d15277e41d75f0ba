import koffi from 'koffi'
import { KernelError } from '../../../kernel/kernel.ts'
import { errnoName } from './errno.ts'

const SIGPIPE = 13
const SIG_DFL = 0
const F_SETFD = 2

/**
 * Becomes another program (execvp(3)), in the namespaces that the main thread is in: terminal, signals and
 * exit status are that program's own from here on. Returns only to say why not. Errors: KernelError,
 * ENOENT when there is no such program.
 */
export function execute(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): never {
  const libc = koffi.load('libc.so.6')
  const execvpe = libc.func('int execvpe(str, const char **, const char **)')
  const signal = libc.func('void *signal(int, intptr_t)')
  const fcntl = libc.func('int fcntl(int, int, int)')
  const entries = Object.entries(env).filter(([, value]) => value !== undefined)
  // Node ignores SIGPIPE, and what is ignored stays so across exec; programs expect to die of it.
  signal(SIGPIPE, SIG_DFL)
  for (const standard of [0, 1, 2]) fcntl(standard, F_SETFD, 0) // Node has set close-on-exec
  execvpe(argv[0], [...argv, null], [...entries.map(([name, value]) => `${name}=${value}`), null])
  throw new KernelError(errnoName(koffi.errno()), `Run ${argv[0]}`)
}
