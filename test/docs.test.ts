import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseBgpdConfig } from '../src/bgpd/parse-config.ts'
import { AGENT_TOPICS, BGPD_TOPICS, DEBUG_TOPICS } from '../src/lib/debug-topics.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const documents = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))

/** What stands between backticks. */
const codeSpans = (text: string): string[] =>
  [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!)
const isPath = (code: string): boolean =>
  /^(src|test|bench|scripts|schema)\/[\w./-]+\.\w+$/.test(code)

/** Cells of the table rows of a document. */
function rows(path: string): string[][] {
  return read(path)
    .split('\n')
    .filter((line) => line.startsWith('|') && !line.startsWith('|---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

describe('the documents', () => {
  it.each(documents)('docs/%s names only files that exist', (name) => {
    const text = read(join('docs', name))
    const links = [...text.matchAll(/\]\((\.\.?\/[^)#]+)\)/g)].map(([, link]) =>
      join('docs', link!),
    )
    const missing = [...codeSpans(text).filter(isPath), ...links].filter(
      (path) => !existsSync(join(root, path)),
    )
    expect(missing).toEqual([])
  })

  it('standards.md has for each row code and a test, or a reason', () => {
    for (const row of rows('docs/standards.md')) {
      const [first, , ...rest] = row
      if (first === 'standard' || first === 'what') continue
      const paths = codeSpans(row.join(' ')).filter(isPath)
      const hasTest = paths.some((path) => path.endsWith('.test.ts'))
      const isDone = paths.some((path) => !path.endsWith('.test.ts')) && hasTest
      const hasReason = (rest.at(-1) ?? '').length > 20
      expect(isDone || hasReason, row.join(' | ')).toBe(true)
    }
  })

  it('limits.md names constants that are where it says', () => {
    for (const row of rows('docs/limits.md').slice(1)) {
      const spans = codeSpans(row.at(-1)!)
      expect(spans.filter(isPath).length, row[0]).toBeGreaterThan(0)
      let text = ''
      for (const span of spans) {
        if (isPath(span)) text = read(span)
        else expect(text.includes(span), `${row[0]!}: ${span}`).toBe(true)
      }
    }
  })

  it('cni-specification.md names for each point a test that is there', () => {
    const points = rows('docs/cni-specification.md').slice(1)
    expect(points.map(([number]) => number)).toEqual(points.map((_, at) => String(at + 1)))
    for (const [, , point, path, name] of points) {
      const [file] = codeSpans(path!)
      // A title may be broken over two lines of the source, and has its quotes escaped.
      const source = read(file!).replaceAll(/\s+/g, ' ')
      expect(source.includes(name!), `${point!}: ${name!}`).toBe(true)
    }
  })

  it('debugging.md has each topic, with what its processes know of it', () => {
    const written = rows('docs/debugging.md').slice(1)
    const known = AGENT_TOPICS.map((topic) => {
      const ofBgpd = BGPD_TOPICS.includes(topic) ? 'yes' : ''
      return [`\`${topic}\``, DEBUG_TOPICS[topic], 'yes', ofBgpd]
    })
    expect(written).toEqual(known)
  })

  it('bgpd.md has an example that is right, and names every section of the file', () => {
    const text = read('docs/bgpd.md')
    const [, example] = /```yaml\n([^]*?)```/.exec(text)!
    parseBgpdConfig(example!, 'docs/bgpd.md', 'the document is wrong')
    const schema = JSON.parse(read('schema/bgpd.schema.json')) as { properties: object }
    for (const field of Object.keys(schema.properties)) expect(text).toContain(`\`${field}`)
  })
})
