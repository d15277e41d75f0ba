import * as z from 'zod'
import { parseGoPattern } from '../lib/go-pattern.ts'
import { address, cidrOrAddress, integer, port } from './fields.ts'
import { loose } from './loose.ts'
import { nameColumn } from './column.ts'
import { specFields } from './kept-fields.ts'
import type { KindDefinition } from './kind-definition.ts'

/** Octets of a packet inside a tunnel: 0 is Tortie's choice; the kernel's least is 68 (RFC 791). */
function mtu(most: number): z.ZodType<number> {
  const error = `expected 0, or an MTU from 68 to ${most}`
  return integer(0, most).refine((octets) => octets === 0 || octets >= 68, { error })
}

/** The longest IP packet less the outer headers. */
const IPIP_MTU_MAX = 65_535 - 20
const VXLAN_MTU_MAX = 65_535 - 50

/** Parameters of Calico's Felix. */
export const felixConfigurationSpec = loose({
  /** Where pods of pools with natOutgoing keep their address: IPPoolsOnly, IPPoolsAndHostIPs. */
  natOutgoingExclusions: z.enum(['IPPoolsOnly', 'IPPoolsAndHostIPs']).optional(),
  /** Source of what leaves such pools, and ports for it ("1024:65535"); absent: the kernel's choice. */
  natOutgoingAddress: address().optional(),
  natPortRange: z
    .union([z.string(), z.int()])
    .refine((range) => parsePortRange(range) !== undefined, {
      error: 'expected a port, or a range of ports such as 32768:65535',
    })
    .optional(),
  /** Hosts that are no nodes and whose tunnels are trusted all the same: addresses, networks. */
  externalNodesList: z.array(cidrOrAddress()).optional(),
  /** Pods may send IPIP, VXLAN themselves. */
  allowIPIPPacketsFromWorkloads: z.boolean().optional(),
  allowVXLANPacketsFromWorkloads: z.boolean().optional(),
  /** IPIP on or off whatever the pools say; absent: as the pools say. */
  ipipEnabled: z.boolean().optional(),
  /** Octets inside tunl0; absent or 0: 20 less than the uplink. */
  ipipMTU: mtu(IPIP_MTU_MAX).optional(),
  /** Regular expression (RE2) for names of links whose smallest MTU is the host's; absent: Calico's. */
  mtuIfacePattern: z
    .string()
    .refine((pattern) => parseGoPattern(pattern) !== undefined, {
      error: 'expected a regular expression as Go reads it (RE2)',
    })
    .optional(),
  /** The same of VXLAN; absent or 0: 50 less than the uplink. */
  vxlanEnabled: z.boolean().optional(),
  vxlanMTU: mtu(VXLAN_MTU_MAX).optional(),
  /** Network identifier; absent: 4096. */
  vxlanVNI: integer(1, 0xffffff).optional(),
  /** UDP port; absent: 4789. */
  vxlanPort: port.optional(),
})

/** A parameter that is wrong counts as absent, as with Felix. */
const FELIX_CONFIGURATION_PARTS = ['spec.*', 'spec.externalNodesList.*']

export interface PortRange {
  readonly first: number
  readonly last: number
}

/** "32768:60999", "4000" or a number; undefined if it is none of them. "0:0" is the kernel's choice. */
export function parsePortRange(range: string | number): PortRange | undefined {
  const match = /^(\d{1,5})(?::(\d{1,5}))?$/.exec(String(range))
  if (match === null) return undefined
  const first = Number(match[1])
  const last = Number(match[2] ?? match[1])
  return first <= last && last <= 0xffff ? { first, last } : undefined
}

