import * as check from './field-checks.ts'
import type { FieldCheck } from './field-checks.ts'

/** What is made of a field of the network configuration. */
export type FieldDecision =
  /** What it does. */
  | { readonly is: 'obeyed'; readonly what: string; readonly check: FieldCheck }
  /** Refused with code 2, unless its value asks for nothing. */
  | {
      readonly is: 'refused'
      readonly why: string
      readonly unless?: (value: unknown) => boolean
      readonly isSecret?: boolean
    }
  /** How Calico's plugin reaches what Tortie's agent reaches: the agent is told itself. */
  | { readonly is: 'the agent’s'; readonly instead: string }
  /** For the container runtime, which leaves it in what it hands on. */
  | { readonly is: 'the runtime’s' }

/** Where a field is. */
type PathsIn<Tree, Before extends string = ''> = {
  [Name in keyof Tree & string]: Tree[Name] extends object
    ? PathsIn<Tree[Name], `${Before}${Name}.`>
    : `${Before}${Name}`
}[keyof Tree & string]

type Names<Name extends string> = Readonly<Record<Name, true>>

/**
 * All fields that there are: of the CNI specification and its conventions, of Calico's plugin
 * (cni-plugin/pkg/types/types.go) with the IPAM plugins it calls, and Tortie's own.
 */
interface FieldTree
  extends
    Names<
      | 'cniVersion'
      | 'cniVersions'
      | 'name'
      | 'type'
      | 'capabilities'
      | 'plugins'
      | 'disableCheck'
      | 'disableGC'
      | 'loadOnlyInlinedPlugins'
      | 'ipMasq'
      | 'dns'
      | 'prevResult'
    >,
    Names<
      | 'mtu'
      | 'nodename'
      | 'hostname'
      | 'nodename_file'
      | 'nodename_file_optional'
      | 'require_mtu_file'
      | 'mode'
      | 'num_queues'
      | 'device_type'
      | 'include_default_routes'
      | 'readiness_gates'
      | 'policy_setup_timeout_seconds'
      | 'endpoint_status_dir'
      | 'dataplane_options'
      | 'log_level'
      | 'log_file_path'
      | 'log_file_max_size'
      | 'log_file_max_age'
      | 'log_file_max_count'
    >,
    Names<
      | 'datastore_type'
      | 'etcd_endpoints'
      | 'etcd_discovery_srv'
      | 'etcd_authority'
      | 'etcd_scheme'
      | 'etcd_key_file'
      | 'etcd_cert_file'
      | 'etcd_ca_cert_file'
      | 'calico_api_group'
      | 'qps'
      | 'burst'
      | 'ipam_lock_file'
    >,
    Names<
      | 'vxlan_mac_prefix'
      | 'vxlan_vni'
      | 'windows_pod_deletion_timestamp_timeout'
      | 'windows_use_single_network'
      | 'windows_disable_default_deny_all_policy'
      | 'windows_loopback_DSR'
    >,
    Names<'agentSocket'> {
  readonly ipam: Names<
    | 'type'
    | 'name'
    | 'assign_ipv4'
    | 'assign_ipv6'
    | 'ipv4_pools'
    | 'ipv6_pools'
    | 'subnet'
    | 'ranges'
    | 'routes'
    | 'rangeStart'
    | 'rangeEnd'
    | 'gateway'
    | 'dataDir'
    | 'resolvConf'
  >
  readonly policy: Names<
    | 'type'
    | 'k8s_api_root'
    | 'k8s_auth_token'
    | 'k8s_client_certificate'
    | 'k8s_client_key'
    | 'k8s_certificate_authority'
  >
  readonly kubernetes: Names<'k8s_api_root' | 'kubeconfig' | 'node_name'>
  readonly feature_control: Names<'ip_addrs_no_ipam' | 'floating_ips'>
  readonly container_settings: Names<'allow_ip_forwarding'>
  readonly args: {
    readonly cni: Names<'ips' | 'labels'>
    readonly 'org.apache.mesos': Names<'network_info'>
  }
  readonly runtimeConfig: Names<
    | 'ips'
    | 'mac'
    | 'dns'
    | 'portMappings'
    | 'bandwidth'
    | 'ipRanges'
    | 'infinibandGUID'
    | 'deviceID'
    | 'aliases'
    | 'cgroupPath'
  >
}

type FieldPath = PathsIn<FieldTree>

