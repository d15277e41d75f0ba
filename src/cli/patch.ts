import { LAB_OR_STORE_HELP, NAMESPACE_HELP } from './option-help.ts'
import { Option } from '@commander-js/extra-typings'
import { messageOf, UserError } from '../lib/errors.ts'
import { fieldName, valueAt } from '../lib/schema-problems.ts'
import { KINDS } from '../model/kinds.ts'
import type { DocumentOf, Kind } from '../model/resource.ts'
import { strictDocument, type UnknownField } from '../model/strict-document.ts'
import { parseJson } from '../model/json.ts'
import type { DefineCommand } from './command-entry.ts'
import { kindOf } from './kind-argument.ts'
import { mergePatch } from './merge-patch.ts'

const TYPES = ['strategic', 'merge'] as const

/** `tortie patch`: changes some fields of one resource, as calicoctl does. */
export const definePatch: DefineCommand = (command, context) => {
  command
    .argument('<kind>', 'kind of the resource, such as ippool, node or felixconfiguration')
    .argument('<name>', 'name of the resource')
    .requiredOption('-p, --patch <json>', 'JSON merge patch (RFC 7396): null removes a field')
    .addOption(
      new Option('-t, --type <type>', 'type of the patch; both behave alike for these kinds')
        .choices(TYPES)
        .default('strategic' as const),
    )
    .addOption(new Option('-n, --namespace <name>', NAMESPACE_HELP))
    .option('--lab <name>', LAB_OR_STORE_HELP)
    .addHelpText('after', EXAMPLES)
    .action(async (word, name, { patch, namespace, lab }) => {
      const kind = kindOf(word)
      if (namespace !== undefined && !KINDS[kind].namespaced) {
        throw new UserError(
          `namespace should not be specified for a non-namespaced resource. ${kind} is not a namespaced resource`,
        )
      }
      const { change, unknown } = patchOf(kind, patch)
      const { resources, close } = await context.openResources({ lab })
      try {
        const patched = (document: DocumentOf): void => {
          refuseUnknownFields(document, unknown)
          patchDocument(document, change)
        }
        await resources.modify(kind, name, patched, namespace)
        context.out.write(`Successfully patched 1 '${kind}' resource\n`)
      } finally {
        close()
      }
    })
}

const EXAMPLES = `
Examples:
  tortie patch ippool default-ipv4-ippool -p '{"spec": {"ipipMode": "Always"}}'
  tortie patch felixconfiguration default -p '{"spec": {"ipipMTU": 1400}}'
`

interface Patch {
  readonly change: object
  readonly unknown: readonly UnknownField[]
}

/** A field that the datastore has already, or that is to go, may be one of a later version. */
function refuseUnknownFields(document: DocumentOf, unknown: readonly UnknownField[]): void {
  const refused = unknown.filter(({ path }) => valueAt(document, path) === undefined)
  if (refused.length === 0) return
  const lines = refused.map(({ path, message }) => `--patch: ${fieldName(path)}: ${message}`)
  throw new UserError([...lines, 'Nothing was patched'].join('\n'))
}

function patchOf(kind: Kind, text: string): Patch {
  let value: unknown
  try {
    value = parseJson(text)
  } catch (thrown) {
    throw new UserError(`--patch is not JSON: ${messageOf(thrown)}`, { cause: thrown })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const read = strictDocument(kind, value)
    const unknown = read.unknown.filter(({ path }) => valueAt(value, path) !== null)
    return { change: read.value as object, unknown }
  }
  throw new UserError(`--patch: expected a JSON object like {"spec": {…}}, found ${text}`)
}

/** Makes the document what it is with the patch; its name and what the store gave it stay. */
function patchDocument(document: DocumentOf, change: object): void {
  const { kind, metadata } = document
  const merged = mergePatch(document, change) as DocumentOf
  if (merged.kind !== kind || merged.metadata?.name !== metadata.name) {
    throw new UserError(`a patch cannot change kind or name of ${kind}(${metadata.name})`)
  }
  const { uid, creationTimestamp, resourceVersion } = metadata
  Object.assign(merged.metadata, { uid, creationTimestamp, resourceVersion })
  for (const field of Object.keys(document))
    delete (document as unknown as Record<string, unknown>)[field]
  Object.assign(document, merged)
}
