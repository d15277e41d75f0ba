import { type Prefix, prefixOf } from '../../net/prefix.ts'
import type { NodeInputs } from './node-inputs.ts'

/** How a row of a desired node follows from what is known; it may remember what it answered. */
export type RowRule<Value> = (inputs: NodeInputs) => Value

/** Some of the inputs, by name, for functions that remember. */
export type Pieces<Keys extends keyof NodeInputs> = Pick<NodeInputs, Keys>

/** The network of the node's own address. */
export function networkOf(own: NodeInputs['ownAddress']): Prefix | undefined {
  return own && prefixOf(own.address, own.prefixLength)
}
