import { stringify } from 'yaml'

/**
 * YAML as Go's library in calicoctl writes it: keys in order, sequences not indented, and quotes where
 * YAML 1.1 would read something else than text, but none around timestamps.
 */
export function yamlText(value: unknown): string {
  return stringify(value, {
    schema: 'yaml-1.1',
    customTags: (tags) => tags.filter((tag) => tag !== 'timestamp' && !isTimestamp(tag)),
    sortMapEntries: true,
    indentSeq: false,
    lineWidth: 0,
    aliasDuplicateObjects: false,
  })
}

function isTimestamp(tag: unknown): boolean {
  return (tag as { tag?: unknown }).tag === 'tag:yaml.org,2002:timestamp'
}
