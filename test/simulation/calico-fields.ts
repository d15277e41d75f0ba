/**
 * Fields of Calico's resources with their types: facts of its published CRDs (projectcalico/calico,
 * api/config/crd, v3), and of the Go types of the two kinds that have none, Node and WorkloadEndpoint
 * (libcalico-go/lib/apis/internalapi). Nothing of it is this project's own idea of them.
 */
export interface CalicoKind {
  readonly plural: string
  readonly namespaced: boolean
  /** "path:type", a list's entries as "[]". */
  readonly fields: string
}

/** What every resource has beside them. */
export const COMMON_FIELDS = `
  kind:string apiVersion:string metadata:map metadata.name:string metadata.namespace:string
  metadata.uid:string metadata.resourceVersion:string metadata.creationTimestamp:time
  metadata.generation:integer metadata.labels:map metadata.annotations:map
`

export const CALICO_KINDS: Readonly<Record<string, CalicoKind>> = {
  BGPConfiguration: {
    plural: 'bgpconfigurations',
    namespaced: false,
    fields: `
      spec:map spec.asNumber:integer spec.bindMode:enum(None|NodeIP) spec.communities:list
      spec.communities[]:map spec.communities[].name:string spec.communities[].value:string
      spec.ignoredInterfaces:list spec.ignoredInterfaces[]:string
      spec.ipv4NormalRoutePriority:integer spec.ipv6NormalRoutePriority:integer
      spec.listenPort:integer spec.localWorkloadPeeringIPV4:string
      spec.localWorkloadPeeringIPV6:string spec.logSeverityScreen:string
      spec.nodeMeshMaxRestartTime:string spec.nodeMeshPassword:map
      spec.nodeMeshPassword.secretKeyRef:map spec.nodeMeshPassword.secretKeyRef.key:string
      spec.nodeMeshPassword.secretKeyRef.name:string
      spec.nodeMeshPassword.secretKeyRef.optional:boolean spec.nodeToNodeMeshEnabled:boolean
      spec.prefixAdvertisements:list spec.prefixAdvertisements[]:map
      spec.prefixAdvertisements[].cidr:cidr spec.prefixAdvertisements[].communities:list
      spec.prefixAdvertisements[].communities[]:string
      spec.programClusterRoutes:enum(Enabled|Disabled|EnabledIPIPOnly|EnabledNoEncapOnly)
      spec.serviceClusterIPs:list spec.serviceClusterIPs[]:map spec.serviceClusterIPs[].cidr:cidr
      spec.serviceExternalIPs:list spec.serviceExternalIPs[]:map
      spec.serviceExternalIPs[].cidr:cidr
      spec.serviceLoadBalancerAggregation:enum(Enabled|Disabled) spec.serviceLoadBalancerIPs:list
      spec.serviceLoadBalancerIPs[]:map spec.serviceLoadBalancerIPs[].cidr:cidr
    `,
  },
  BGPFilter: {
    plural: 'bgpfilters',
    namespaced: false,
    fields: `
      spec:map spec.exportV4:list spec.exportV4[]:map spec.exportV4[].action:enum(Accept|Reject)
      spec.exportV4[].asPathPrefix:list spec.exportV4[].asPathPrefix[]:integer
      spec.exportV4[].cidr:cidr spec.exportV4[].communities:map
      spec.exportV4[].communities.values:list spec.exportV4[].communities.values[]:string
      spec.exportV4[].interface:string spec.exportV4[].matchOperator:enum(Equal|NotEqual|In|NotIn)
      spec.exportV4[].operations:list spec.exportV4[].operations[]:map
      spec.exportV4[].operations[].addCommunity:map
      spec.exportV4[].operations[].addCommunity.value:string
      spec.exportV4[].operations[].prependASPath:map
      spec.exportV4[].operations[].prependASPath.prefix:list
      spec.exportV4[].operations[].prependASPath.prefix[]:integer
      spec.exportV4[].operations[].setPriority:map
      spec.exportV4[].operations[].setPriority.value:integer
      spec.exportV4[].peerType:enum(eBGP|iBGP) spec.exportV4[].prefixLength:map
      spec.exportV4[].prefixLength.max:integer spec.exportV4[].prefixLength.min:integer
      spec.exportV4[].priority:integer spec.exportV4[].source:enum(RemotePeers) spec.exportV6:list
      spec.exportV6[]:map spec.exportV6[].action:enum(Accept|Reject)
      spec.exportV6[].asPathPrefix:list spec.exportV6[].asPathPrefix[]:integer
      spec.exportV6[].cidr:cidr spec.exportV6[].communities:map
      spec.exportV6[].communities.values:list spec.exportV6[].communities.values[]:string
      spec.exportV6[].interface:string spec.exportV6[].matchOperator:enum(Equal|NotEqual|In|NotIn)
      spec.exportV6[].operations:list spec.exportV6[].operations[]:map
      spec.exportV6[].operations[].addCommunity:map
      spec.exportV6[].operations[].addCommunity.value:string
      spec.exportV6[].operations[].prependASPath:map
      spec.exportV6[].operations[].prependASPath.prefix:list
      spec.exportV6[].operations[].prependASPath.prefix[]:integer
      spec.exportV6[].operations[].setPriority:map
      spec.exportV6[].operations[].setPriority.value:integer
      spec.exportV6[].peerType:enum(eBGP|iBGP) spec.exportV6[].prefixLength:map
      spec.exportV6[].prefixLength.max:integer spec.exportV6[].prefixLength.min:integer
      spec.exportV6[].priority:integer spec.exportV6[].source:enum(RemotePeers) spec.importV4:list
      spec.importV4[]:map spec.importV4[].action:enum(Accept|Reject)
      spec.importV4[].asPathPrefix:list spec.importV4[].asPathPrefix[]:integer
      spec.importV4[].cidr:cidr spec.importV4[].communities:map
      spec.importV4[].communities.values:list spec.importV4[].communities.values[]:string
      spec.importV4[].interface:string spec.importV4[].matchOperator:enum(Equal|NotEqual|In|NotIn)
      spec.importV4[].operations:list spec.importV4[].operations[]:map
      spec.importV4[].operations[].addCommunity:map
      spec.importV4[].operations[].addCommunity.value:string
      spec.importV4[].operations[].prependASPath:map
      spec.importV4[].operations[].prependASPath.prefix:list
      spec.importV4[].operations[].prependASPath.prefix[]:integer
      spec.importV4[].operations[].setPriority:map
      spec.importV4[].operations[].setPriority.value:integer
      spec.importV4[].peerType:enum(eBGP|iBGP) spec.importV4[].prefixLength:map
      spec.importV4[].prefixLength.max:integer spec.importV4[].prefixLength.min:integer
      spec.importV4[].priority:integer spec.importV4[].source:enum(RemotePeers) spec.importV6:list
      spec.importV6[]:map spec.importV6[].action:enum(Accept|Reject)
      spec.importV6[].asPathPrefix:list spec.importV6[].asPathPrefix[]:integer
      spec.importV6[].cidr:cidr spec.importV6[].communities:map
      spec.importV6[].communities.values:list spec.importV6[].communities.values[]:string
      spec.importV6[].interface:string spec.importV6[].matchOperator:enum(Equal|NotEqual|In|NotIn)
      spec.importV6[].operations:list spec.importV6[].operations[]:map
      spec.importV6[].operations[].addCommunity:map
      spec.importV6[].operations[].addCommunity.value:string
      spec.importV6[].operations[].prependASPath:map
      spec.importV6[].operations[].prependASPath.prefix:list
      spec.importV6[].operations[].prependASPath.prefix[]:integer
      spec.importV6[].operations[].setPriority:map
      spec.importV6[].operations[].setPriority.value:integer
      spec.importV6[].peerType:enum(eBGP|iBGP) spec.importV6[].prefixLength:map
      spec.importV6[].prefixLength.max:integer spec.importV6[].prefixLength.min:integer
      spec.importV6[].priority:integer spec.importV6[].source:enum(RemotePeers)
    `,
  },
  BGPPeer: {
    plural: 'bgppeers',
    namespaced: false,
    fields: `
      spec:map spec.asNumber:integer spec.filters:list spec.filters[]:string
      spec.keepOriginalNextHop:boolean spec.keepaliveTime:string spec.localASNumber:integer
      spec.localWorkloadSelector:string spec.maxRestartTime:string
      spec.nextHopMode:enum(Auto|Self|Keep) spec.node:string spec.nodeSelector:string
      spec.numAllowedLocalASNumbers:integer spec.password:map spec.password.secretKeyRef:map
      spec.password.secretKeyRef.key:string spec.password.secretKeyRef.name:string
      spec.password.secretKeyRef.optional:boolean spec.peerIP:string spec.peerSelector:string
      spec.reachableBy:string spec.reversePeering:string spec.sourceAddress:enum(UseNodeIP|None)
      spec.ttlSecurity:integer
    `,
  },
  BlockAffinity: {
    plural: 'blockaffinities',
    namespaced: false,
    fields: `
      spec:map spec.cidr:cidr spec.deleted:boolean spec.node:string
      spec.state:enum(confirmed|pending|pendingDeletion) spec.type:string
    `,
  },
  CalicoNodeStatus: {
    plural: 'caliconodestatuses',
    namespaced: false,
    fields: `
      spec:map spec.classes:list spec.classes[]:enum(Agent|BGP|Routes) spec.node:string
      spec.updatePeriodSeconds:integer status:map status.agent:map status.agent.birdV4:map
      status.agent.birdV4.lastBootTime:string status.agent.birdV4.lastReconfigurationTime:string
      status.agent.birdV4.routerID:string status.agent.birdV4.state:enum(Ready|NotReady)
      status.agent.birdV4.version:string status.agent.birdV6:map
      status.agent.birdV6.lastBootTime:string status.agent.birdV6.lastReconfigurationTime:string
      status.agent.birdV6.routerID:string status.agent.birdV6.state:enum(Ready|NotReady)
      status.agent.birdV6.version:string status.bgp:map status.bgp.numberEstablishedV4:integer
      status.bgp.numberEstablishedV6:integer status.bgp.numberNotEstablishedV4:integer
      status.bgp.numberNotEstablishedV6:integer status.bgp.peersV4:list status.bgp.peersV4[]:map
      status.bgp.peersV4[].peerIP:string status.bgp.peersV4[].since:string
      status.bgp.peersV4[].state:enum(Idle|Connect|Active|OpenSent|OpenConfirm|Established|Close)
      status.bgp.peersV4[].type:enum(NodeMesh|NodePeer|GlobalPeer) status.bgp.peersV6:list
      status.bgp.peersV6[]:map status.bgp.peersV6[].peerIP:string
      status.bgp.peersV6[].since:string
      status.bgp.peersV6[].state:enum(Idle|Connect|Active|OpenSent|OpenConfirm|Established|Close)
      status.bgp.peersV6[].type:enum(NodeMesh|NodePeer|GlobalPeer) status.lastUpdated:time
      status.routes:map status.routes.routesV4:list status.routes.routesV4[]:map
      status.routes.routesV4[].destination:string status.routes.routesV4[].gateway:string
      status.routes.routesV4[].interface:string status.routes.routesV4[].learnedFrom:map
      status.routes.routesV4[].learnedFrom.peerIP:string
      status.routes.routesV4[].learnedFrom.sourceType:enum(Kernel|Static|Direct|NodeMesh|BGPPeer)
      status.routes.routesV4[].type:enum(FIB|RIB) status.routes.routesV6:list
      status.routes.routesV6[]:map status.routes.routesV6[].destination:string
      status.routes.routesV6[].gateway:string status.routes.routesV6[].interface:string
      status.routes.routesV6[].learnedFrom:map status.routes.routesV6[].learnedFrom.peerIP:string
      status.routes.routesV6[].learnedFrom.sourceType:enum(Kernel|Static|Direct|NodeMesh|BGPPeer)
      status.routes.routesV6[].type:enum(FIB|RIB)
    `,
  },
  ClusterInformation: {
    plural: 'clusterinformations',
    namespaced: false,
    fields: `
      spec:map spec.calicoVersion:string spec.clusterGUID:string spec.clusterType:string
      spec.datastoreReady:boolean spec.variant:string
    `,
  },
  FelixConfiguration: {
    plural: 'felixconfigurations',
    namespaced: false,
    fields: `
      spec:map spec.allowIPIPPacketsFromWorkloads:boolean
      spec.allowVXLANPacketsFromWorkloads:boolean
      spec.awsSrcDstCheck:enum(DoNothing|Enable|Disable) spec.bpfAttachType:enum(TC|TCX|Netkit)
      spec.bpfCTLBLogFilter:string spec.bpfConnectTimeLoadBalancing:enum(TCP|Enabled|Disabled)
      spec.bpfConnectTimeLoadBalancingEnabled:boolean spec.bpfConntrackLogLevel:enum(Off|Debug)
      spec.bpfConntrackMode:enum(Auto|Userspace|BPFProgram) spec.bpfConntrackTimeouts:map
      spec.bpfConntrackTimeouts.creationGracePeriod:string
      spec.bpfConntrackTimeouts.genericTimeout:string spec.bpfConntrackTimeouts.icmpTimeout:string
      spec.bpfConntrackTimeouts.tcpEstablished:string spec.bpfConntrackTimeouts.tcpFinsSeen:string
      spec.bpfConntrackTimeouts.tcpResetSeen:string spec.bpfConntrackTimeouts.tcpSynSent:string
      spec.bpfConntrackTimeouts.udpTimeout:string spec.bpfDSROptoutCIDRs:list
      spec.bpfDSROptoutCIDRs[]:string spec.bpfDataIfacePattern:string
      spec.bpfDisableGROForIfaces:string spec.bpfDisableUnprivileged:boolean
      spec.bpfEnabled:boolean spec.bpfEnforceRPF:string spec.bpfExcludeCIDRsFromNAT:list
      spec.bpfExcludeCIDRsFromNAT[]:string spec.bpfExportBufferSizeMB:integer
      spec.bpfExtToServiceConnmark:integer spec.bpfExternalServiceMode:string
      spec.bpfForceTrackPacketsFromIfaces:list spec.bpfForceTrackPacketsFromIfaces[]:string
      spec.bpfHostConntrackBypass:boolean
      spec.bpfHostNetworkedNATWithoutCTLB:enum(Enabled|Disabled) spec.bpfIPFragTimeout:string
      spec.bpfIPFragmentReassemblyEnabled:boolean spec.bpfJITHardening:enum(Auto|Strict)
      spec.bpfKubeProxyHealthzPort:integer spec.bpfKubeProxyIptablesCleanupEnabled:boolean
      spec.bpfKubeProxyMinSyncPeriod:string spec.bpfL3IfacePattern:string spec.bpfLogFilters:map
      spec.bpfLogLevel:string spec.bpfMaglevMaxEndpointsPerService:integer
      spec.bpfMaglevMaxServices:integer spec.bpfMapSizeConntrack:integer
      spec.bpfMapSizeConntrackCleanupQueue:integer spec.bpfMapSizeConntrackScaling:string
      spec.bpfMapSizeIPSets:integer spec.bpfMapSizeIfState:integer
      spec.bpfMapSizeNATAffinity:integer spec.bpfMapSizeNATBackend:integer
      spec.bpfMapSizeNATFrontend:integer spec.bpfMapSizePerCpuConntrack:integer
      spec.bpfMapSizeRoute:integer spec.bpfOverlayHostSourceIP:enum(TunnelAddress|HostAddress)
      spec.bpfPSNATPorts:int-or-string spec.bpfPolicyDebugEnabled:boolean
      spec.bpfProfiling:enum(Enabled|Disabled) spec.bpfRedirectToPeer:enum(Enabled|Disabled)
      spec.cgroupV2Path:string spec.chainInsertMode:string spec.dataplaneDriver:string
      spec.dataplaneWatchdogTimeout:string spec.debugDisableLogDropping:boolean
      spec.debugHost:string spec.debugMemoryProfilePath:string spec.debugPort:integer
      spec.debugSimulateCalcGraphHangAfter:string spec.debugSimulateDataplaneApplyDelay:string
      spec.debugSimulateDataplaneHangAfter:string spec.defaultEndpointToHostAction:string
      spec.deviceRouteProtocol:integer spec.deviceRouteSourceAddress:string
      spec.deviceRouteSourceAddressIPv6:string spec.disableConntrackInvalidCheck:boolean
      spec.endpointReportingDelay:string spec.endpointReportingEnabled:boolean
      spec.endpointStatusPathPrefix:string spec.externalNodesList:list
      spec.externalNodesList[]:string spec.failsafeInboundHostPorts:list
      spec.failsafeInboundHostPorts[]:map spec.failsafeInboundHostPorts[].net:string
      spec.failsafeInboundHostPorts[].port:integer spec.failsafeInboundHostPorts[].protocol:string
      spec.failsafeOutboundHostPorts:list spec.failsafeOutboundHostPorts[]:map
      spec.failsafeOutboundHostPorts[].net:string spec.failsafeOutboundHostPorts[].port:integer
      spec.failsafeOutboundHostPorts[].protocol:string spec.featureDetectOverride:string
      spec.featureGates:string spec.floatingIPs:enum(Enabled|Disabled)
      spec.flowLogsCollectorDebugTrace:boolean spec.flowLogsFlushInterval:string
      spec.flowLogsGoldmaneServer:string spec.flowLogsLocalReporter:enum(Disabled|Enabled)
      spec.flowLogsPolicyEvaluationMode:enum(None|Continuous) spec.genericXDPEnabled:boolean
      spec.goGCThreshold:integer spec.goMaxProcs:integer spec.goMemoryLimitMB:integer
      spec.healthEnabled:boolean spec.healthHost:string spec.healthPort:integer
      spec.healthTimeoutOverrides:list spec.healthTimeoutOverrides[]:map
      spec.healthTimeoutOverrides[].name:string spec.healthTimeoutOverrides[].timeout:string
      spec.interfaceExclude:string spec.interfacePrefix:string
      spec.interfaceRefreshInterval:string spec.ipForwarding:enum(Enabled|Disabled)
      spec.ipipEnabled:boolean spec.ipipMTU:integer spec.ipsetsRefreshInterval:string
      spec.iptablesBackend:enum(Legacy|NFT|Auto) spec.iptablesFilterAllowAction:string
      spec.iptablesFilterDenyAction:string spec.iptablesLockProbeInterval:string
      spec.iptablesMangleAllowAction:string spec.iptablesMarkMask:integer
      spec.iptablesNATOutgoingInterfaceFilter:string spec.iptablesPostWriteCheckInterval:string
      spec.iptablesRefreshInterval:string spec.ipv4ElevatedRoutePriority:integer
      spec.ipv4NormalRoutePriority:integer spec.ipv6ElevatedRoutePriority:integer
      spec.ipv6NormalRoutePriority:integer spec.ipv6Support:boolean
      spec.istioAmbientMode:enum(Enabled|Disabled) spec.istioDSCPMark:int-or-string
      spec.kubeNodePortRanges:list spec.kubeNodePortRanges[]:int-or-string
      spec.liveMigrationRouteConvergenceTime:string
      spec.localSubnetL2Reachability:enum(Disabled|PodsAndLoadBalancers)
      spec.localSubnetL2ReachabilityRefreshInterval:string spec.logActionRateLimit:string
      spec.logActionRateLimitBurst:integer spec.logDebugFilenameRegex:string
      spec.logFilePath:string spec.logPrefix:string spec.logSeverityFile:string
      spec.logSeverityScreen:string spec.logSeveritySys:string spec.maxIpsetSize:integer
      spec.metadataAddr:string spec.metadataPort:integer spec.mtuIfacePattern:string
      spec.natOutgoingAddress:string
      spec.natOutgoingExclusions:enum(IPPoolsOnly|IPPoolsAndHostIPs)
      spec.natPortRange:int-or-string spec.netlinkTimeout:string
      spec.nftablesFilterAllowAction:string spec.nftablesFilterDenyAction:string
      spec.nftablesFlowTableDataIfacePattern:string
      spec.nftablesFlowTableOffload:enum(All|Disabled) spec.nftablesMangleAllowAction:string
      spec.nftablesMarkMask:integer spec.nftablesMode:enum(Disabled|Enabled|Auto)
      spec.nftablesRefreshInterval:string spec.nodeSelector:string spec.openstackRegion:string
      spec.policySyncPathPrefix:string
      spec.programClusterRoutes:enum(Enabled|Disabled|EnabledIPIPOnly|EnabledNoEncapOnly)
      spec.prometheusGoMetricsEnabled:boolean spec.prometheusMetricsCAFile:string
      spec.prometheusMetricsCertFile:string
      spec.prometheusMetricsClientAuth:enum(RequireAndVerifyClientCert|RequireAnyClientCert|VerifyClientCertIfGiven|NoClientCert)
      spec.prometheusMetricsEnabled:boolean spec.prometheusMetricsHost:string
      spec.prometheusMetricsKeyFile:string spec.prometheusMetricsPort:integer
      spec.prometheusProcessMetricsEnabled:boolean spec.prometheusWireGuardMetricsEnabled:boolean
      spec.removeExternalRoutes:boolean spec.reportingInterval:string spec.reportingTTL:string
      spec.requireMTUFile:boolean spec.routeRefreshInterval:string spec.routeSource:string
      spec.routeSyncDisabled:boolean spec.routeTableRange:map spec.routeTableRange.max:integer
      spec.routeTableRange.min:integer spec.routeTableRanges:list spec.routeTableRanges[]:map
      spec.routeTableRanges[].max:integer spec.routeTableRanges[].min:integer
      spec.serviceLoopPrevention:string spec.sidecarAccelerationEnabled:boolean
      spec.usageReportingEnabled:boolean spec.usageReportingInitialDelay:string
      spec.usageReportingInterval:string spec.useInternalDataplaneDriver:boolean
      spec.vxlanEnabled:boolean spec.vxlanMTU:integer spec.vxlanMTUV6:integer
      spec.vxlanPort:integer spec.vxlanVNI:integer
      spec.windowsManageFirewallRules:enum(Enabled|Disabled) spec.wireguardEnabled:boolean
      spec.wireguardEnabledV6:boolean spec.wireguardHostEncryptionEnabled:boolean
      spec.wireguardInterfaceName:string spec.wireguardInterfaceNameV6:string
      spec.wireguardKeepAlive:string spec.wireguardListeningPort:integer
      spec.wireguardListeningPortV6:integer spec.wireguardMTU:integer spec.wireguardMTUV6:integer
      spec.wireguardRoutingRulePriority:integer spec.wireguardThreadingEnabled:boolean
      spec.workloadSourceSpoofing:string spec.xdpEnabled:boolean spec.xdpRefreshInterval:string
    `,
  },
  GlobalNetworkPolicy: {
    plural: 'globalnetworkpolicies',
    namespaced: false,
    fields: `
      spec:map spec.applyOnForward:boolean spec.doNotTrack:boolean spec.egress:list
      spec.egress[]:map spec.egress[].action:enum(Allow|Deny|Log|Pass)
      spec.egress[].destination:map spec.egress[].destination.namespaceSelector:string
      spec.egress[].destination.nets:list spec.egress[].destination.nets[]:string
      spec.egress[].destination.notNets:list spec.egress[].destination.notNets[]:string
      spec.egress[].destination.notPorts:list spec.egress[].destination.notPorts[]:int-or-string
      spec.egress[].destination.notSelector:string spec.egress[].destination.ports:list
      spec.egress[].destination.ports[]:int-or-string spec.egress[].destination.selector:string
      spec.egress[].destination.serviceAccounts:map
      spec.egress[].destination.serviceAccounts.names:list
      spec.egress[].destination.serviceAccounts.names[]:string
      spec.egress[].destination.serviceAccounts.selector:string
      spec.egress[].destination.services:map spec.egress[].destination.services.name:string
      spec.egress[].destination.services.namespace:string spec.egress[].http:map
      spec.egress[].http.methods:list spec.egress[].http.methods[]:string
      spec.egress[].http.paths:list spec.egress[].http.paths[]:map
      spec.egress[].http.paths[].exact:string spec.egress[].http.paths[].prefix:string
      spec.egress[].icmp:map spec.egress[].icmp.code:integer spec.egress[].icmp.type:integer
      spec.egress[].ipVersion:integer spec.egress[].metadata:map
      spec.egress[].metadata.annotations:map spec.egress[].notICMP:map
      spec.egress[].notICMP.code:integer spec.egress[].notICMP.type:integer
      spec.egress[].notProtocol:int-or-string spec.egress[].protocol:int-or-string
      spec.egress[].source:map spec.egress[].source.namespaceSelector:string
      spec.egress[].source.nets:list spec.egress[].source.nets[]:string
      spec.egress[].source.notNets:list spec.egress[].source.notNets[]:string
      spec.egress[].source.notPorts:list spec.egress[].source.notPorts[]:int-or-string
      spec.egress[].source.notSelector:string spec.egress[].source.ports:list
      spec.egress[].source.ports[]:int-or-string spec.egress[].source.selector:string
      spec.egress[].source.serviceAccounts:map spec.egress[].source.serviceAccounts.names:list
      spec.egress[].source.serviceAccounts.names[]:string
      spec.egress[].source.serviceAccounts.selector:string spec.egress[].source.services:map
      spec.egress[].source.services.name:string spec.egress[].source.services.namespace:string
      spec.ingress:list spec.ingress[]:map spec.ingress[].action:enum(Allow|Deny|Log|Pass)
      spec.ingress[].destination:map spec.ingress[].destination.namespaceSelector:string
      spec.ingress[].destination.nets:list spec.ingress[].destination.nets[]:string
      spec.ingress[].destination.notNets:list spec.ingress[].destination.notNets[]:string
      spec.ingress[].destination.notPorts:list spec.ingress[].destination.notPorts[]:int-or-string
      spec.ingress[].destination.notSelector:string spec.ingress[].destination.ports:list
      spec.ingress[].destination.ports[]:int-or-string spec.ingress[].destination.selector:string
      spec.ingress[].destination.serviceAccounts:map
      spec.ingress[].destination.serviceAccounts.names:list
      spec.ingress[].destination.serviceAccounts.names[]:string
      spec.ingress[].destination.serviceAccounts.selector:string
      spec.ingress[].destination.services:map spec.ingress[].destination.services.name:string
      spec.ingress[].destination.services.namespace:string spec.ingress[].http:map
      spec.ingress[].http.methods:list spec.ingress[].http.methods[]:string
      spec.ingress[].http.paths:list spec.ingress[].http.paths[]:map
      spec.ingress[].http.paths[].exact:string spec.ingress[].http.paths[].prefix:string
      spec.ingress[].icmp:map spec.ingress[].icmp.code:integer spec.ingress[].icmp.type:integer
      spec.ingress[].ipVersion:integer spec.ingress[].metadata:map
      spec.ingress[].metadata.annotations:map spec.ingress[].notICMP:map
      spec.ingress[].notICMP.code:integer spec.ingress[].notICMP.type:integer
      spec.ingress[].notProtocol:int-or-string spec.ingress[].protocol:int-or-string
      spec.ingress[].source:map spec.ingress[].source.namespaceSelector:string
      spec.ingress[].source.nets:list spec.ingress[].source.nets[]:string
      spec.ingress[].source.notNets:list spec.ingress[].source.notNets[]:string
      spec.ingress[].source.notPorts:list spec.ingress[].source.notPorts[]:int-or-string
      spec.ingress[].source.notSelector:string spec.ingress[].source.ports:list
      spec.ingress[].source.ports[]:int-or-string spec.ingress[].source.selector:string
      spec.ingress[].source.serviceAccounts:map spec.ingress[].source.serviceAccounts.names:list
      spec.ingress[].source.serviceAccounts.names[]:string
      spec.ingress[].source.serviceAccounts.selector:string spec.ingress[].source.services:map
      spec.ingress[].source.services.name:string spec.ingress[].source.services.namespace:string
      spec.namespaceSelector:string spec.order:number spec.performanceHints:list
      spec.performanceHints[]:enum(AssumeNeededOnEveryNode) spec.preDNAT:boolean
      spec.selector:string spec.serviceAccountSelector:string spec.tier:string spec.types:list
      spec.types[]:enum(Ingress|Egress)
    `,
  },
  GlobalNetworkSet: {
    plural: 'globalnetworksets',
    namespaced: false,
    fields: `
      spec:map spec.nets:list spec.nets[]:string
    `,
  },
  HostEndpoint: {
    plural: 'hostendpoints',
    namespaced: false,
    fields: `
      spec:map spec.expectedIPs:list spec.expectedIPs[]:string spec.interfaceName:string
      spec.node:string spec.ports:list spec.ports[]:map spec.ports[].name:string
      spec.ports[].port:integer spec.ports[].protocol:int-or-string spec.profiles:list
      spec.profiles[]:string
    `,
  },
  IPAMBlock: {
    plural: 'ipamblocks',
    namespaced: false,
    fields: `
      spec:map spec.affinity:string spec.affinityClaimTime:time spec.allocations:list
      spec.allocations[]:integer spec.attributes:list spec.attributes[]:map
      spec.attributes[].alternateOwnerAttrs:map spec.attributes[].handle_id:string
      spec.attributes[].releasedAt:time spec.attributes[].secondary:map spec.cidr:cidr
      spec.deleted:boolean spec.sequenceNumber:integer spec.sequenceNumberForAllocation:map
      spec.strictAffinity:boolean spec.unallocated:list spec.unallocated[]:integer
    `,
  },
  IPAMConfiguration: {
    plural: 'ipamconfigurations',
    namespaced: false,
    fields: `
      spec:map spec.autoAllocateBlocks:boolean spec.ipCooldownSeconds:integer
      spec.kubeVirtVMAddressPersistence:enum(Enabled|Disabled) spec.maxBlocksPerHost:integer
      spec.strictAffinity:boolean
    `,
  },
  IPAMHandle: {
    plural: 'ipamhandles',
    namespaced: false,
    fields: `
      spec:map spec.block:map spec.deleted:boolean spec.handleID:string
    `,
  },
  IPPool: {
    plural: 'ippools',
    namespaced: false,
    fields: `
      spec:map spec.allowedUses:list spec.allowedUses[]:enum(Workload|Tunnel|LoadBalancer)
      spec.assignmentMode:enum(Automatic|Manual) spec.blockSize:integer spec.cidr:cidr
      spec.disableBGPExport:boolean spec.disabled:boolean
      spec.ipipMode:enum(Never|Always|CrossSubnet) spec.namespaceSelector:string
      spec.natOutgoing:boolean spec.nodeSelector:string
      spec.vxlanMode:enum(Never|Always|CrossSubnet) status:map status.conditions:list
      status.conditions[]:map status.conditions[].lastTransitionTime:time
      status.conditions[].message:string status.conditions[].observedGeneration:integer
      status.conditions[].reason:string status.conditions[].status:enum(True|False|Unknown)
      status.conditions[].type:string
    `,
  },
  IPReservation: {
    plural: 'ipreservations',
    namespaced: false,
    fields: `
      spec:map spec.reservedCIDRs:list spec.reservedCIDRs[]:cidr
    `,
  },
  KubeControllersConfiguration: {
    plural: 'kubecontrollersconfigurations',
    namespaced: false,
    fields: `
      spec:map spec.controllers:map spec.controllers.loadBalancer:map
      spec.controllers.loadBalancer.assignIPs:enum(AllServices|RequestedServicesOnly)
      spec.controllers.migration:map
      spec.controllers.migration.policyNameMigrator:enum(Disabled|Enabled)
      spec.controllers.namespace:map spec.controllers.namespace.reconcilerPeriod:string
      spec.controllers.node:map spec.controllers.node.hostEndpoint:map
      spec.controllers.node.hostEndpoint.autoCreate:enum(Enabled|Disabled)
      spec.controllers.node.hostEndpoint.createDefaultHostEndpoint:string
      spec.controllers.node.hostEndpoint.templates:list
      spec.controllers.node.hostEndpoint.templates[]:map
      spec.controllers.node.hostEndpoint.templates[].annotations:map
      spec.controllers.node.hostEndpoint.templates[].generateName:string
      spec.controllers.node.hostEndpoint.templates[].interfaceCIDRs:list
      spec.controllers.node.hostEndpoint.templates[].interfaceCIDRs[]:string
      spec.controllers.node.hostEndpoint.templates[].interfacePattern:string
      spec.controllers.node.hostEndpoint.templates[].labels:map
      spec.controllers.node.hostEndpoint.templates[].nodeSelector:string
      spec.controllers.node.leakGracePeriod:string spec.controllers.node.reconcilerPeriod:string
      spec.controllers.node.syncLabels:enum(Enabled|Disabled) spec.controllers.policy:map
      spec.controllers.policy.reconcilerPeriod:string spec.controllers.serviceAccount:map
      spec.controllers.serviceAccount.reconcilerPeriod:string
      spec.controllers.workloadEndpoint:map
      spec.controllers.workloadEndpoint.reconcilerPeriod:string spec.debugProfilePort:integer
      spec.etcdV3CompactionPeriod:string spec.healthChecks:enum(Enabled|Disabled)
      spec.logSeverityScreen:enum(None|Debug|Info|Warning|Error|Fatal|Panic)
      spec.prometheusMetricsPort:integer status:map status.environmentVars:map
      status.runningConfig:map status.runningConfig.controllers:map
      status.runningConfig.controllers.loadBalancer:map
      status.runningConfig.controllers.loadBalancer.assignIPs:enum(AllServices|RequestedServicesOnly)
      status.runningConfig.controllers.migration:map
      status.runningConfig.controllers.migration.policyNameMigrator:enum(Disabled|Enabled)
      status.runningConfig.controllers.namespace:map
      status.runningConfig.controllers.namespace.reconcilerPeriod:string
      status.runningConfig.controllers.node:map
      status.runningConfig.controllers.node.hostEndpoint:map
      status.runningConfig.controllers.node.hostEndpoint.autoCreate:enum(Enabled|Disabled)
      status.runningConfig.controllers.node.hostEndpoint.createDefaultHostEndpoint:string
      status.runningConfig.controllers.node.hostEndpoint.templates:list
      status.runningConfig.controllers.node.hostEndpoint.templates[]:map
      status.runningConfig.controllers.node.hostEndpoint.templates[].annotations:map
      status.runningConfig.controllers.node.hostEndpoint.templates[].generateName:string
      status.runningConfig.controllers.node.hostEndpoint.templates[].interfaceCIDRs:list
      status.runningConfig.controllers.node.hostEndpoint.templates[].interfaceCIDRs[]:string
      status.runningConfig.controllers.node.hostEndpoint.templates[].interfacePattern:string
      status.runningConfig.controllers.node.hostEndpoint.templates[].labels:map
      status.runningConfig.controllers.node.hostEndpoint.templates[].nodeSelector:string
      status.runningConfig.controllers.node.leakGracePeriod:string
      status.runningConfig.controllers.node.reconcilerPeriod:string
      status.runningConfig.controllers.node.syncLabels:enum(Enabled|Disabled)
      status.runningConfig.controllers.policy:map
      status.runningConfig.controllers.policy.reconcilerPeriod:string
      status.runningConfig.controllers.serviceAccount:map
      status.runningConfig.controllers.serviceAccount.reconcilerPeriod:string
      status.runningConfig.controllers.workloadEndpoint:map
      status.runningConfig.controllers.workloadEndpoint.reconcilerPeriod:string
      status.runningConfig.debugProfilePort:integer
      status.runningConfig.etcdV3CompactionPeriod:string
      status.runningConfig.healthChecks:enum(Enabled|Disabled)
      status.runningConfig.logSeverityScreen:enum(None|Debug|Info|Warning|Error|Fatal|Panic)
      status.runningConfig.prometheusMetricsPort:integer
    `,
  },
  NetworkPolicy: {
    plural: 'networkpolicies',
    namespaced: true,
    fields: `
      spec:map spec.egress:list spec.egress[]:map spec.egress[].action:enum(Allow|Deny|Log|Pass)
      spec.egress[].destination:map spec.egress[].destination.namespaceSelector:string
      spec.egress[].destination.nets:list spec.egress[].destination.nets[]:string
      spec.egress[].destination.notNets:list spec.egress[].destination.notNets[]:string
      spec.egress[].destination.notPorts:list spec.egress[].destination.notPorts[]:int-or-string
      spec.egress[].destination.notSelector:string spec.egress[].destination.ports:list
      spec.egress[].destination.ports[]:int-or-string spec.egress[].destination.selector:string
      spec.egress[].destination.serviceAccounts:map
      spec.egress[].destination.serviceAccounts.names:list
      spec.egress[].destination.serviceAccounts.names[]:string
      spec.egress[].destination.serviceAccounts.selector:string
      spec.egress[].destination.services:map spec.egress[].destination.services.name:string
      spec.egress[].destination.services.namespace:string spec.egress[].http:map
      spec.egress[].http.methods:list spec.egress[].http.methods[]:string
      spec.egress[].http.paths:list spec.egress[].http.paths[]:map
      spec.egress[].http.paths[].exact:string spec.egress[].http.paths[].prefix:string
      spec.egress[].icmp:map spec.egress[].icmp.code:integer spec.egress[].icmp.type:integer
      spec.egress[].ipVersion:integer spec.egress[].metadata:map
      spec.egress[].metadata.annotations:map spec.egress[].notICMP:map
      spec.egress[].notICMP.code:integer spec.egress[].notICMP.type:integer
      spec.egress[].notProtocol:int-or-string spec.egress[].protocol:int-or-string
      spec.egress[].source:map spec.egress[].source.namespaceSelector:string
      spec.egress[].source.nets:list spec.egress[].source.nets[]:string
      spec.egress[].source.notNets:list spec.egress[].source.notNets[]:string
      spec.egress[].source.notPorts:list spec.egress[].source.notPorts[]:int-or-string
      spec.egress[].source.notSelector:string spec.egress[].source.ports:list
      spec.egress[].source.ports[]:int-or-string spec.egress[].source.selector:string
      spec.egress[].source.serviceAccounts:map spec.egress[].source.serviceAccounts.names:list
      spec.egress[].source.serviceAccounts.names[]:string
      spec.egress[].source.serviceAccounts.selector:string spec.egress[].source.services:map
      spec.egress[].source.services.name:string spec.egress[].source.services.namespace:string
      spec.ingress:list spec.ingress[]:map spec.ingress[].action:enum(Allow|Deny|Log|Pass)
      spec.ingress[].destination:map spec.ingress[].destination.namespaceSelector:string
      spec.ingress[].destination.nets:list spec.ingress[].destination.nets[]:string
      spec.ingress[].destination.notNets:list spec.ingress[].destination.notNets[]:string
      spec.ingress[].destination.notPorts:list spec.ingress[].destination.notPorts[]:int-or-string
      spec.ingress[].destination.notSelector:string spec.ingress[].destination.ports:list
      spec.ingress[].destination.ports[]:int-or-string spec.ingress[].destination.selector:string
      spec.ingress[].destination.serviceAccounts:map
      spec.ingress[].destination.serviceAccounts.names:list
      spec.ingress[].destination.serviceAccounts.names[]:string
      spec.ingress[].destination.serviceAccounts.selector:string
      spec.ingress[].destination.services:map spec.ingress[].destination.services.name:string
      spec.ingress[].destination.services.namespace:string spec.ingress[].http:map
      spec.ingress[].http.methods:list spec.ingress[].http.methods[]:string
      spec.ingress[].http.paths:list spec.ingress[].http.paths[]:map
      spec.ingress[].http.paths[].exact:string spec.ingress[].http.paths[].prefix:string
      spec.ingress[].icmp:map spec.ingress[].icmp.code:integer spec.ingress[].icmp.type:integer
      spec.ingress[].ipVersion:integer spec.ingress[].metadata:map
      spec.ingress[].metadata.annotations:map spec.ingress[].notICMP:map
      spec.ingress[].notICMP.code:integer spec.ingress[].notICMP.type:integer
      spec.ingress[].notProtocol:int-or-string spec.ingress[].protocol:int-or-string
      spec.ingress[].source:map spec.ingress[].source.namespaceSelector:string
      spec.ingress[].source.nets:list spec.ingress[].source.nets[]:string
      spec.ingress[].source.notNets:list spec.ingress[].source.notNets[]:string
      spec.ingress[].source.notPorts:list spec.ingress[].source.notPorts[]:int-or-string
      spec.ingress[].source.notSelector:string spec.ingress[].source.ports:list
      spec.ingress[].source.ports[]:int-or-string spec.ingress[].source.selector:string
      spec.ingress[].source.serviceAccounts:map spec.ingress[].source.serviceAccounts.names:list
      spec.ingress[].source.serviceAccounts.names[]:string
      spec.ingress[].source.serviceAccounts.selector:string spec.ingress[].source.services:map
      spec.ingress[].source.services.name:string spec.ingress[].source.services.namespace:string
      spec.order:number spec.performanceHints:list
      spec.performanceHints[]:enum(AssumeNeededOnEveryNode) spec.selector:string
      spec.serviceAccountSelector:string spec.tier:string spec.types:list
      spec.types[]:enum(Ingress|Egress)
    `,
  },
  NetworkSet: {
    plural: 'networksets',
    namespaced: true,
    fields: `
      spec:map spec.nets:list spec.nets[]:string
    `,
  },
  Node: {
    plural: 'nodes',
    namespaced: false,
    fields: `
      spec:map spec.bgp:map spec.bgp.asNumber:int-or-string spec.bgp.ipv4Address:cidr
      spec.bgp.ipv6Address:cidr spec.bgp.ipv4IPIPTunnelAddr:address
      spec.bgp.routeReflectorClusterID:address spec.ipv4VXLANTunnelAddr:address
      spec.vxlanTunnelMACAddr:string spec.ipv6VXLANTunnelAddr:address
      spec.vxlanTunnelMACAddrV6:string spec.orchRefs:list spec.orchRefs[]:map
      spec.orchRefs[].nodeName:string spec.orchRefs[].orchestrator:string spec.wireguard:map
      spec.wireguard.interfaceIPv4Address:address spec.wireguard.interfaceIPv6Address:address
      spec.addresses:list spec.addresses[]:map spec.addresses[].address:address
      spec.addresses[].type:string spec.interfaces:list spec.interfaces[]:map
      spec.interfaces[].name:string spec.interfaces[].addresses:list
      spec.interfaces[].addresses[]:address status:map status.wireguardPublicKey:string
      status.wireguardPublicKeyV6:string status.podCIDRs:list status.podCIDRs[]:cidr
    `,
  },
  StagedGlobalNetworkPolicy: {
    plural: 'stagedglobalnetworkpolicies',
    namespaced: false,
    fields: `
      spec:map spec.applyOnForward:boolean spec.doNotTrack:boolean spec.egress:list
      spec.egress[]:map spec.egress[].action:enum(Allow|Deny|Log|Pass)
      spec.egress[].destination:map spec.egress[].destination.namespaceSelector:string
      spec.egress[].destination.nets:list spec.egress[].destination.nets[]:string
      spec.egress[].destination.notNets:list spec.egress[].destination.notNets[]:string
      spec.egress[].destination.notPorts:list spec.egress[].destination.notPorts[]:int-or-string
      spec.egress[].destination.notSelector:string spec.egress[].destination.ports:list
      spec.egress[].destination.ports[]:int-or-string spec.egress[].destination.selector:string
      spec.egress[].destination.serviceAccounts:map
      spec.egress[].destination.serviceAccounts.names:list
      spec.egress[].destination.serviceAccounts.names[]:string
      spec.egress[].destination.serviceAccounts.selector:string
      spec.egress[].destination.services:map spec.egress[].destination.services.name:string
      spec.egress[].destination.services.namespace:string spec.egress[].http:map
      spec.egress[].http.methods:list spec.egress[].http.methods[]:string
      spec.egress[].http.paths:list spec.egress[].http.paths[]:map
      spec.egress[].http.paths[].exact:string spec.egress[].http.paths[].prefix:string
      spec.egress[].icmp:map spec.egress[].icmp.code:integer spec.egress[].icmp.type:integer
      spec.egress[].ipVersion:integer spec.egress[].metadata:map
      spec.egress[].metadata.annotations:map spec.egress[].notICMP:map
      spec.egress[].notICMP.code:integer spec.egress[].notICMP.type:integer
      spec.egress[].notProtocol:int-or-string spec.egress[].protocol:int-or-string
      spec.egress[].source:map spec.egress[].source.namespaceSelector:string
      spec.egress[].source.nets:list spec.egress[].source.nets[]:string
      spec.egress[].source.notNets:list spec.egress[].source.notNets[]:string
      spec.egress[].source.notPorts:list spec.egress[].source.notPorts[]:int-or-string
      spec.egress[].source.notSelector:string spec.egress[].source.ports:list
      spec.egress[].source.ports[]:int-or-string spec.egress[].source.selector:string
      spec.egress[].source.serviceAccounts:map spec.egress[].source.serviceAccounts.names:list
      spec.egress[].source.serviceAccounts.names[]:string
      spec.egress[].source.serviceAccounts.selector:string spec.egress[].source.services:map
      spec.egress[].source.services.name:string spec.egress[].source.services.namespace:string
      spec.ingress:list spec.ingress[]:map spec.ingress[].action:enum(Allow|Deny|Log|Pass)
      spec.ingress[].destination:map spec.ingress[].destination.namespaceSelector:string
      spec.ingress[].destination.nets:list spec.ingress[].destination.nets[]:string
      spec.ingress[].destination.notNets:list spec.ingress[].destination.notNets[]:string
      spec.ingress[].destination.notPorts:list spec.ingress[].destination.notPorts[]:int-or-string
      spec.ingress[].destination.notSelector:string spec.ingress[].destination.ports:list
      spec.ingress[].destination.ports[]:int-or-string spec.ingress[].destination.selector:string
      spec.ingress[].destination.serviceAccounts:map
      spec.ingress[].destination.serviceAccounts.names:list
      spec.ingress[].destination.serviceAccounts.names[]:string
      spec.ingress[].destination.serviceAccounts.selector:string
      spec.ingress[].destination.services:map spec.ingress[].destination.services.name:string
      spec.ingress[].destination.services.namespace:string spec.ingress[].http:map
      spec.ingress[].http.methods:list spec.ingress[].http.methods[]:string
      spec.ingress[].http.paths:list spec.ingress[].http.paths[]:map
      spec.ingress[].http.paths[].exact:string spec.ingress[].http.paths[].prefix:string
      spec.ingress[].icmp:map spec.ingress[].icmp.code:integer spec.ingress[].icmp.type:integer
      spec.ingress[].ipVersion:integer spec.ingress[].metadata:map
      spec.ingress[].metadata.annotations:map spec.ingress[].notICMP:map
      spec.ingress[].notICMP.code:integer spec.ingress[].notICMP.type:integer
      spec.ingress[].notProtocol:int-or-string spec.ingress[].protocol:int-or-string
      spec.ingress[].source:map spec.ingress[].source.namespaceSelector:string
      spec.ingress[].source.nets:list spec.ingress[].source.nets[]:string
      spec.ingress[].source.notNets:list spec.ingress[].source.notNets[]:string
      spec.ingress[].source.notPorts:list spec.ingress[].source.notPorts[]:int-or-string
      spec.ingress[].source.notSelector:string spec.ingress[].source.ports:list
      spec.ingress[].source.ports[]:int-or-string spec.ingress[].source.selector:string
      spec.ingress[].source.serviceAccounts:map spec.ingress[].source.serviceAccounts.names:list
      spec.ingress[].source.serviceAccounts.names[]:string
      spec.ingress[].source.serviceAccounts.selector:string spec.ingress[].source.services:map
      spec.ingress[].source.services.name:string spec.ingress[].source.services.namespace:string
      spec.namespaceSelector:string spec.order:number spec.performanceHints:list
      spec.performanceHints[]:enum(AssumeNeededOnEveryNode) spec.preDNAT:boolean
      spec.selector:string spec.serviceAccountSelector:string
      spec.stagedAction:enum(Set|Delete|Learn|Ignore) spec.tier:string spec.types:list
      spec.types[]:enum(Ingress|Egress)
    `,
  },
  StagedKubernetesNetworkPolicy: {
    plural: 'stagedkubernetesnetworkpolicies',
    namespaced: true,
    fields: `
      spec:map spec.egress:list spec.egress[]:map spec.egress[].ports:list
      spec.egress[].ports[]:map spec.egress[].ports[].endPort:integer
      spec.egress[].ports[].port:int-or-string spec.egress[].ports[].protocol:string
      spec.egress[].to:list spec.egress[].to[]:map spec.egress[].to[].ipBlock:map
      spec.egress[].to[].ipBlock.cidr:string spec.egress[].to[].ipBlock.except:list
      spec.egress[].to[].ipBlock.except[]:string spec.egress[].to[].namespaceSelector:map
      spec.egress[].to[].namespaceSelector.matchExpressions:list
      spec.egress[].to[].namespaceSelector.matchExpressions[]:map
      spec.egress[].to[].namespaceSelector.matchExpressions[].key:string
      spec.egress[].to[].namespaceSelector.matchExpressions[].operator:string
      spec.egress[].to[].namespaceSelector.matchExpressions[].values:list
      spec.egress[].to[].namespaceSelector.matchExpressions[].values[]:string
      spec.egress[].to[].namespaceSelector.matchLabels:map spec.egress[].to[].podSelector:map
      spec.egress[].to[].podSelector.matchExpressions:list
      spec.egress[].to[].podSelector.matchExpressions[]:map
      spec.egress[].to[].podSelector.matchExpressions[].key:string
      spec.egress[].to[].podSelector.matchExpressions[].operator:string
      spec.egress[].to[].podSelector.matchExpressions[].values:list
      spec.egress[].to[].podSelector.matchExpressions[].values[]:string
      spec.egress[].to[].podSelector.matchLabels:map spec.ingress:list spec.ingress[]:map
      spec.ingress[].from:list spec.ingress[].from[]:map spec.ingress[].from[].ipBlock:map
      spec.ingress[].from[].ipBlock.cidr:string spec.ingress[].from[].ipBlock.except:list
      spec.ingress[].from[].ipBlock.except[]:string spec.ingress[].from[].namespaceSelector:map
      spec.ingress[].from[].namespaceSelector.matchExpressions:list
      spec.ingress[].from[].namespaceSelector.matchExpressions[]:map
      spec.ingress[].from[].namespaceSelector.matchExpressions[].key:string
      spec.ingress[].from[].namespaceSelector.matchExpressions[].operator:string
      spec.ingress[].from[].namespaceSelector.matchExpressions[].values:list
      spec.ingress[].from[].namespaceSelector.matchExpressions[].values[]:string
      spec.ingress[].from[].namespaceSelector.matchLabels:map
      spec.ingress[].from[].podSelector:map
      spec.ingress[].from[].podSelector.matchExpressions:list
      spec.ingress[].from[].podSelector.matchExpressions[]:map
      spec.ingress[].from[].podSelector.matchExpressions[].key:string
      spec.ingress[].from[].podSelector.matchExpressions[].operator:string
      spec.ingress[].from[].podSelector.matchExpressions[].values:list
      spec.ingress[].from[].podSelector.matchExpressions[].values[]:string
      spec.ingress[].from[].podSelector.matchLabels:map spec.ingress[].ports:list
      spec.ingress[].ports[]:map spec.ingress[].ports[].endPort:integer
      spec.ingress[].ports[].port:int-or-string spec.ingress[].ports[].protocol:string
      spec.podSelector:map spec.podSelector.matchExpressions:list
      spec.podSelector.matchExpressions[]:map spec.podSelector.matchExpressions[].key:string
      spec.podSelector.matchExpressions[].operator:string
      spec.podSelector.matchExpressions[].values:list
      spec.podSelector.matchExpressions[].values[]:string spec.podSelector.matchLabels:map
      spec.policyTypes:list spec.policyTypes[]:string
      spec.stagedAction:enum(Set|Delete|Learn|Ignore)
    `,
  },
  StagedNetworkPolicy: {
    plural: 'stagednetworkpolicies',
    namespaced: true,
    fields: `
      spec:map spec.egress:list spec.egress[]:map spec.egress[].action:enum(Allow|Deny|Log|Pass)
      spec.egress[].destination:map spec.egress[].destination.namespaceSelector:string
      spec.egress[].destination.nets:list spec.egress[].destination.nets[]:string
      spec.egress[].destination.notNets:list spec.egress[].destination.notNets[]:string
      spec.egress[].destination.notPorts:list spec.egress[].destination.notPorts[]:int-or-string
      spec.egress[].destination.notSelector:string spec.egress[].destination.ports:list
      spec.egress[].destination.ports[]:int-or-string spec.egress[].destination.selector:string
      spec.egress[].destination.serviceAccounts:map
      spec.egress[].destination.serviceAccounts.names:list
      spec.egress[].destination.serviceAccounts.names[]:string
      spec.egress[].destination.serviceAccounts.selector:string
      spec.egress[].destination.services:map spec.egress[].destination.services.name:string
      spec.egress[].destination.services.namespace:string spec.egress[].http:map
      spec.egress[].http.methods:list spec.egress[].http.methods[]:string
      spec.egress[].http.paths:list spec.egress[].http.paths[]:map
      spec.egress[].http.paths[].exact:string spec.egress[].http.paths[].prefix:string
      spec.egress[].icmp:map spec.egress[].icmp.code:integer spec.egress[].icmp.type:integer
      spec.egress[].ipVersion:integer spec.egress[].metadata:map
      spec.egress[].metadata.annotations:map spec.egress[].notICMP:map
      spec.egress[].notICMP.code:integer spec.egress[].notICMP.type:integer
      spec.egress[].notProtocol:int-or-string spec.egress[].protocol:int-or-string
      spec.egress[].source:map spec.egress[].source.namespaceSelector:string
      spec.egress[].source.nets:list spec.egress[].source.nets[]:string
      spec.egress[].source.notNets:list spec.egress[].source.notNets[]:string
      spec.egress[].source.notPorts:list spec.egress[].source.notPorts[]:int-or-string
      spec.egress[].source.notSelector:string spec.egress[].source.ports:list
      spec.egress[].source.ports[]:int-or-string spec.egress[].source.selector:string
      spec.egress[].source.serviceAccounts:map spec.egress[].source.serviceAccounts.names:list
      spec.egress[].source.serviceAccounts.names[]:string
      spec.egress[].source.serviceAccounts.selector:string spec.egress[].source.services:map
      spec.egress[].source.services.name:string spec.egress[].source.services.namespace:string
      spec.ingress:list spec.ingress[]:map spec.ingress[].action:enum(Allow|Deny|Log|Pass)
      spec.ingress[].destination:map spec.ingress[].destination.namespaceSelector:string
      spec.ingress[].destination.nets:list spec.ingress[].destination.nets[]:string
      spec.ingress[].destination.notNets:list spec.ingress[].destination.notNets[]:string
      spec.ingress[].destination.notPorts:list spec.ingress[].destination.notPorts[]:int-or-string
      spec.ingress[].destination.notSelector:string spec.ingress[].destination.ports:list
      spec.ingress[].destination.ports[]:int-or-string spec.ingress[].destination.selector:string
      spec.ingress[].destination.serviceAccounts:map
      spec.ingress[].destination.serviceAccounts.names:list
      spec.ingress[].destination.serviceAccounts.names[]:string
      spec.ingress[].destination.serviceAccounts.selector:string
      spec.ingress[].destination.services:map spec.ingress[].destination.services.name:string
      spec.ingress[].destination.services.namespace:string spec.ingress[].http:map
      spec.ingress[].http.methods:list spec.ingress[].http.methods[]:string
      spec.ingress[].http.paths:list spec.ingress[].http.paths[]:map
      spec.ingress[].http.paths[].exact:string spec.ingress[].http.paths[].prefix:string
      spec.ingress[].icmp:map spec.ingress[].icmp.code:integer spec.ingress[].icmp.type:integer
      spec.ingress[].ipVersion:integer spec.ingress[].metadata:map
      spec.ingress[].metadata.annotations:map spec.ingress[].notICMP:map
      spec.ingress[].notICMP.code:integer spec.ingress[].notICMP.type:integer
      spec.ingress[].notProtocol:int-or-string spec.ingress[].protocol:int-or-string
      spec.ingress[].source:map spec.ingress[].source.namespaceSelector:string
      spec.ingress[].source.nets:list spec.ingress[].source.nets[]:string
      spec.ingress[].source.notNets:list spec.ingress[].source.notNets[]:string
      spec.ingress[].source.notPorts:list spec.ingress[].source.notPorts[]:int-or-string
      spec.ingress[].source.notSelector:string spec.ingress[].source.ports:list
      spec.ingress[].source.ports[]:int-or-string spec.ingress[].source.selector:string
      spec.ingress[].source.serviceAccounts:map spec.ingress[].source.serviceAccounts.names:list
      spec.ingress[].source.serviceAccounts.names[]:string
      spec.ingress[].source.serviceAccounts.selector:string spec.ingress[].source.services:map
      spec.ingress[].source.services.name:string spec.ingress[].source.services.namespace:string
      spec.order:number spec.performanceHints:list
      spec.performanceHints[]:enum(AssumeNeededOnEveryNode) spec.selector:string
      spec.serviceAccountSelector:string spec.stagedAction:enum(Set|Delete|Learn|Ignore)
      spec.tier:string spec.types:list spec.types[]:enum(Ingress|Egress)
    `,
  },
  Tier: {
    plural: 'tiers',
    namespaced: false,
    fields: `
      spec:map spec.defaultAction:string spec.order:number status:map status.conditions:list
      status.conditions[]:map status.conditions[].lastTransitionTime:time
      status.conditions[].message:string status.conditions[].observedGeneration:integer
      status.conditions[].reason:string status.conditions[].status:enum(True|False|Unknown)
      status.conditions[].type:string
    `,
  },
  WorkloadEndpoint: {
    plural: 'workloadendpoints',
    namespaced: true,
    fields: `
      spec:map spec.orchestrator:string spec.workload:string spec.node:string
      spec.containerID:string spec.pod:string spec.endpoint:string spec.serviceAccountName:string
      spec.interfaceName:string spec.mac:string spec.ipNetworks:list spec.ipNetworks[]:cidr
      spec.ipNATs:list spec.ipNATs[]:map spec.ipNATs[].internalIP:address
      spec.ipNATs[].externalIP:address spec.ipv4Gateway:address spec.ipv6Gateway:address
      spec.profiles:list spec.profiles[]:string spec.ports:list spec.ports[]:map
      spec.ports[].name:string spec.ports[].protocol:int-or-string spec.ports[].port:integer
      spec.ports[].hostPort:integer spec.ports[].hostIP:address
      spec.allowSpoofedSourcePrefixes:list spec.allowSpoofedSourcePrefixes[]:cidr
      spec.qosControls:map spec.qosControls.ingressBandwidth:integer
      spec.qosControls.ingressBurst:integer spec.qosControls.ingressPeakrate:integer
      spec.qosControls.ingressMinburst:integer spec.qosControls.egressBandwidth:integer
      spec.qosControls.egressBurst:integer spec.qosControls.egressPeakrate:integer
      spec.qosControls.egressMinburst:integer spec.qosControls.ingressPacketRate:integer
      spec.qosControls.ingressPacketBurst:integer spec.qosControls.egressPacketRate:integer
      spec.qosControls.egressPacketBurst:integer spec.qosControls.ingressMaxConnections:integer
      spec.qosControls.egressMaxConnections:integer spec.qosControls.dscp:int-or-string
    `,
  },
}
