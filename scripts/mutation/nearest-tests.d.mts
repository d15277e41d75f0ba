/** Imports by file, types left out; paths from the root of the tree. */
export function importGraph(root: string): ReadonlyMap<string, readonly string[]>
/** Tests by file, the nearest first. */
export function nearestTests(
  graph: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]>
