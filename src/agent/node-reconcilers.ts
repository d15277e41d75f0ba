import type { Speaker } from '../bgp/speaker.ts'
import type { Kernel, KernelEvent, Machine } from '../kernel/kernel.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Reconciliation, Scheduler } from '../lib/reconcile/scheduler.ts'
import type { IpAddress } from '../net/ip-address.ts'
import type { Prefix } from '../net/prefix.ts'
import { SpeakerReconciler } from './bgp/speaker-reconciler.ts'
import type { KnownProblems } from './cluster/known-problems.ts'
import { ProblemsReconciler } from './cluster/problems-reconciler.ts'
import {
  RemoteBlocksReconciler,
  type RemoteBlocksNeeds,
} from './cluster/remote-blocks-reconciler.ts'
import { HostEndsReconciler } from './dataplane/host-ends-reconciler.ts'
import type { SavedSysctls } from './dataplane/host-sysctls.ts'
import type { KernelView } from './dataplane/kernel-view.ts'
import { PodLinksReconciler } from './dataplane/pod-links-reconciler.ts'
import { RoutesReconciler } from './dataplane/routes-reconciler.ts'
import { SysctlsReconciler } from './dataplane/sysctls-reconciler.ts'
import { type NodeAddresses, OwnRowsReconciler } from './datastore/own-rows-reconciler.ts'
import type { DesiredNode } from './desired/desired-node.ts'
import type { ToldFacts } from './desired/local-facts.ts'
import { PacketFilterReconciler } from './packet-filter/packet-filter-reconciler.ts'
import { IpipReconciler } from './tunnel/ipip-reconciler.ts'
import type { TunnelKind, TunnelPrograms } from './tunnel/tunnel-device.ts'
import { VxlanReconciler } from './tunnel/vxlan-reconciler.ts'

export interface NodeReconcilersNeeds {
  /** Name of the Node resource. */
  readonly node: string
  readonly kernel: Kernel
  readonly kernelView: KernelView
  /** Where pods' namespaces are opened. */
  readonly machine: Pick<Machine, 'openNamespace'>
  readonly tunnelKind: TunnelKind
  /** For kernels without the ipip module. */
  readonly tunnelPrograms?: TunnelPrograms
  readonly savedSysctls: SavedSysctls
  readonly followBlockOwners: RemoteBlocksNeeds['follow']
  readonly addresses: NodeAddresses
  readonly speaker: Speaker
  /** What BGP learned, as it is at any time. */
  readonly learned: ReadonlyMap<Prefix, readonly IpAddress[]>
  readonly problems: KnownProblems
  readonly clock: Clock
  readonly log: Log
  /** What a reconciler found out. */
  onFacts(facts: Partial<ToldFacts>): void
}

/** The reconcilers of a node. */
export interface NodeReconcilers {
  /** By the row of a {@link DesiredNode} that each keeps. */
  readonly rows: { readonly [Row in keyof DesiredNode]: Reconciliation<DesiredNode[Row]> }
  readonly ipip: IpipReconciler
  readonly vxlan: VxlanReconciler
  readonly packetFilter: PacketFilterReconciler
  readonly routes: RoutesReconciler
  /** What BGP learned to these, or to whom they belong, has changed. */
  touchRoutes(prefixes: readonly Prefix[]): void
}

/**
 * Makes all reconcilers of a node and adds them to a scheduler, in the order in which one stands on
 * another: tunnels are there, and take packets by whichever link they come, before routes lead into them, and
 * a node announces last what it forwards. What goes is removed the other way round.
 */
export function addNodeReconcilers(
  scheduler: Scheduler<KernelEvent>,
  needs: NodeReconcilersNeeds,
): NodeReconcilers {
  const { kernel, kernelView: view, clock, log, onFacts } = needs
  const remote = new RemoteBlocksReconciler({
    node: needs.node,
    follow: needs.followBlockOwners,
    onChanges: (prefixes) => touchRoutes(prefixes),
    onKnown: (knowsBlocks) => onFacts({ knowsBlocks }),
  })
  const packetFilter = new PacketFilterReconciler({
    kernel,
    log,
    onAvailability: () => onFacts({ isUnfiltered: packetFilter.unavailable !== undefined }),
  })
  const ipip = new IpipReconciler({
    kernel,
    view,
    kind: needs.tunnelKind,
    programs: needs.tunnelPrograms,
    clock,
    log,
    onLink: (ipipLink) => onFacts({ ipipLink }),
    onPathMtus: (pathMtus) => onFacts({ pathMtus }),
  })
  const vxlan = new VxlanReconciler({
    kernel,
    view,
    log,
    onLink: (vxlanLink) => onFacts({ vxlanLink }),
  })
  const sysctls = new SysctlsReconciler({
    kernel,
    view,
    saved: needs.savedSysctls,
    onStrictLinks: (strictLinks) => onFacts({ strictLinks }),
  })
  const ownRows = new OwnRowsReconciler({
    node: needs.node,
    addresses: needs.addresses,
    onIpipAddress: (ipipAddress) => onFacts({ ipipAddress }),
  })
  const routes = new RoutesReconciler({
    kernel,
    view,
    log,
    learned: needs.learned,
    remote: remote.rows,
  })
  const rows: NodeReconcilers['rows'] = {
    problems: scheduler.add(new ProblemsReconciler(needs.problems)),
    ownRows: scheduler.add(ownRows),
    remoteBlocks: scheduler.add(remote),
    packetFilter: scheduler.add(packetFilter),
    ipip: scheduler.add(ipip),
    vxlan: scheduler.add(vxlan),
    sysctls: scheduler.add(sysctls),
    podLinks: scheduler.add(new PodLinksReconciler({ kernel, view, machine: needs.machine, log })),
    hostEnds: scheduler.add(new HostEndsReconciler({ kernel, view, log })),
    routes: scheduler.add(routes),
    bgp: scheduler.add(new SpeakerReconciler({ speaker: needs.speaker, log })),
  }
  function touchRoutes(prefixes: readonly Prefix[]): void {
    if (routes.touch(prefixes)) rows.routes.request()
  }
  return { rows, ipip, vxlan, packetFilter, routes, touchRoutes }
}
