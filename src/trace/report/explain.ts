import type { TracedHop } from '../observe/correlate.ts'
import { enterText } from '../predict/place.ts'
import type { Prediction } from '../predict/prediction.ts'
import type { TracedCluster } from '../tables/topology.ts'

/** The commands by which a person sees what a hop says: the route that chose it, the packet on it. */
export function explain(
  hop: TracedHop,
  { source, destination }: Prediction,
  topology: TracedCluster,
): readonly string[] {
  const view = topology.view(hop.node, hop.netns)
  const enter = view === undefined ? '' : enterText(view.snapshot)
  const query = hop.predicted?.way?.query
  const outer =
    hop.predicted?.outer ?? (hop.seen.state === 'seen' ? hop.seen.packet.outer : undefined)
  const input =
    query?.inputLinkIndex === undefined ? '' : ` iif ${view?.linkName(query.inputLinkIndex) ?? ''}`
  const from = query?.source === undefined ? '' : ` from ${query.source}`
  const filter =
    outer === undefined
      ? `${source.includes(':') ? 'icmp6' : 'icmp'} and host ${source} and host ${destination}`
      : outer.vxlan === undefined
        ? `'ip proto 4 and host ${outer.destination}'`
        : `'udp port ${outer.vxlan.port} and host ${outer.destination}'`
  return [
    ...(query === undefined ? [] : [`${enter}ip route get ${query.destination}${from}${input}`]),
    `${enter}tcpdump -ni ${hop.link} -v ${filter}`,
  ]
}
