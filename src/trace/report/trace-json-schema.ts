import * as z from 'zod'
import { traceDocument } from './trace-document.ts'

/** The text of schema/trace.schema.json: what `tortie trace -o json` prints. */
export function traceJsonSchema(): string {
  const { $schema, ...rest } = z.toJSONSchema(traceDocument, { target: 'draft-7' })
  const whole = {
    $schema,
    title: 'Trace',
    description: 'Where a packet should have gone, where it was seen, and why the two differ.',
    ...rest,
  }
  return `${JSON.stringify(whole, undefined, 2)}\n`
}
