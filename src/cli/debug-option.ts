import { Option } from '@commander-js/extra-typings'
import { type DebugTopic, debugTopics, debugWords } from '../lib/debug-topics.ts'

/** `--debug netlink,routes`: topics that a process tells of in its log from its start. */
export function debugOption(known: readonly DebugTopic[]) {
  return new Option('--debug <topics>', `log these topics, comma-separated: ${known.join(', ')}`)
    .argParser((text: string): readonly DebugTopic[] => debugTopics(debugWords(text), known))
    .default([] as readonly DebugTopic[], 'none')
    .env('TORTIE_DEBUG')
}

/** For the help of what runs with a log. */
export const LOG_HELP = `
The log goes to standard error, one JSON object a line. TORTIE_LOG is its level: debug, info, warn or error,
info when absent. Topics of --debug appear at any level; "tortie debug" switches them while it runs.
`