const obeyed = (what: string, is: FieldCheck): FieldDecision => ({ is: 'obeyed', what, check: is })
const refused = (why: string) => ({ is: 'refused', why }) as const
const agents = (instead: string): FieldDecision => ({ is: 'the agent’s', instead })
const runtimes: FieldDecision = { is: 'the runtime’s' }

const STORE = agents('where the datastore is: `tortie agent --store`')
const KUBERNETES_ACCESS = refused(
  'labels and annotations of pods are not read from Kubernetes; take the field out and give addresses and labels by `args.cni`',
)
const KUBERNETES_SECRET: FieldDecision = { ...KUBERNETES_ACCESS, isSecret: true }
const LOG_FILE = agents('what an agent does with its log')
const WINDOWS = refused('there is no Windows node')
const chained = (plugin: string): FieldDecision =>
  refused(
    `that is the work of the plugin \`${plugin}\`: declare the capability there, behind this one`,
  )

/** What is made of each field. One without a row does not compile; docs/cni.md is made of it. */
export const CONFIGURATION_FIELDS: { readonly [Path in FieldPath]: FieldDecision } = {
  cniVersion: obeyed('the version of results and errors; 0.2.0 when absent', check.text),
  cniVersions: runtimes,
  name: obeyed('the network: handles of IPAM begin with it, and GC is about one', check.text),
  type: obeyed('what the runtime found this plugin by', check.text),
  capabilities: runtimes,
  plugins: runtimes,
  disableCheck: runtimes,
  disableGC: runtimes,
  loadOnlyInlinedPlugins: runtimes,
  ipMasq: refused('`natOutgoing` of an IPPool says whose packets are masqueraded'),
  dns: obeyed('part of the result', check.dns),
  prevResult: obeyed('ADD adds to it, CHECK compares the pod with it', check.object),
  agentSocket: obeyed(
    'where the agent serves; `/run/tortie/agent.sock` when absent',
    check.socketPath,
  ),

  mtu: obeyed(
    'octets of the pod’s interface; 0 or absent: the node’s, which it then follows',
    check.mtu,
  ),
  nodename: obeyed('must be the name of the agent’s Node', check.anyText),
  hostname: obeyed('the former name of `nodename`', check.anyText),
  nodename_file: agents('the name of the node: `tortie agent --node`'),
  nodename_file_optional: agents('the name of the node: `tortie agent --node`'),
  require_mtu_file: agents('the MTU: the agent knows it before it serves'),
  mode: refused(
    'what packets between nodes travel in is said by `ipipMode` and `vxlanMode` of an IPPool',
  ),
  num_queues: obeyed('one queue, which is what a pod’s interface needs', check.oneQueue),
  device_type: obeyed('a veth pair', check.oneOf('', 'veth')),
  include_default_routes: obeyed('the default route beside those of `ipam.routes`', check.flag),
  readiness_gates: refused('nothing but the agent is waited for'),
  policy_setup_timeout_seconds: refused('no policy is waited for'),
  endpoint_status_dir: agents('nothing: no policy is waited for'),
  dataplane_options: refused('there is one data plane, the kernel’s'),
  log_level: obeyed(
    '`debug` and `info` print a line for each command on standard error, `error` one for each that fails',
    check.logLevel,
  ),
  log_file_path: LOG_FILE,
  log_file_max_size: LOG_FILE,
  log_file_max_age: LOG_FILE,
  log_file_max_count: LOG_FILE,

  datastore_type: STORE,
  etcd_endpoints: STORE,
  etcd_discovery_srv: STORE,
  etcd_authority: STORE,
  etcd_scheme: STORE,
  etcd_key_file: STORE,
  etcd_cert_file: STORE,
  etcd_ca_cert_file: STORE,
  calico_api_group: STORE,
  qps: STORE,
  burst: STORE,
  ipam_lock_file: agents('nothing: the agent is the only one of its node that asks for addresses'),

  vxlan_mac_prefix: WINDOWS,
  vxlan_vni: WINDOWS,
  windows_pod_deletion_timestamp_timeout: WINDOWS,
  windows_use_single_network: WINDOWS,
  windows_disable_default_deny_all_policy: WINDOWS,
  windows_loopback_DSR: WINDOWS,

  'ipam.type': obeyed(
    '`calico-ipam`, which is inside the agent; or `host-local` with `usePodCidr`',
    check.oneOf('calico-ipam', 'host-local'),
  ),
  'ipam.name': obeyed('nothing; Calico’s plugin does not read it either', check.anyText),
  'ipam.assign_ipv4': {
    is: 'refused',
    why: 'every pod has an IPv4 address',
    unless: (value) => value === 'true' || value === true,
  },
  'ipam.assign_ipv6': refused('pods have no IPv6 addresses'),
  'ipam.ipv4_pools': obeyed(
    'the only pools that addresses come from, by name or CIDR, whatever their selectors say',
    check.texts,
  ),
  'ipam.ipv6_pools': refused('pods have no IPv6 addresses'),
  'ipam.subnet': obeyed(
    'with `host-local`: the range that Kubernetes gave the node',
    check.podCidr,
  ),
  'ipam.ranges': obeyed('the same', check.podCidrRanges),
  'ipam.routes': obeyed('routes of the pod instead of the default one', check.routeList),
  'ipam.rangeStart': refused(
    'addresses come from pools, or from the range that Kubernetes gave the node',
  ),
  'ipam.rangeEnd': refused(
    'addresses come from pools, or from the range that Kubernetes gave the node',
  ),
  'ipam.gateway': refused('the gateway of every pod is 169.254.1.1'),
  'ipam.dataDir': agents('where addresses are kept: in the datastore'),
  'ipam.resolvConf': refused('give `dns`'),

  'policy.type': obeyed(
    'a container without Kubernetes has the profile of its network, which is made unless this is `k8s`; a pod of Kubernetes always has that of its namespace, `kns.<namespace>`',
    check.oneOf('', 'k8s'),
  ),
  'policy.k8s_api_root': KUBERNETES_ACCESS,
  'policy.k8s_auth_token': KUBERNETES_SECRET,
  'policy.k8s_client_certificate': KUBERNETES_ACCESS,
  'policy.k8s_client_key': KUBERNETES_SECRET,
  'policy.k8s_certificate_authority': KUBERNETES_ACCESS,
  'kubernetes.k8s_api_root': KUBERNETES_ACCESS,
  'kubernetes.kubeconfig': KUBERNETES_ACCESS,
  'kubernetes.node_name': obeyed('must be the name of the agent’s Node', check.anyText),

  'feature_control.ip_addrs_no_ipam': refused('the annotation ipAddrsNoIpam is not read'),
  'feature_control.floating_ips': refused('the annotation floatingIPs is not read'),
  'container_settings.allow_ip_forwarding': obeyed(
    'net.ipv4.ip_forward of the pod: 1 when true, else 0',
    check.flag,
  ),

  'args.cni.ips': obeyed(
    'these addresses, which must be in a pool and free; goes before `IP` in CNI_ARGS',
    check.addressList,
  ),
  'args.cni.labels': obeyed('labels of the workload endpoint', check.labels),
  'args.org.apache.mesos.network_info': refused('give labels by `args.cni.labels`'),

  'runtimeConfig.ips': obeyed(
    'these addresses, which must be in a pool and free; goes before `args.cni.ips`',
    check.addressList,
  ),
  'runtimeConfig.mac': obeyed(
    'of the pod’s interface; goes before `MAC` in CNI_ARGS',
    check.unicastMac,
  ),
  'runtimeConfig.dns': obeyed('part of the result; goes before `dns`', check.runtimeDns),
  'runtimeConfig.portMappings': chained('portmap'),
  'runtimeConfig.bandwidth': chained('bandwidth'),
  'runtimeConfig.ipRanges': refused(
    'ranges of addresses are IPPools: `ipam.ipv4_pools` names them',
  ),
  'runtimeConfig.infinibandGUID': refused('a pod’s interface is one end of a veth pair'),
  'runtimeConfig.deviceID': refused('a pod’s interface is one end of a veth pair'),
  'runtimeConfig.aliases': refused('names are not resolved here'),
  'runtimeConfig.cgroupPath': refused('nothing is made of cgroups'),
}

/** The decision on a field; undefined where there is no such field. */
export function decisionOn(path: string): FieldDecision | undefined {
  return Object.hasOwn(CONFIGURATION_FIELDS, path)
    ? CONFIGURATION_FIELDS[path as FieldPath]
    : undefined
}

/** Whether fields are inside it. */
export function hasInnerFields(path: string): boolean {
  return Object.keys(CONFIGURATION_FIELDS).some((each) => each.startsWith(`${path}.`))
}
