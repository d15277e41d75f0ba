import { z } from 'zod'
import { UserError } from '../lib/errors.ts'
import { Checks, checkLabels } from './checks.ts'
import { parseJson, sortedKeys, stringifyJson } from './json.ts'
import { ALL_KINDS, findKind, KINDS } from './kinds.ts'
import { loose } from './loose.ts'
import { metadataSchema } from './metadata.ts'
import { InvalidResource, type Problem, shown } from './problem.ts'
import { API_VERSION, type Draft, type Kind, type Resource, type ResourceOf } from './resource.ts'

/** Made once: zod compiles a schema when it first parses. */
const SCHEMAS = Object.fromEntries(ALL_KINDS.map((kind) => [kind, schemaOf(kind)])) as Readonly<
  Record<Kind, z.ZodType>
>

function schemaOf(kind: Kind): z.ZodType {
  const { spec, status } = KINDS[kind]
  return loose({
    kind: z.literal(kind),
    apiVersion: z.literal(API_VERSION),
    metadata: metadataSchema,
    spec,
    status: (status ?? z.unknown()).optional(),
  })
}

/**
 * A resource from what a document says (the object that YAML or JSON gave): fields of the right type,
 * defaults filled in, unknown fields kept. Does not check the rules of {@link checkResource}, so that
 * what is stored can be read although a rule is newer than it.
 *
 * Throws InvalidResource that names every field of a wrong type, UserError on an unknown kind or version.
 */
export function parseResource(input: unknown): Resource {
  const { kind, apiVersion } = headOf(input)
  const { metadata, spec } = input as { metadata?: unknown; spec?: unknown }
  const document = {
    ...(input as object),
    kind,
    apiVersion,
    metadata: withDefaults(metadata, { name: '' }),
    spec: spec ?? {},
  }
  const resource = shaped(kind, document)
  completeResource(resource)
  return resource
}

/** The document with its fields in canonical order; throws InvalidResource. */
function shaped(kind: Kind, document: object): Resource {
  const result = SCHEMAS[kind].safeParse(document)
  if (!result.success) {
    throw new InvalidResource(result.error.issues.map((issue) => problemOf(issue, document)))
  }
  return result.data as Resource
}

/** Anything but a map is left for the schema to refuse. */
function withDefaults(value: unknown, defaults: object): unknown {
  return typeof (value ?? {}) === 'object' && !Array.isArray(value)
    ? { ...defaults, ...(value as object | undefined) }
    : value
}

/** {@link parseResource} of a draft whose kind the compiler knows. */
export function newResource<K extends Kind>(draft: Draft<K>): ResourceOf<K> {
  return parseResource(draft) as ResourceOf<K>
}

function headOf(input: unknown): { kind: Kind; apiVersion: typeof API_VERSION } {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new UserError('expected a resource: a map with kind, apiVersion, metadata and spec')
  }
  const { kind, apiVersion } = input as { kind?: unknown; apiVersion?: unknown }
  const found = typeof kind === 'string' ? findKind(kind) : undefined
  if (found === undefined) {
    throw new UserError(
      `resource type '${shown(kind)}' is not supported; expected one of ${ALL_KINDS.join(', ')}`,
    )
  }
  if (apiVersion !== undefined && apiVersion !== API_VERSION) {
    throw new UserError(
      `apiVersion '${shown(apiVersion)}' of ${found} is not supported; expected ${API_VERSION}`,
    )
  }
  return { kind: found, apiVersion: API_VERSION }
}

function problemOf(issue: z.core.$ZodIssue, document: unknown): Problem {
  let field = ''
  let value = document
  for (const key of issue.path) {
    field += typeof key === 'number' ? `[${key}]` : `${field === '' ? '' : '.'}${String(key)}`
    value = (value as Record<PropertyKey, unknown> | undefined)?.[key]
  }
  const reason =
    issue.code === 'invalid_value' ? `expected one of ${issue.values.join(', ')}` : issue.message
  return { field, value, reason: reason.replace(/^Invalid input: /, '') }
}

function completeResource<K extends Kind>(resource: ResourceOf<K>): void {
  KINDS[resource.kind].complete?.(resource)
}

/** Throws InvalidResource with every rule that the resource breaks. */
export function checkResource(resource: Resource): void {
  const checks = new Checks()
  const { name, namespace, labels } = resource.metadata
  const { namespaced } = KINDS[resource.kind]
  checks.name('metadata.name', name)
  if (namespaced) {
    checks.name('metadata.namespace', namespace ?? '')
  } else {
    const none = namespace === undefined || namespace === ''
    checks.require(
      none,
      'metadata.namespace',
      namespace,
      `namespace should not be specified for a non-namespaced resource. ${resource.kind} is not a namespaced resource`,
    )
  }
  checkLabels(checks, labels ?? {})
  checkSpec(checks, resource)
  if (checks.problems.length > 0) throw new InvalidResource(checks.problems)
}

function checkSpec<K extends Kind>(checks: Checks, resource: ResourceOf<K>): void {
  KINDS[resource.kind].check?.(checks, resource)
}

/** The value under which a resource is stored: one line of JSON without resourceVersion. */
export function encodeResource(resource: Resource): string {
  const document = shaped(resource.kind, resource)
  const { resourceVersion: _, ...metadata } = document.metadata
  if (metadata.labels !== undefined) metadata.labels = sortedKeys(metadata.labels)
  if (metadata.annotations !== undefined) metadata.annotations = sortedKeys(metadata.annotations)
  return stringifyJson({ ...document, metadata })
}

/**
 * A resource from its stored value.
 *
 * Throws InvalidResource or UserError as {@link parseResource}, SyntaxError if the text is not JSON.
 */
export function decodeResource<K extends Kind>(
  kind: K,
  text: string,
  revision: number,
): ResourceOf<K> {
  const resource = parseResource(parseJson(text))
  if (resource.kind !== kind) {
    throw new UserError(`expected a ${kind} in the store, found a ${resource.kind}`)
  }
  resource.metadata.resourceVersion = String(revision)
  return resource as ResourceOf<K>
}
