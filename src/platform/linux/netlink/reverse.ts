/** The names of a registry by their numbers. */
export function reverse<Name extends string>(
  registry: Readonly<Record<Name, number>>,
): ReadonlyMap<number, Name> {
  return new Map(Object.entries<number>(registry).map(([name, number]) => [number, name as Name]))
}
