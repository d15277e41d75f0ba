/**
 * What a person did wrong, told so that it can be mended: what, where, and what was expected.
 * The command line prints the message alone; anything else that reaches it is a defect and prints a stack.
 */
export class UserError extends Error {
  override readonly name = 'UserError'
  /** Process exit status when this ends a command. */
  readonly exitCode: number
  constructor(message: string, options?: { exitCode?: number; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.exitCode = options?.exitCode ?? 1
  }
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
