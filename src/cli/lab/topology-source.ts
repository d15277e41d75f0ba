import type { CommandContext } from '../context.ts'
import { closest } from '../../lib/closest.ts'
import { UserError } from '../../lib/errors.ts'
import { BUILT_IN_TOPOLOGIES } from '../../lab/built-in-topologies.ts'
import { parseTopology } from '../../lab/parse-topology.ts'
import type { Topology } from '../../lab/topology-schema.ts'

export const BUILT_IN: readonly string[] = Object.keys(BUILT_IN_TOPOLOGIES)

export interface TopologySource {
  readonly text: string
  /** What messages call it. */
  readonly file: string
}

/** The text of a built-in topology, of a file, or of standard input for "-". Errors: UserError. */
export async function readTopology(
  source: string,
  context: CommandContext,
): Promise<TopologySource> {
  const builtIn = BUILT_IN_TOPOLOGIES[source]
  if (builtIn !== undefined) return { text: builtIn, file: source }
  try {
    const file = source === '-' ? 'standard input' : source
    return { text: await context.readText(source), file }
  } catch (thrown) {
    if (/[./]/.test(source) || source === '-') throw thrown
    const near = closest(source, BUILT_IN)
    const hint =
      near === undefined ? `built in are ${BUILT_IN.join(', ')}` : `did you mean ${near}?`
    throw new UserError(`There is no file and no built-in topology ${source}; ${hint}`)
  }
}

export function topologyOf({ text, file }: TopologySource): Topology {
  return parseTopology(text, file)
}
