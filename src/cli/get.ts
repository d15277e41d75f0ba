import { LAB_OR_STORE_HELP, NAMESPACE_HELP } from './option-help.ts'
import { Option } from '@commander-js/extra-typings'
import { closest } from '../lib/closest.ts'
import { UserError } from '../lib/errors.ts'
import { ALL_KINDS, KINDS } from '../model/kinds.ts'
import type { Kind, Resource } from '../model/resource.ts'
import { ResourceDoesNotExist } from '../store/resource-errors.ts'
import type { Resources, WrittenResource } from '../store/resources.ts'
import type { DefineCommand } from './command-entry.ts'
import { kindOf } from './kind-argument.ts'
import { FORMS, type Form, printResources } from './print-resources.ts'

interface GetOptions {
  readonly namespace?: string | undefined
  readonly allNamespaces?: true | undefined
  readonly output?: string | undefined
  readonly lab?: string | undefined
}

/** `tortie get`: resources as calicoctl prints them. */
export const defineGet: DefineCommand = (command, context) => {
  command
    .argument('<kind>', ALL_KINDS.map((kind) => kind.toLowerCase()).join(', '))
    .argument('[names...]', 'resource names (default: all)')
    .addOption(new Option('-n, --namespace <name>', NAMESPACE_HELP))
    .option('-A, --all-namespaces', 'all namespaces')
    .addOption(new Option('-a').implies({ allNamespaces: true }).hideHelp()) // calicoctl has it too
    .option('-o, --output <form>', FORMS.join(', '), 'ps')
    .option('--lab <name>', LAB_OR_STORE_HELP)
    .addHelpText('after', EXAMPLES)
    .action(async (word, names, options) => {
      const kind = kindOf(word)
      const form = formOf(options.output)
      checkNamespace(kind, options)
      const { resources, close } = await context.openResources({ lab: options.lab })
      try {
        const found = await find(resources, kind, names, { ...options, form })
        const asNumber = kind === 'Node' && form === 'wide' ? await defaultAs(resources) : undefined
        const one = names.length === 1
        const namespaceColumn = options.namespace !== undefined || options.allNamespaces === true
        const print = { form, one, namespaceColumn, defaultAsNumber: asNumber }
        context.out.write(await printResources(kind, found, print))
      } finally {
        close()
      }
    })
}

const EXAMPLES = `
Examples:
  tortie get node -o wide
  tortie get workloadendpoint -A
  tortie get workloadendpoint server01-k8s-network--5z4qp-eth0 -n default -o yaml
`

function formOf(word: string): Form {
  const form = FORMS.find((one) => one === word.toLowerCase())
  if (form !== undefined) return form
  const near = closest(word, FORMS)
  const hint = near === undefined ? `expected one of ${FORMS.join(', ')}` : `did you mean ${near}?`
  throw new UserError(`unrecognized output format '${word}'; ${hint}`)
}

function checkNamespace(kind: Kind, { namespace, allNamespaces }: GetOptions): void {
  if (namespace !== undefined && allNamespaces === true) {
    throw new UserError('cannot use both --namespace and --all-namespaces flags at the same time')
  }
  if (namespace !== undefined && !KINDS[kind].namespaced) {
    throw new UserError(
      `namespace should not be specified for a non-namespaced resource. ${kind} is not a namespaced resource`,
    )
  }
}

/** The resources asked for, in calicoctl's order: of key, or of the names. Errors: UserError if one is missing. */
async function find<K extends Kind>(
  resources: Resources,
  kind: K,
  names: readonly string[],
  { namespace, allNamespaces, form }: GetOptions & { readonly form: Form },
): Promise<readonly WrittenResource<K>[]> {
  if (names.length === 0) {
    const all = await resources.listWritten(
      kind,
      allNamespaces === true ? {} : { namespace: namespace ?? 'default' },
    )
    return kind === 'WorkloadEndpoint'
      ? all.toSorted((a, b) => byWorkload(a.written, b.written))
      : all
  }
  if (allNamespaces === true) {
    throw new UserError(
      'a resource name needs one namespace: use --namespace instead of --all-namespaces',
    )
  }
  return Promise.all(
    names.map(async (name) => {
      try {
        if (DOCUMENTS.has(form)) return await resources.getWritten(kind, name, namespace)
        const resource = await resources.get(kind, name, namespace)
        return { resource, written: resource }
      } catch (thrown) {
        if (!(thrown instanceof ResourceDoesNotExist)) throw thrown
        throw new UserError(await missing(resources, kind, name, namespace, thrown.message))
      }
    }),
  )
}

/** Forms in which also what cannot be read is printed, as it stands. */
const DOCUMENTS: ReadonlySet<Form> = new Set(['yaml', 'json'])

/** By namespace and pod, whatever node it is on: the order in which Kubernetes has them. */
function byWorkload(a: Resource, b: Resource): number {
  const key = ({ metadata, spec }: Resource): string => {
    const { workload = '', pod = '' } = spec as { workload?: string; pod?: string }
    return `${metadata.namespace ?? ''}/${workload || pod}/${metadata.name}`
  }
  return key(a) < key(b) ? -1 : 1
}

/** The store's own message, with the name that was perhaps meant. */
async function missing(
  resources: Resources,
  kind: Kind,
  name: string,
  namespace: string | undefined,
  message: string,
): Promise<string> {
  const all = await resources.list(kind, { namespace: namespace ?? 'default' })
  const names = all.map((resource: Resource) => resource.metadata.name)
  const pod = all.find(
    (resource) => resource.kind === 'WorkloadEndpoint' && resource.spec.pod === name,
  )
  const near = pod?.metadata.name ?? closest(name, names)
  return near === undefined ? message : `${message}; did you mean ${near}?`
}

async function defaultAs(resources: Resources): Promise<number | undefined> {
  const configuration = await resources.find('BGPConfiguration', 'default')
  return configuration?.spec.asNumber ?? DEFAULT_AS_NUMBER
}

/** Calico's, where nothing is configured. */
const DEFAULT_AS_NUMBER = 64512
