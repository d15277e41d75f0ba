import type { Command } from '../causes/cause.ts'
import type { Place } from '../predict/fault.ts'

/** How the one who reads a trace reaches the cluster that it is of. */
export interface Reach {
  /** As named by --lab; absent where commands find the cluster by themselves. */
  readonly lab?: string | undefined
}

/** A command as a person pastes it into a shell: in the namespace of the place, of the right lab. */
export function commandText(command: Command, { enter }: Place, { lab }: Reach): string {
  const words = command.map(quoted).join(' ')
  if (command[0] !== 'tortie') return `${enter}${words}`
  return lab === undefined ? words : `${words} --lab ${quoted(lab)}`
}

/** Names come from the datastore and from other machines: none of them is the shell's to expand. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
