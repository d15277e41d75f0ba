import type { DefineCommand } from './command-entry.ts'
import { silentLog } from '../lib/log.ts'
import { replayAgent } from '../recording/agent-recording.ts'
import { ReplayEnded, type ReplayResult } from '../recording/replayer.ts'

/** `tortie replay FILE`: the agent of this version on what one was recorded hearing. */
export const defineReplay: DefineCommand = (command, context) => {
  command
    .description(
      'Replay a recording of "tortie agent --record" on this version of the agent. It gets the recorded ' +
        'inputs in their order and at their times, and must produce the recorded outputs. Nothing is ' +
        'touched: kernel, datastore, neighbors and clock come from the file.',
    )
    .argument('<file>', 'the recording')
    .option('--log', 'also print the log of the replayed agent')
    .addHelpText('after', '\nExit status: 0 if the outputs are the same to the end, else 1.')
    .action(async (file, { log }) => {
      // Where the recording has no more to say, what the agent is about ends in the middle.
      context.expectRejections((thrown) => thrown instanceof ReplayEnded)
      const lines = linesOf(await context.readText(file))
      const { node, result } = await replayAgent(lines, {
        name: file,
        log: log === true ? await context.openLog('replay') : silentLog,
        settled: () => new Promise((resolve) => void setImmediate(resolve)),
      })
      context.out.write(render(node, result))
      if (result.difference !== undefined) context.setExitCode(1)
    })
}

/** Whole lines; what a killed agent had not written to its end is left out. */
function linesOf(text: string): string[] {
  return text.split('\n').slice(0, -1)
}

function render(node: string, { arrivals, effects, difference }: ReplayResult): string {
  const done = `${arrivals} events, ${effects} effects`
  if (difference === undefined) return `${node}: ${done}: the same\n`
  const { line, after, recorded, now } = difference
  return (
    `${node}: ${done}, then a difference at line ${line}\n` +
    `  after     ${after}\n  recorded  ${recorded}\n  now       ${now}\n`
  )
}
