import type * as z from 'zod'
import type { Checks } from './checks.ts'
import type { DocumentOf, Draft, Kind, ResourceOf } from './resource.ts'

/** What the program knows of one kind of resource. */
export interface KindDefinition<K extends Kind> {
  /** Lower case, as in the store's keys and on the command line. */
  readonly plural: string
  readonly aliases: readonly string[]
  readonly namespaced: boolean
  readonly spec: z.ZodType
  readonly status?: z.ZodType
  /** What stands alone in it: left out where it is wrong, while the rest counts ({@link parseParts}). */
  readonly parts?: readonly string[]
  /** Fills in what follows from other fields. */
  complete?(resource: ResourceOf<K>): void
  /**
   * Rules beyond the types of fields; checked when something is written.
   *
   * @param document the resource as it was written, before its values were parsed
   */
  check?(checks: Checks, resource: ResourceOf<K>, document: DocumentOf<K>): void
  /** Rules among all of the kind; checked when another comes. */
  checkAmong?(checks: Checks, resource: ResourceOf<K>, others: readonly ResourceOf<K>[]): void
  /** What may not become of what is there. */
  checkChange?(checks: Checks, before: ResourceOf<K>, after: ResourceOf<K>): void
  /** What is made of each field of the spec; one without a row does not compile. docs/resources.md is made of it. */
  readonly uses: Uses<ResourceOf<K>['spec']>
  /**
   * Further fields that Calico has, kept as they are, and that nothing here looks at, so that a file with
   * them can be applied and a misspelled one cannot (Calico's CRDs and internalapi, as of 3.33).
   */
  readonly kept?: readonly string[]
  /** The columns of `get`, as calicoctl prints them (NAMESPACE is put in front by who prints). */
  readonly columns: readonly Column<K>[]
  /** For `-o wide`; absent: the same. */
  readonly wideColumns?: readonly Column<K>[]
  /** How it stands in a row; absent: as JSON of its own, under plural, namespace and name. */
  readonly row?: RowForm<K>
}

/** What a column may need beside the resource itself. */
export interface ColumnContext {
  /** The AS number of nodes that have none of their own; undefined if it could not be read. */
  readonly defaultAsNumber: number | undefined
}

export interface Column<K extends Kind> {
  readonly header: string
  value(resource: ResourceOf<K>, context: ColumnContext): string
}

/** Whether something here follows from a field, or it is only kept for others. */
export type FieldUse = 'obeyed' | 'kept'

export type Uses<Fields> = { readonly [Name in keyof Required<Fields>]: FieldUse | NestedUses }
interface NestedUses {
  readonly [name: string]: FieldUse
}

/** The form in which IPAM keeps a kind in rows that are its own: without uid, labels and the like. */
export interface RowForm<K extends Kind> {
  /** @param within the node whose affinities are meant */
  prefix(within?: string): string
  /** Undefined: there can be none by that name, or it cannot be found by name alone. */
  key(name: string): string | undefined
  /** What is written, as JSON has it. */
  write(resource: ResourceOf<K>): unknown
  /** Whether a row under the prefix is of this kind. */
  isOfKind(key: string): boolean
  /** Of such a row. Throws SyntaxError on a value that cannot be read. */
  read(row: { readonly key: string; readonly value: string }): Draft<K>
  /** Why resources of this kind cannot be written here. */
  readonly readOnly?: string
}
