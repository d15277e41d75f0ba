import { UserError } from '../lib/errors.ts'
import type { Resource } from '../model/resource.ts'
import type { DefineCommand } from './command-entry.ts'
import { readManifests } from './read-manifests.ts'

/** `tortie apply`: resources of a file are created, or updated where they are there, as calicoctl does. */
export const defineApply: DefineCommand = (command, context) => {
  command
    .requiredOption('-f, --filename <path>', 'YAML or JSON, many documents allowed; "-" is stdin')
    .option('--lab <name>', 'the only lab that is up when absent, else ETCD_ENDPOINTS')
    .addHelpText('after', EXAMPLES)
    .action(async ({ filename, lab }) => {
      const file = filename === '-' ? 'standard input' : filename
      const found = readManifests(await context.readText(filename), file)
      const { resources, close } = await context.openResources({ lab })
      const done: Resource[] = []
      try {
        for (const resource of found) done.push(await resources.apply(resource))
      } catch (thrown) {
        if (!(thrown instanceof UserError)) throw thrown
        const { kind, metadata } = found[done.length]!
        const before = done.length === 0 ? 'Nothing was applied' : `${done.length} were applied`
        throw new UserError(`${file}: ${kind}(${metadata.name}): ${thrown.message}\n${before}`)
      } finally {
        close()
      }
      context.out.write(`Successfully applied ${done.length} ${kindsOf(done)}\n`)
    })
}

const EXAMPLES = `
Examples:
  tortie get ippool -o yaml > pools.yaml
  tortie apply -f pools.yaml
`

/** "'IPPool' resource(s)", or "resource(s)" when they are of several kinds. */
function kindsOf(resources: readonly Resource[]): string {
  const kinds = new Set(resources.map(({ kind }) => kind))
  return kinds.size === 1 ? `'${[...kinds][0]}' resource(s)` : 'resource(s)'
}
