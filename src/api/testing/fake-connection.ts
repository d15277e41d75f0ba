import type { Api, Connection } from '../methods.ts'

/** A connection that answers as a test has it; what it answers is the test's own affair. */
export function fakeConnection<Table extends Api<Table>>(
  answer: (method: string, params: unknown) => Promise<unknown>,
): Connection<Table> {
  return { call: answer, close() {} } as Connection<Table>
}
