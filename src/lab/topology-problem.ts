/** Where in a topology file something is: the keys and indexes from the root. */
export type FieldPath = readonly (string | number)[]

/** One mistake in a topology file. */
export interface TopologyProblem {
  readonly path: FieldPath
  /** What is wrong with the field and what was expected: "expected …". */
  readonly message: string
  /** The field that this one disagrees with; its line is added. */
  readonly other?: FieldPath
}

/** "nodes[1].interfaces[0].address" */
export function fieldName(path: FieldPath): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text === '' ? 'the file' : text
}
