import { writeSync } from 'node:fs'

/** EX_SOFTWARE of sysexits.h: a defect of the program. */
export const EXIT_DEFECT = 70

/**
 * From now on what nobody caught ends the process, with one line on standard error: a process that has
 * lost a part of itself must not look alive to whoever watches over it.
 */
export function endOnDefects(): void {
  process.on('uncaughtException', endWithDefect)
  process.on('unhandledRejection', (thrown) => {
    if (!EXPECTED.some((isExpected) => isExpected(thrown))) endWithDefect(thrown)
  })
}

const EXPECTED: ((thrown: unknown) => boolean)[] = []

/** Rejections of which it is known that nobody waits for them any more: no defects. */
export function expectRejections(isExpected: (thrown: unknown) => boolean): void {
  EXPECTED.push(isExpected)
}

function endWithDefect(thrown: unknown): never {
  writeLine(`tortie: internal error, please report it: ${inOneLine(thrown)}`)
  process.exit(EXIT_DEFECT)
}

/** "RangeError: … at intend (service.ts:12:3) at …": the innermost frames are enough to find the place. */
export function inOneLine(thrown: unknown): string {
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  return text
    .split('\n')
    .slice(0, 6)
    .map((line) => line.trim())
    .join(' ')
}

function writeLine(line: string): void {
  try {
    writeSync(2, `${line}\n`)
  } catch {
    // Nobody reads it; the exit status still tells.
  }
}
