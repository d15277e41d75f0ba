/**
 * Names of workload endpoints: four segments joined by "-", each with its own dashes doubled, so that
 * node server01 and pod network-5z4qp give "server01-k8s-network--5z4qp-eth0".
 *
 * The third segment is the pod for k8s, the container ID for cni, and otherwise the workload.
 */
export interface WorkloadEndpointName {
  readonly node: string
  readonly orchestrator: string
  readonly workload: string
  readonly endpoint: string
}

/** The name of an endpoint; throws RangeError on a segment that is empty or begins or ends with "-". */
export function workloadEndpointName(
  node: string,
  orchestrator: string,
  workload: string,
  endpoint: string,
): string {
  return Object.entries({ node, orchestrator, workload, endpoint })
    .map(([what, segment]) => escapeSegment(what, segment))
    .join('-')
}

/** The segments of a name, or undefined if it has not four. */
export function parseWorkloadEndpointName(name: string): WorkloadEndpointName | undefined {
  const segments = ['']
  for (let at = 0; at < name.length; at++) {
    const character = name[at]!
    if (character !== '-') segments[segments.length - 1] += character
    else if (name[at + 1] === '-') {
      segments[segments.length - 1] += '-'
      at++
    } else segments.push('')
  }
  if (segments.length !== 4 || segments.some((segment) => !isSegment(segment))) return undefined
  const [node, orchestrator, workload, endpoint] = segments as [string, string, string, string]
  return { node, orchestrator, workload, endpoint }
}

function isSegment(text: string): boolean {
  return text !== '' && !text.startsWith('-') && !text.endsWith('-')
}

function escapeSegment(what: string, segment: string): string {
  if (!isSegment(segment)) {
    throw new RangeError(
      `Expected a ${what} that is not empty and neither begins nor ends with "-", found "${segment}"`,
    )
  }
  return segment.replaceAll('-', '--')
}