export const felixConfiguration: KindDefinition<'FelixConfiguration'> = {
  plural: 'felixconfigurations',
  aliases: ['felixconfig', 'felixconfigs'],
  namespaced: false,
  spec: felixConfigurationSpec,
  parts: FELIX_CONFIGURATION_PARTS,
  uses: {
    natOutgoingExclusions: 'obeyed',
    natOutgoingAddress: 'obeyed',
    natPortRange: 'obeyed',
    externalNodesList: 'obeyed',
    allowIPIPPacketsFromWorkloads: 'obeyed',
    allowVXLANPacketsFromWorkloads: 'obeyed',
    ipipEnabled: 'obeyed',
    ipipMTU: 'obeyed',
    mtuIfacePattern: 'obeyed',
    vxlanEnabled: 'obeyed',
    vxlanMTU: 'obeyed',
    vxlanVNI: 'obeyed',
    vxlanPort: 'obeyed',
  },
  kept: specFields(`
    awsSrcDstCheck bpfAttachType bpfCTLBLogFilter bpfConnectTimeLoadBalancing
    bpfConnectTimeLoadBalancingEnabled bpfConntrackLogLevel bpfConntrackMode
    bpfConntrackTimeouts bpfDSROptoutCIDRs bpfDataIfacePattern bpfDisableGROForIfaces
    bpfDisableUnprivileged bpfEnabled bpfEnforceRPF bpfExcludeCIDRsFromNAT
    bpfExportBufferSizeMB bpfExtToServiceConnmark bpfExternalServiceMode
    bpfForceTrackPacketsFromIfaces bpfHostConntrackBypass bpfHostNetworkedNATWithoutCTLB
    bpfIPFragTimeout bpfIPFragmentReassemblyEnabled bpfJITHardening
    bpfKubeProxyHealthzPort bpfKubeProxyIptablesCleanupEnabled bpfKubeProxyMinSyncPeriod
    bpfL3IfacePattern bpfLogFilters bpfLogLevel bpfMaglevMaxEndpointsPerService
    bpfMaglevMaxServices bpfMapSizeConntrack bpfMapSizeConntrackCleanupQueue
    bpfMapSizeConntrackScaling bpfMapSizeIPSets bpfMapSizeIfState bpfMapSizeNATAffinity
    bpfMapSizeNATBackend bpfMapSizeNATFrontend bpfMapSizePerCpuConntrack bpfMapSizeRoute
    bpfOverlayHostSourceIP bpfPSNATPorts bpfPolicyDebugEnabled bpfProfiling
    bpfRedirectToPeer cgroupV2Path chainInsertMode dataplaneDriver
    dataplaneWatchdogTimeout debugDisableLogDropping debugHost debugMemoryProfilePath
    debugPort debugSimulateCalcGraphHangAfter debugSimulateDataplaneApplyDelay
    debugSimulateDataplaneHangAfter defaultEndpointToHostAction deviceRouteProtocol
    deviceRouteSourceAddress deviceRouteSourceAddressIPv6 disableConntrackInvalidCheck
    endpointReportingDelay endpointReportingEnabled endpointStatusPathPrefix
    failsafeInboundHostPorts failsafeOutboundHostPorts featureDetectOverride featureGates
    floatingIPs flowLogsCollectorDebugTrace flowLogsFlushInterval flowLogsGoldmaneServer
    flowLogsLocalReporter flowLogsPolicyEvaluationMode genericXDPEnabled goGCThreshold
    goMaxProcs goMemoryLimitMB healthEnabled healthHost healthPort healthTimeoutOverrides
    interfaceExclude interfacePrefix interfaceRefreshInterval ipForwarding
    ipsetsRefreshInterval iptablesBackend iptablesFilterAllowAction
    iptablesFilterDenyAction iptablesLockProbeInterval iptablesMangleAllowAction
    iptablesMarkMask iptablesNATOutgoingInterfaceFilter iptablesPostWriteCheckInterval
    iptablesRefreshInterval ipv4ElevatedRoutePriority ipv4NormalRoutePriority
    ipv6ElevatedRoutePriority ipv6NormalRoutePriority ipv6Support istioAmbientMode
    istioDSCPMark kubeNodePortRanges liveMigrationRouteConvergenceTime
    localSubnetL2Reachability localSubnetL2ReachabilityRefreshInterval logActionRateLimit
    logActionRateLimitBurst logDebugFilenameRegex logFilePath logPrefix logSeverityFile
    logSeverityScreen logSeveritySys maxIpsetSize metadataAddr metadataPort netlinkTimeout
    nftablesFilterAllowAction nftablesFilterDenyAction nftablesFlowTableDataIfacePattern
    nftablesFlowTableOffload nftablesMangleAllowAction nftablesMarkMask nftablesMode
    nftablesRefreshInterval nodeSelector openstackRegion policySyncPathPrefix
    programClusterRoutes prometheusGoMetricsEnabled prometheusMetricsCAFile
    prometheusMetricsCertFile prometheusMetricsClientAuth prometheusMetricsEnabled
    prometheusMetricsHost prometheusMetricsKeyFile prometheusMetricsPort
    prometheusProcessMetricsEnabled prometheusWireGuardMetricsEnabled removeExternalRoutes
    reportingInterval reportingTTL requireMTUFile routeRefreshInterval routeSource
    routeSyncDisabled routeTableRange routeTableRanges serviceLoopPrevention
    sidecarAccelerationEnabled usageReportingEnabled usageReportingInitialDelay
    usageReportingInterval useInternalDataplaneDriver vxlanMTUV6
    windowsManageFirewallRules wireguardEnabled wireguardEnabledV6
    wireguardHostEncryptionEnabled wireguardInterfaceName wireguardInterfaceNameV6
    wireguardKeepAlive wireguardListeningPort wireguardListeningPortV6 wireguardMTU
    wireguardMTUV6 wireguardRoutingRulePriority wireguardThreadingEnabled
    workloadSourceSpoofing xdpEnabled xdpRefreshInterval
  `),
  columns: [nameColumn],
}
