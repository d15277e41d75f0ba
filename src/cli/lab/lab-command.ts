import type { DefineCommand } from '../command-entry.ts'
import { defineDown } from './down.ts'
import { defineExec } from './exec.ts'
import { defineHost } from './host.ts'
import { defineList } from './list.ts'
import { defineRestart } from './restart.ts'
import { defineStatus } from './status.ts'
import { BUILT_IN } from './topology-source.ts'
import { defineUp } from './up.ts'

/** `tortie lab`: clusters of network namespaces on this machine. */
export const defineLab: DefineCommand = (command, context) => {
  command.addHelpText(
    'after',
    `
Examples:
  tortie lab up seed                     a built-in topology: ${BUILT_IN.join(', ')}
  tortie lab up seed --show              the file it is made of, to begin one of your own
  tortie lab up my-lab.yaml              a topology of your own
  tortie lab exec server01 -- ip route   any program, in a node or a pod
  tortie lab down                        everything gone
`,
  )
  defineUp(command, context)
  defineHost(command, context)
  defineDown(command, context)
  defineStatus(command, context)
  defineExec(command, context)
  defineRestart(command, context)
  defineList(command, context)
}
