import { type Family, familyOf, type IpAddress, parseIpAddress } from '../../../net/ip-address.ts'

/** Words of a command line, sorted. */
export interface Options {
  /** Whether a flag without a value is there: "n". */
  has(flag: string): boolean
  text(flag: string): string | undefined
  /** Errors: RangeError on what is no number of at least 0. */
  number(flag: string, otherwise: number): number
  readonly words: readonly string[]
}

/**
 * Sorts "-c 3", "-c3" and "-nq" as getopt does. Errors: RangeError on a letter that is not known.
 * @param valued letters that take a value
 * @param plain letters that take none
 */
export function readOptions(argv: readonly string[], valued: string, plain: string): Options {
  const values = new Map<string, string>()
  const words: string[] = []
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!
    if (!word.startsWith('-') || word === '-') {
      words.push(word)
      continue
    }
    for (let letter = 1; letter < word.length; letter++) {
      const flag = word[letter]!
      if (valued.includes(flag)) {
        const glued = word.slice(letter + 1)
        values.set(flag, glued === '' ? (argv[++at] ?? '') : glued)
        break
      }
      if (!plain.includes(flag)) {
        const known = Array.from(valued + plain, (each) => `-${each}`).join(' ')
        throw new RangeError(`invalid option -- '${flag}'; known here are ${known}`)
      }
      values.set(flag, '')
    }
  }
  return {
    has: (flag) => values.has(flag),
    text: (flag) => values.get(flag),
    number(flag, otherwise) {
      const value = Number(values.get(flag) ?? otherwise)
      if (Number.isFinite(value) && value >= 0) return value
      throw new RangeError(`invalid argument: '-${flag} ${values.get(flag)}'`)
    },
    words,
  }
}

/** The address that a command is about; there are no names to look up. Errors: RangeError. */
export function destinationArgument({ words, has }: Options): IpAddress {
  const [word] = words
  if (word === undefined) throw new RangeError('usage error: Destination address required')
  const address = parseIpAddress(word)
  if (address === undefined) throw new RangeError(`${word}: Name or service not known`)
  const family: Family | undefined = has('6') ? 6 : has('4') ? 4 : undefined
  if (family === undefined || family === familyOf(address)) return address
  throw new RangeError(`${word}: Address family for hostname not supported`)
}
