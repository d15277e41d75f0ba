// Which tests would have to notice a mistake in a file: those that import it, the nearest first.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync } from 'oxc-parser'

/** Tests further away see a file only by way of much else. */
const DEPTH_MAX = 5
const FILES_MAX = 12

/** The import graph of all TypeScript under `src` of a tree; paths from its root. */
export function importGraph(root) {
  const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  return new Map(files.map((path) => [path, importsOf(root, path)]))
}

function importsOf(root, path) {
  const text = readFileSync(join(root, path), 'utf8')
  const { program } = parseSync(path, text, { sourceType: 'module' })
  return program.body.flatMap((node) => {
    const from = node.source?.value
    if (from === undefined || !from.startsWith('.') || isOfTypes(node)) return []
    return [join(dirname(path), from)]
  })
}

function isOfTypes({ importKind, exportKind, specifiers = [] }) {
  if (importKind === 'type' || exportKind === 'type') return true
  return (
    specifiers.length > 0 &&
    specifiers.every((one) => one.importKind === 'type' || one.exportKind === 'type')
  )
}

/**
 * For each file the tests that run for a mistake in it: of its own folder those that import it over the
 * fewest files, or, where there are none, of other folders.
 */
export function nearestTests(graph) {
  const distances = new Map()
  for (const test of graph.keys()) {
    if (test.endsWith('.test.ts')) walk(graph, test, distances)
  }
  const nearest = new Map()
  for (const [path, tests] of distances) {
    const folder = path.split('/').slice(0, 2).join('/') + '/'
    const rows = [...tests].sort(([a, one], [b, other]) => one - other || (a < b ? -1 : 1))
    const own = rows.filter(([test, distance]) => test.startsWith(folder) && distance <= DEPTH_MAX)
    nearest.set(
      path,
      (own.length > 0 ? own : rows).slice(0, FILES_MAX).map(([test]) => test),
    )
  }
  return nearest
}

function walk(graph, test, distances) {
  let wave = [test]
  const seen = new Set(wave)
  for (let distance = 1; wave.length > 0; distance++) {
    wave = wave
      .flatMap((path) => graph.get(path) ?? [])
      .filter((path) => !seen.has(path) && seen.add(path))
    for (const path of wave) {
      if (!distances.has(path)) distances.set(path, new Map())
      distances.get(path).set(test, distance)
    }
  }
}
