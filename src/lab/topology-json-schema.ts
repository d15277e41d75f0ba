import * as z from 'zod'
import { topologySchema } from './topology-schema.ts'

/** The text of schema/topology.schema.json: what an editor checks a topology file with. */
export function topologyJsonSchema(): string {
  const schema = z.toJSONSchema(topologySchema, { io: 'input', target: 'draft-7' })
  const { $schema, ...rest } = schema
  const whole = {
    $schema,
    title: 'Topology of a lab',
    description: 'The networks, nodes, routers, IP pools and pods that "tortie lab up" makes.',
    ...rest,
  }
  return `${JSON.stringify(whole, undefined, 2)}\n`
}
