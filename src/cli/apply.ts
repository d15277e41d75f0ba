import { LAB_OR_STORE_HELP } from './option-help.ts'
import { UserError } from '../lib/errors.ts'
import { valueAt } from '../lib/schema-problems.ts'
import type { Document } from '../model/parse-resource.ts'
import { InvalidResource } from '../model/problem.ts'
import type { Draft, Kind } from '../model/resource.ts'
import type { Resources } from '../store/resources.ts'
import type { DefineCommand } from './command-entry.ts'
import { type Manifest, readManifests } from './read-manifests.ts'

/** `tortie apply`: resources of a file are created, or updated where they are there, as calicoctl does. */
export const defineApply: DefineCommand = (command, context) => {
  command
    .requiredOption(
      '-f, --filename <path>',
      'YAML or JSON file, multiple documents allowed; "-" for stdin',
    )
    .option('--lab <name>', LAB_OR_STORE_HELP)
    .addHelpText('after', EXAMPLES)
    .action(async ({ filename, lab }) => {
      const file = filename === '-' ? 'standard input' : filename
      const found = readManifests(await context.readText(filename), file)
      const { resources, close } = await context.openResources({ lab })
      try {
        await refuseInvalid(resources, found)
        await refuseUnknownFields(resources, found)
        const done = await applyAll(resources, found, file)
        context.out.write(`Successfully applied ${done.length} ${kindsOf(done)}\n`)
      } finally {
        close()
      }
    })
}

const EXAMPLES = `
Examples:
  tortie get ippool -o yaml > pools.yaml
  tortie apply -f pools.yaml
`

/** What cannot be read may come back out of a file as it stands in the datastore; nothing else may. */
async function refuseInvalid(resources: Resources, found: readonly Manifest[]): Promise<void> {
  const refused: string[] = []
  for (const { invalid, literal, document } of found) {
    if (invalid === undefined) continue
    const isStored = await firstValid([literal, document], (draft) =>
      resources.checkDocument(draft),
    )
      .then(() => true)
      .catch((thrown: unknown) => {
        if (!(thrown instanceof InvalidResource)) throw thrown
        return false
      })
    if (!isStored) refused.push(invalid)
  }
  if (refused.length > 0) throw new UserError(refused.join('\n'))
}

/** What `use` gives of the first document in which nothing is wrong. Throws InvalidResource of the last. */
async function firstValid<Result>(
  documents: readonly [Document, Document],
  use: (draft: Draft) => Promise<Result>,
): Promise<Result> {
  const [literal, meant] = documents
  try {
    return await use(literal as Draft)
  } catch (thrown) {
    if (!(thrown instanceof InvalidResource)) throw thrown
    return use(meant as Draft)
  }
}

/** Fields that a later version wrote into the datastore may come back out of a file; misspelled ones may not. */
async function refuseUnknownFields(
  resources: Resources,
  found: readonly Manifest[],
): Promise<void> {
  const refused: string[] = []
  for (const { document, unknown } of found) {
    if (unknown.length === 0) continue
    const { name, namespace } = document.metadata as { name: string; namespace?: string }
    const stored = await resources.findDocument(document.kind, name, namespace)
    for (const { path, message } of unknown) {
      if (valueAt(stored, path) === undefined) refused.push(message)
    }
  }
  if (refused.length > 0) throw new UserError([...refused, 'Nothing was applied'].join('\n'))
}

async function applyAll(
  resources: Resources,
  found: readonly Manifest[],
  file: string,
): Promise<readonly Kind[]> {
  const done: Kind[] = []
  for (const { document, literal } of found) {
    try {
      await firstValid([literal, document], (draft) => resources.applyDocument(draft))
      done.push(document.kind)
    } catch (thrown) {
      if (!(thrown instanceof UserError)) throw thrown
      const { name } = document.metadata as { name: string }
      const before = done.length === 0 ? 'Nothing was applied' : `${done.length} were applied`
      throw new UserError(`${file}: ${document.kind}(${name}): ${thrown.message}\n${before}`)
    }
  }
  return done
}

/** "'IPPool' resource(s)", or "resource(s)" when they are of several kinds. */
function kindsOf(applied: readonly Kind[]): string {
  const kinds = new Set(applied)
  return kinds.size === 1 ? `'${[...kinds][0]}' resource(s)` : 'resource(s)'
}
