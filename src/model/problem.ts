import { UserError } from '../lib/errors.ts'

/** One field that is not as it must be. */
export interface Problem {
  /** Path as in YAML: "spec.ipNetworks[0]". */
  readonly field: string
  readonly value: unknown
  /** What was expected. */
  readonly reason: string
}

/** A resource that may not be stored; the message lists every problem, in Calico's form. */
export class InvalidResource extends UserError {
  readonly problems: readonly Problem[]
  constructor(problems: readonly Problem[]) {
    super(describe(problems))
    this.problems = problems
  }
}

function describe(problems: readonly Problem[]): string {
  const lines = problems.map(
    ({ field, value, reason }) => `${field} = '${shown(value)}' (${reason})`,
  )
  return lines.length === 1
    ? `error with field ${lines[0]}`
    : ['error with the following fields:', ...lines.map((line) => `-  ${line}`)].join('\n')
}

/** A value as one short line of a message. */
export function shown(value: unknown): string {
  if (value === undefined) return ''
  const text = typeof value === 'string' ? value : (JSON.stringify(value, bigintAsText) ?? '')
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
