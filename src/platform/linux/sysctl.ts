import { readFileSync, writeFileSync } from 'node:fs'
import { KernelError } from '../../kernel/kernel.ts'
import type { Context } from './netlink/context.ts'

/**
 * /proc/sys/net shows the namespace of the thread that opens a file, so the synchronous calls of
 * node:fs are right here and those that work on other threads would not be.
 */
export function readSysctl(context: Context, path: string): string {
  const file = fileOf(path, context.name)
  return attempt(`Read sysctl net.${path} on ${context.name}`, () =>
    context.inside(() => readFileSync(file, 'utf8')).trim(),
  )
}

export function writeSysctl(context: Context, path: string, value: string): void {
  const file = fileOf(path, context.name)
  // 'r+' because a sysctl that is not there must not be created, whatever the file system thinks.
  attempt(`Write ${value} to sysctl net.${path} on ${context.name}`, () =>
    context.inside(() => writeFileSync(file, value, { flag: 'r+' })),
  )
}

/** sysctl(8)'s way of writing names: dots part components, a slash is a dot inside one. */
function fileOf(path: string, kernelName: string): string {
  const components = path.split('.').map((component) => component.replaceAll('/', '.'))
  if (components.some((component) => ['', '.', '..'].includes(component))) {
    throw new KernelError('ENOENT', `No sysctl has the name net.${path} on ${kernelName}`)
  }
  return `/proc/sys/net/${components.join('/')}`
}

function attempt<Result>(what: string, body: () => Result): Result {
  try {
    return body()
  } catch (thrown) {
    const code = (thrown as { readonly code?: unknown }).code
    if (typeof code !== 'string' || thrown instanceof KernelError) throw thrown
    throw new KernelError(code, what)
  }
}
