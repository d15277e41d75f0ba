import { RpcError, type RpcMethod } from '../lib/rpc.ts'
import { firstProblem } from '../lib/schema-problems.ts'
import type { Api, Handlers, Params } from './methods.ts'
import type { ParamsSchemas } from './params-schemas.ts'

/**
 * What a socket serves: handlers behind a check of what was sent. Errors of a call: EINVAL that names
 * method, field, value and what was expected.
 */
export function checkedMethods<Table extends Api<Table>>(
  schemas: ParamsSchemas<Table>,
  handlers: Handlers<Table>,
): { readonly [M in keyof Table]: RpcMethod } {
  const names = Object.keys(schemas) as (keyof Table & string)[]
  const methods = names.map((name): [string, RpcMethod] => [
    name,
    async (params) => handlers[name](checked(schemas, name, params)),
  ])
  return Object.fromEntries(methods) as { readonly [M in keyof Table]: RpcMethod }
}

function checked<Table extends Api<Table>, M extends keyof Table & string>(
  schemas: ParamsSchemas<Table>,
  method: M,
  params: unknown,
): Params<Table, M> {
  const schema = schemas[method]
  const result = schema.safeParse(params)
  if (result.success) return result.data
  throw new RpcError('EINVAL', `${method}: ${firstProblem(result.error, params, schema)}`)
}
