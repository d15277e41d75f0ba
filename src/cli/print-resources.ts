import { stringify } from 'lossless-json'
import { printable } from '../lib/printable.ts'
import { alignedLines } from '../lib/table.ts'
import { definitionOf } from '../model/kinds.ts'
import { API_VERSION, type Kind, type Resource, type ResourceOf } from '../model/resource.ts'
import type { WrittenResource } from '../store/resources.ts'

/** Forms of `-o`: calicoctl's ("ps" is its table), and kubectl's name. */
export const FORMS = ['ps', 'wide', 'yaml', 'json', 'name'] as const
export type Form = (typeof FORMS)[number]

export interface PrintOptions {
  readonly form: Form
  /** One name was asked for: the object itself, not a list of it. */
  readonly one: boolean
  readonly namespaceColumn: boolean
  readonly defaultAsNumber: number | undefined
}

/**
 * Resources as text, as calicoctl prints them. YAML and JSON are what stands in the store, so that a file of
 * it can be applied and nothing is lost; what cannot be read is in no table.
 */
export async function printResources<K extends Kind>(
  kind: K,
  found: readonly WrittenResource<K>[],
  options: PrintOptions,
): Promise<string> {
  const resources = found.flatMap(({ resource }) => resource ?? [])
  const written = found.map((each) => each.written)
  switch (options.form) {
    case 'ps':
    case 'wide':
      return resourceTable(kind, resources, options)
    case 'yaml':
      // Not for tables: the library takes as long to load as they do.
      return (await import('./yaml-text.ts')).yamlText(document(kind, written, options))
    case 'json':
      return `${stringify(document(kind, written, options), undefined, 2)}\n`
    case 'name':
      return resources
        .map(({ metadata }) => `${kind.toLowerCase()}/${printable(metadata.name)}\n`)
        .join('')
  }
}

/** Every cell padded, the last too, and an empty line at the end: Go's tabwriter in calicoctl's settings. */
function resourceTable<K extends Kind>(
  kind: K,
  resources: readonly ResourceOf<K>[],
  { form, namespaceColumn, defaultAsNumber }: PrintOptions,
): string {
  const { columns: narrow, wideColumns = narrow, namespaced } = definitionOf<K>(kind)
  const columns = form === 'wide' ? wideColumns : narrow
  const withNamespace = namespaceColumn && namespaced
  const namespace = ({ metadata }: Resource): string[] =>
    withNamespace ? [metadata.namespace ?? ''] : []
  const rows = [
    [...(withNamespace ? ['NAMESPACE'] : []), ...columns.map(({ header }) => header)],
    ...resources.map((resource) => [
      ...namespace(resource as Resource),
      ...columns.map((column) => column.value(resource, { defaultAsNumber })),
    ]),
  ]
  return `${alignedLines(rows).join('\n')}\n\n`
}

function document<K extends Kind>(
  kind: K,
  resources: readonly ResourceOf<K>[],
  { one }: PrintOptions,
): unknown {
  if (one && resources.length === 1) return resources[0]
  return { kind: `${kind}List`, apiVersion: API_VERSION, metadata: {}, items: resources }
}
