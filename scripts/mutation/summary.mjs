/** The score of each folder under src, and of all: noticed mutants of those that could be run. */
export function summary(rows) {
  const folders = new Map()
  for (const row of [...rows].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    const folder = row.path.split('/').slice(0, 2).join('/')
    folders.set(folder, [...(folders.get(folder) ?? []), row])
  }
  const lines = [...folders, ['all', rows]].map(([name, some]) => {
    const of = (status) => some.filter((row) => row.status === status).length
    const noticed = of('killed') + of('timeout')
    const counted = noticed + of('survived') + of('no tests')
    const score = counted === 0 ? '-' : `${((100 * noticed) / counted).toFixed(1)} %`
    return [name, counted, of('killed'), of('timeout'), of('survived'), of('no tests'), score]
  })
  const table = [['', 'mutants', 'killed', 'timeout', 'survived', 'no tests', 'score'], ...lines]
  const widths = table[0].map((_, at) => Math.max(...table.map((row) => String(row[at]).length)))
  return table
    .map((row) =>
      row
        .map((cell, at) => pad(String(cell), widths[at], at))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const pad = (text, width, at) => (at === 0 ? text.padEnd(width) : text.padStart(width))
