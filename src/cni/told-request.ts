import type { CniRequest, CniResult } from '../api/cni-protocol.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'

/**
 * A CNI command and what became of it, as the topic "cni" tells it: not its configuration nor its
 * arguments, which may hold what is secret.
 */
export async function toldRequest(
  log: Log,
  request: CniRequest,
  answer: () => Promise<CniResult | null>,
): Promise<CniResult | null> {
  const { command, containerId, interfaceName, networkNamespace, configuration } = request
  const { K8S_POD_NAMESPACE: namespace = '', K8S_POD_NAME: pod = '' } = request.arguments
  const fields = {
    command,
    container: containerId,
    interface: interfaceName,
    networkNamespace,
    network: configuration.name,
    pod: `${namespace}/${pod}`,
  }
  log.tell('cni', 'CNI command', fields)
  try {
    const result = await answer()
    const addresses = result?.ips?.map(({ address }) => address)
    log.tell('cni', 'CNI command done', { ...fields, addresses })
    return result
  } catch (thrown) {
    const { code } = thrown as { readonly code?: unknown }
    log.tell('cni', 'CNI command failed', { ...fields, code, error: messageOf(thrown) })
    throw thrown
  }
}
