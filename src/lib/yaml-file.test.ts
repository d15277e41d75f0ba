import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { readYamlFile } from './yaml-file.ts'

const schema = z.strictObject({
  name: z.string(),
  size: z.number().max(9, 'expected 9 at most').optional(),
  mode: z.enum(['fast', 'slow']).optional(),
  either: z
    .union([z.boolean(), z.strictObject({ depth: z.number() })], {
      error: 'expected true or a map',
    })
    .optional(),
  list: z.array(z.strictObject({ id: z.number() })).optional(),
  byName: z.record(z.string(), z.array(z.strictObject({ id: z.number() }))).optional(),
})

const read = (text: string) =>
  readYamlFile({
    text,
    file: 'f.yaml',
    schema,
    check: ({ name, size }) =>
      name.length === size ? [] : [{ path: ['size'], message: 'expected the length of the name' }],
    consequence: 'nothing was done',
  })

const messageOf = (text: string): string => {
  try {
    read(text)
  } catch (error) {
    return (error as Error).message
  }
  return 'read'
}

describe('a YAML file', () => {
  it('is the value that it describes', () => {
    expect(read('name: abc\nsize: 3\n')).toEqual({ name: 'abc', size: 3 })
  })

  it.each([
    ['a missing field', 'size: 3', 'f.yaml:1:1: name is missing: expected text'],
    ['a wrong type', 'name: [a]', 'f.yaml:1:7: name: expected text'],
    ['an empty field', 'name:\nsize: 3', 'f.yaml:1:6: name is empty: expected text'],
    ['a bound', 'name: abc\nsize: 10', 'f.yaml:2:7: size is 10: expected 9 at most'],
    ['a word', 'name: abc\nmode: fats', 'f.yaml:2:7: mode is "fats": expected one of fast, slow'],
    [
      'a misspelled field',
      'name: abc\nsiez: 3',
      'f.yaml:2:7: siez is 3: not a field here; did you mean size?',
    ],
    [
      'an unknown field',
      'name: a\nlist: [{id: 1, zzz: 2}]',
      'f.yaml:2:21: list[0].zzz is 2: not a field here; expected one of id',
    ],
    [
      'a field of a record',
      'name: a\nbyName: {x: [{id: 1, idd: 2}]}',
      'f.yaml:2:27: byName.x[0].idd is 2: not a field here; did you mean id?',
    ],
    ['neither form', 'name: a\neither: 7', 'f.yaml:2:9: either is 7: expected true or a map'],
    [
      'one form, wrong inside',
      'name: a\neither: {depth: x}',
      'f.yaml:2:17: either.depth is "x": expected a number',
    ],
    [
      'what fields have against each other',
      'name: abc\nsize: 2',
      'f.yaml:2:7: size is 2: expected the length of the name',
    ],
    [
      'an alias',
      'name: a\nlist: [&one {id: x}, *one]',
      'f.yaml:2:18: list[0].id is "x": expected a number',
    ],
    ['an empty file', '', 'f.yaml:1:1: the file is empty: expected a map of fields'],
  ])('tells where and what: %s', (_, text, expected) => {
    expect(messageOf(text)).toContain(expected)
  })

  it('tells all mistakes at once, in the order of the file, and what follows', () => {
    expect(messageOf('mode: x\nsize: 10\nfoo: 1\nname: 2').split('\n')).toEqual([
      'f.yaml has 4 mistakes; nothing was done',
      'f.yaml:1:7: mode is "x": expected one of fast, slow',
      'f.yaml:2:7: size is 10: expected 9 at most',
      'f.yaml:3:6: foo is 1: not a field here; expected one of name, size, mode, either, list, byName',
      'f.yaml:4:7: name is 2: expected text',
    ])
  })

  it('tells what is not YAML, with its place', () => {
    expect(messageOf('name: "abc')).toMatch(/f\.yaml:1:11: not YAML: /)
    expect(messageOf('name: a\n---\nname: b')).toContain(
      'f.yaml:2:1: expected one document, found a second after "---"',
    )
  })

  it('prints no more than 25 mistakes, and reads no file without end', () => {
    const list = Array.from({ length: 40 }, () => '{id: x}').join(', ')
    expect(messageOf(`name: a\nlist: [${list}]`)).toMatch(/has 40 mistakes[^]*and 15 more$/)
    expect(messageOf('x'.repeat((1 << 22) + 1))).toBe(
      'f.yaml is larger than 4194304 octets: is it the right file?',
    )
  })

  it('refuses aliases that grow without bound', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
    for (let n = 1; n < 9; n++)
      lines.push(
        `a${n}: &a${n} [${Array(9)
          .fill(`*a${n - 1}`)
          .join(', ')}]`,
      )
    expect(messageOf(lines.join('\n'))).toContain('cannot be read')
  })
})
