import * as z from 'zod'
import { UserError } from '../lib/errors.ts'
import { Checks, checkLabels } from './checks.ts'
import { sortedKeys, stringifyJson } from './json.ts'
import { ALL_KINDS, findKind, KINDS } from './kinds.ts'
import { loose } from './loose.ts'
import { type Metadata, metadataSchema } from './metadata.ts'
import { type ParsedParts, parseParts } from './parts.ts'
import { InvalidResource, type Problem, shown } from './problem.ts'
import {
  API_VERSION,
  type DocumentOf,
  type Draft,
  type Kind,
  type Resource,
  type ResourceOf,
} from './resource.ts'

/** Made once: zod compiles a schema when it first parses. */
const SCHEMAS = Object.fromEntries(ALL_KINDS.map((kind) => [kind, makeSchema(kind)])) as Readonly<
  Record<Kind, z.ZodType>
>

/** Of a whole resource of a kind. */
export function schemaOf(kind: Kind): z.ZodType {
  return SCHEMAS[kind]
}

function makeSchema(kind: Kind): z.ZodType {
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
 * defaults filled in, unknown fields kept. Does not check the rules of {@link validResource}.
 *
 * Throws InvalidResource that names every field that is not as it must be, UserError on an unknown kind
 * or version.
 */
export function parseResource(input: unknown): Resource {
  const { value, problems } = readDocument(documentOf(input))
  if (problems.length > 0) throw new InvalidResource(problems)
  return value as Resource
}

/** A document of which it is known what it is of. */
export interface Document {
  readonly kind: Kind
  readonly apiVersion: typeof API_VERSION
  readonly metadata: unknown
  readonly spec: unknown
}

/** Throws UserError on an unknown kind or version. */
export function documentOf(input: unknown): Document {
  const { metadata, spec } = (input ?? {}) as { metadata?: unknown; spec?: unknown }
  return {
    ...(input as object),
    ...headOf(input),
    metadata: withDefaults(metadata, { name: '' }),
    spec: spec ?? {},
  }
}

/** What the document says; parts that stand alone in its kind are left out where they are wrong. */
export function readDocument(document: Document): ParsedParts {
  const { kind } = document
  const parsed = parseParts(SCHEMAS[kind], document, KINDS[kind].parts)
  if (parsed.value !== undefined) completeResource(parsed.value as Resource)
  return parsed
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

function completeResource<K extends Kind>(resource: ResourceOf<K>): void {
  KINDS[resource.kind].complete?.(resource)
}

/**
 * A resource that may be stored: its values are right, and it keeps the rules of its kind.
 *
 * Throws InvalidResource with everything that is wrong; UserError on an unknown kind or version.
 *
 * @param known whether a problem of a value was there before, and may stay
 */
export function validResource(input: unknown, known = (_problem: Problem) => false): Resource {
  const document = documentOf(input)
  const { value, problems } = readDocument(document)
  const resource = value ?? parseParts(SCHEMAS[document.kind], document, EVERY_FIELD).value
  const told = new Set(problems.map(({ field }) => field))
  const broken = resource === undefined ? [] : brokenRules(resource as Resource, document)
  const found = [
    ...problems.filter((problem) => value === undefined || !known(problem)),
    ...broken.filter(({ field }) => !told.has(field)),
  ]
  if (found.length > 0) throw new InvalidResource(found)
  return value as Resource
}

/** What is left of a resource without these can be checked for more mistakes. */
const EVERY_FIELD = ['metadata.*', 'metadata.labels.*', 'spec.*', 'status']

/** The rules that a resource breaks; some are of how a value is written. */
function brokenRules(resource: Resource, document: Document): readonly Problem[] {
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
  checkSpec(checks, resource, document as DocumentOf)
  return checks.problems
}

function checkSpec<K extends Kind>(
  checks: Checks,
  resource: ResourceOf<K>,
  document: DocumentOf<K>,
): void {
  KINDS[resource.kind].check?.(checks, resource, document)
}

const METADATA_FIELDS = Object.keys(metadataSchema.shape)

/** The value under which a resource is stored: one line of JSON without resourceVersion. */
export function encodeResource(resource: Resource): string {
  const { kind, apiVersion, metadata, ...rest } = resource
  const { resourceVersion: _, ...kept } = inOrder(metadata, METADATA_FIELDS) as Metadata
  if (kept.labels !== undefined) kept.labels = sortedKeys(kept.labels)
  if (kept.annotations !== undefined) kept.annotations = sortedKeys(kept.annotations)
  return stringifyJson({ kind, apiVersion, metadata: kept, ...rest })
}

/** Metadata get fields after they were parsed. */
function inOrder(fields: object, order: readonly string[]): object {
  const values = fields as Readonly<Record<string, unknown>>
  const known = order.filter((key) => Object.hasOwn(fields, key)).map((key) => [key, values[key]])
  return { ...Object.fromEntries(known), ...values }
}
