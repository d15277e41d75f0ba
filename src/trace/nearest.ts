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

/** Insertions, deletions, changes and swaps of neighbors (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + change)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, beforeLast[j - 2]! + 1)
      }
      row.push(least)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}
