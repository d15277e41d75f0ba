import type { Kind } from './resource.ts'

/** The metadata of Kubernetes objects that have no meaning here (k8s.io/apimachinery, ObjectMeta). */
const METADATA = [
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'finalizers',
  'generateName',
  'generation',
  'managedFields',
  'ownerReferences',
  'selfLink',
].map((name) => `metadata.${name}`)

const spec = (names: string): string[] =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => `spec.${name}`)

/**
 * Fields of Calico's resources that are kept as they are and that nothing here looks at, so that a file
 * with them can be applied and a misspelled one cannot (Calico's CRDs and internalapi, as of 3.33).
 */
export const STORED_FIELDS: { readonly [K in Kind]: readonly string[] } = {
  Node: [...METADATA],
  WorkloadEndpoint: [...METADATA, 'spec.qosControls'],
  IPPool: [...METADATA, 'status'],
  IPReservation: [...METADATA],
  BGPConfiguration: [
    ...METADATA,
    ...spec(`
      ipv4NormalRoutePriority ipv6NormalRoutePriority localWorkloadPeeringIPV4
      localWorkloadPeeringIPV6 programClusterRoutes nodeMeshPassword.secretKeyRef.optional
    `),
  ],
  BGPPeer: [...METADATA, 'spec.password.secretKeyRef.optional'],
  BGPFilter: [...METADATA],
  ClusterInformation: [...METADATA],
  FelixConfiguration: [
    ...METADATA,
    ...spec(`
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
  ],
  BlockAffinity: [...METADATA],
  IPAMConfiguration: [...METADATA, 'spec.ipCooldownSeconds', 'spec.kubeVirtVMAddressPersistence'],
}
