/** What of a zod schema is looked at from outside: the form of what it reads. */
export interface SchemaInput {
  readonly def?: { readonly type?: string; readonly innerType?: unknown; readonly in?: unknown }
  readonly shape?: Readonly<Record<string, unknown>>
  readonly element?: unknown
  readonly valueType?: unknown
}

/** Below defaults, optionals and what becomes of a value once it is read. */
export function inputOf(schema: unknown): SchemaInput {
  let at = (schema ?? {}) as SchemaInput
  for (;;) {
    const { type, innerType, in: before } = at.def ?? {}
    const inner = type === 'pipe' ? before : innerType
    if (inner === undefined) return at
    at = inner as SchemaInput
  }
}

/** The names of the fields of a map that has certain ones. */
export function fieldsOfObject(input: SchemaInput): readonly string[] | undefined {
  return input.def?.type === 'object' ? Object.keys(input.shape ?? {}) : undefined
}
