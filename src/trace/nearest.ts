import { editDistance } from '../lib/closest.ts'

/**
 * The names that a misspelled one is close to, the closest first, three at most; none that is much
 * farther than the closest.
 */
export function nearest(wanted: string, names: Iterable<string>): readonly string[] {
  const reach = Math.max(2, Math.floor(wanted.length / 3))
  return [...new Set(names)]
    .map((name) => ({ name, distance: closeness(wanted, name) }))
    .filter(({ distance }) => distance <= reach)
    .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
    .filter(({ distance }, _, [closest]) => distance <= closest!.distance + 1)
    .slice(0, 3)
    .map(({ name }) => name)
}

/** Edit distance; a name that contains what was typed is one step away. */
function closeness(wanted: string, name: string): number {
  return wanted.length >= 3 && name.includes(wanted) ? 1 : editDistance(wanted, name)
}
