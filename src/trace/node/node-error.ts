/** A node's refusal of a request of the trace; `code` crosses the socket, as RpcError has it. */
export class NodeError extends Error {
  override readonly name = 'NodeError'
  readonly code: 'EBUSY' | 'EEXIST' | 'EINVAL' | 'ENOENT'
  constructor(code: NodeError['code'], message: string) {
    super(message)
    this.code = code
  }
}
