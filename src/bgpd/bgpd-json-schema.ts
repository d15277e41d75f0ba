import * as z from 'zod'
import { bgpdSchema } from './config-schema.ts'

/** The text of schema/bgpd.schema.json: what an editor checks a configuration with. */
export function bgpdJsonSchema(): string {
  const { $schema, ...rest } = z.toJSONSchema(bgpdSchema, { io: 'input', target: 'draft-7' })
  const whole = {
    $schema,
    title: 'Configuration of tortie bgpd',
    description: 'What the plain BGP daemon "tortie bgpd --config FILE" is told.',
    ...rest,
  }
  return `${JSON.stringify(whole, undefined, 2)}\n`
}
