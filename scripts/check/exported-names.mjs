// One name for one thing: no two files of src export the same name.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync } from 'oxc-parser'

/**
 * Exported names by the files that export them, where there are several. Tests do not count, nor what
 * is only used as `ipv4.ttl(…)`, nor a name that is passed on.
 * @returns {{ name: string, files: string[] }[]}
 */
export function duplicateExports(root) {
  const texts = new Map(
    sourceFiles(root).map((path) => [path, readFileSync(join(root, path), 'utf8')]),
  )
  const namespaces = importedAsNamespaces(texts)
  const owners = new Map()
  for (const [path, text] of texts) {
    if (namespaces.has(path)) continue
    for (const name of exportedNames(path, text)) {
      owners.set(name, [...(owners.get(name) ?? []), path])
    }
  }
  return [...owners]
    .filter(([, files]) => files.length > 1)
    .map(([name, files]) => ({ name, files }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Files that all others import as `import * as ipv4`: their names are never seen alone. */
function importedAsNamespaces(texts) {
  const whole = new Set()
  const byName = new Set()
  for (const [path, text] of texts) {
    for (const node of parseSync(path, text, { sourceType: 'module' }).program.body) {
      const from = node.source?.value
      if (!from?.startsWith('.')) continue
      const [first] = node.specifiers ?? []
      const isWhole = first?.type === 'ImportNamespaceSpecifier'
      ;(isWhole ? whole : byName).add(join(dirname(path), from))
    }
  }
  return new Set([...whole].filter((path) => !byName.has(path)))
}

function sourceFiles(root) {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.ts$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/\.(test|contract|d)\.ts$|\/testing\//.test(path))
    .sort()
}

/** Names that a file declares and exports; those of other files that it passes on are not its own. */
export function exportedNames(path, text) {
  const { program } = parseSync(path, text, { sourceType: 'module' })
  const names = new Set()
  for (const node of program.body) {
    if (node.type !== 'ExportNamedDeclaration' || node.source !== null) continue
    for (const name of declaredNames(node.declaration)) names.add(name)
    for (const { exported } of node.specifiers) names.add(exported.name ?? exported.value)
  }
  return [...names]
}

function declaredNames(declaration) {
  if (declaration === null) return []
  if (declaration.type !== 'VariableDeclaration') return [declaration.id.name]
  return declaration.declarations.flatMap(({ id }) =>
    id.type === 'Identifier' ? [id.name] : (id.properties ?? []).map(({ value }) => value.name),
  )
}
