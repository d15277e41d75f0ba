import type { FieldUse } from './kind-definition.ts'
import { ALL_KINDS, KINDS } from './kinds.ts'
import type { Kind } from './resource.ts'

const HEAD = `# Resources

Which fields of Calico's resources (\`projectcalico.org/v3\`) Tortie obeys, and which it only keeps for others. This file
is made from the program's own tables by \`node scripts/schema.mjs\`; a field without an answer does not compile.

What stands in the datastore is read field by field. A value that is not as it must be is named with its row and field,
in the log and in the node's status; where the rest can do without it, as with one range of a list, the rest counts.
\`tortie apply\` and \`tortie patch\` refuse such values, and fields that a kind does not have, unless the datastore has
them already.
`

/** docs/resources.md */
export function resourcesMarkdown(): string {
  return [HEAD, ...ALL_KINDS.map(section)].join('\n')
}

function section(kind: Kind): string {
  const uses = usesOf(kind)
  const named = (use: FieldUse): string[] =>
    uses.filter((field) => field.use === use).map(({ name }) => name)
  const others = (KINDS[kind].kept ?? [])
    .filter((name) => name.startsWith('spec.'))
    .map((name) => name.slice('spec.'.length))
  const kept = [...named('kept'), ...others]
  const lists = [list('Obeyed', named('obeyed')), list('Kept', kept)]
  return [`## ${kind}`, ...lists.filter((one) => one !== '')].join('\n\n').concat('\n')
}

function usesOf(kind: Kind): { readonly name: string; readonly use: FieldUse }[] {
  return Object.entries(KINDS[kind].uses).flatMap(([name, use]) =>
    typeof use === 'string'
      ? [{ name, use }]
      : Object.entries(use).map(([inner, of]) => ({ name: `${name}.${inner}`, use: of })),
  )
}

const COLUMNS = 120

function list(title: string, names: readonly string[]): string {
  if (names.length === 0) return ''
  const words = names.map((name, at) => `\`${name}\`${at === names.length - 1 ? '.' : ','}`)
  const lines = [`${title}:`]
  for (const word of words) {
    const last = lines.at(-1)!
    if (last.length + 1 + word.length > COLUMNS) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.join('\n')
}
