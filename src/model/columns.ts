import type { Kind, ResourceOf } from './resource.ts'

/** What a column may need beside the resource itself. */
export interface ColumnContext {
  /** The AS number of nodes that have none of their own; undefined if it could not be read. */
  readonly defaultAsNumber: number | undefined
}

export interface Column<K extends Kind> {
  readonly header: string
  value(resource: ResourceOf<K>, context: ColumnContext): string
}

interface Table<K extends Kind> {
  readonly columns: readonly Column<K>[]
  /** For `-o wide`; absent: the same. */
  readonly wide?: readonly Column<K>[]
}

const list = (items: readonly string[] | undefined): string => (items ?? []).join(',')
const orDash = (value: string | number | boolean | undefined): string =>
  value === undefined || value === '' ? '-' : String(value)

const name = {
  header: 'NAME',
  value: ({ metadata }: { metadata: { name: string } }): string => metadata.name,
}

const node: readonly Column<'Node'>[] = [
  name,
  {
    header: 'ASN',
    value({ spec }, { defaultAsNumber }) {
      const own = spec.bgp?.asNumber
      return own === undefined ? `(${defaultAsNumber ?? 'unknown'})` : String(own)
    },
  },
  { header: 'IPV4', value: ({ spec }) => spec.bgp?.ipv4Address ?? '' },
  { header: 'IPV6', value: ({ spec }) => spec.bgp?.ipv6Address ?? '' },
]

const workloadEndpoint: readonly Column<'WorkloadEndpoint'>[] = [
  { header: 'WORKLOAD', value: ({ spec }) => spec.workload || spec.pod || '' },
  { header: 'NODE', value: ({ spec }) => spec.node },
  { header: 'NETWORKS', value: ({ spec }) => list(spec.ipNetworks) },
  { header: 'INTERFACE', value: ({ spec }) => spec.interfaceName ?? '' },
]

const bgpConfiguration: readonly Column<'BGPConfiguration'>[] = [
  name,
  { header: 'LOGSEVERITY', value: ({ spec }) => orDash(spec.logSeverityScreen) },
  { header: 'MESHENABLED', value: ({ spec }) => orDash(spec.nodeToNodeMeshEnabled) },
  { header: 'ASNUMBER', value: ({ spec }) => orDash(spec.asNumber) },
]

const ipam: readonly Column<'IPAMConfiguration'>[] = [
  name,
  { header: 'STRICTAFFINITY', value: ({ spec }) => String(spec.strictAffinity) },
  { header: 'AUTOALLOCATEBLOCKS', value: ({ spec }) => String(spec.autoAllocateBlocks) },
]

/** The columns of `get`, as calicoctl prints them (NAMESPACE is put in front by who prints). */
export const TABLES: { readonly [K in Kind]: Table<K> } = {
  Node: { columns: [name], wide: node },
  WorkloadEndpoint: {
    columns: workloadEndpoint,
    wide: [
      name,
      ...workloadEndpoint,
      { header: 'PROFILES', value: ({ spec }) => list(spec.profiles) },
      {
        header: 'NATS',
        value: ({ spec }) =>
          list(spec.ipNATs?.map(({ internalIP, externalIP }) => `${internalIP}/${externalIP}`)),
      },
    ],
  },
  IPPool: {
    columns: [
      name,
      { header: 'CIDR', value: ({ spec }) => spec.cidr },
      { header: 'SELECTOR', value: ({ spec }) => spec.nodeSelector },
    ],
    wide: [
      name,
      { header: 'CIDR', value: ({ spec }) => spec.cidr },
      { header: 'NAT', value: ({ spec }) => String(spec.natOutgoing ?? false) },
      { header: 'IPIPMODE', value: ({ spec }) => spec.ipipMode },
      { header: 'VXLANMODE', value: ({ spec }) => spec.vxlanMode },
      { header: 'DISABLED', value: ({ spec }) => String(spec.disabled ?? false) },
      { header: 'DISABLEBGPEXPORT', value: ({ spec }) => String(spec.disableBGPExport ?? false) },
      { header: 'SELECTOR', value: ({ spec }) => spec.nodeSelector },
      { header: 'ASSIGNMENTMODE', value: ({ spec }) => spec.assignmentMode },
    ],
  },
  IPReservation: {
    columns: [name],
    wide: [name, { header: 'CIDRS', value: ({ spec }) => list(spec.reservedCIDRs) }],
  },
  BGPConfiguration: { columns: bgpConfiguration },
  BGPPeer: {
    columns: [
      name,
      { header: 'PEERIP', value: ({ spec }) => spec.peerIP ?? '' },
      { header: 'NODE', value: ({ spec }) => spec.node || spec.nodeSelector || '(global)' },
      { header: 'ASN', value: ({ spec }) => String(spec.asNumber ?? 0) },
    ],
  },
  BGPFilter: {
    columns: [
      name,
      { header: 'NUMEXPORTV4', value: ({ spec }) => String(spec.exportV4?.length ?? 0) },
      { header: 'NUMIMPORTV4', value: ({ spec }) => String(spec.importV4?.length ?? 0) },
      { header: 'NUMEXPORTV6', value: ({ spec }) => String(spec.exportV6?.length ?? 0) },
      { header: 'NUMIMPORTV6', value: ({ spec }) => String(spec.importV6?.length ?? 0) },
    ],
  },
  ClusterInformation: {
    columns: [
      name,
      { header: 'CLUSTERGUID', value: ({ spec }) => spec.clusterGUID ?? '' },
      { header: 'CLUSTERTYPE', value: ({ spec }) => spec.clusterType ?? '' },
      { header: 'CALICOVERSION', value: ({ spec }) => spec.calicoVersion ?? '' },
      { header: 'DATASTOREREADY', value: ({ spec }) => String(spec.datastoreReady ?? false) },
    ],
  },
  FelixConfiguration: { columns: [name] },
  BlockAffinity: {
    columns: [
      name,
      { header: 'NODE', value: ({ spec }) => spec.node },
      { header: 'CIDR', value: ({ spec }) => spec.cidr },
      { header: 'STATE', value: ({ spec }) => spec.state || 'confirmed' },
    ],
  },
  IPAMConfiguration: {
    columns: ipam,
    wide: [
      ...ipam,
      { header: 'MAXBLOCKSPERHOST', value: ({ spec }) => String(spec.maxBlocksPerHost) },
    ],
  },
}

/** The columns of a kind; the cast joins kind and table, which the type of TABLES promises. */
export function columnsOf<K extends Kind>(kind: K, wide: boolean): readonly Column<K>[] {
  const table = TABLES[kind] as unknown as Table<K>
  return wide ? (table.wide ?? table.columns) : table.columns
}
