/** Addresses of the two-node cluster that the checks run on. */
export const NEAR = {
  address: '172.30.1.10',
  block: '10.213.0.0/24',
  pod: '10.213.0.5',
} as const
export const FAR = { address: '172.30.2.10', block: '10.213.1.0/24', pod: '10.213.1.5' } as const
/** A host of the far network that is no node. */
export const STRANGER = '172.30.2.77'
export const POOL = { name: 'pods', cidr: '10.213.0.0/16' } as const

/** Larger than the tunnel takes. */
export const POD_MTU = 1500

/**
 * Two nodes in two networks, a router between, a pod behind each: the least that needs a tunnel. Pods
 * take packets larger than the tunnel does, so that somebody has to say so.
 *
 * @param tag what distinguishes the names from those of other runs
 */
export function topology(tag: string): string {
  const node = (name: string, network: string, end: typeof NEAR | typeof FAR) => ({
    name: `${name}-${tag}`,
    interfaces: [{ name: 'ens33', network: `${network}-${tag}`, address: `${end.address}/24` }],
    podCIDR: end.block,
  })
  const pod = (name: string, end: typeof NEAR | typeof FAR) => ({
    name: `pod-${name}-${tag}`,
    node: `${name}-${tag}`,
    address: end.pod,
  })
  return JSON.stringify({
    name: `tunnel-${tag}`,
    networks: [
      { name: `lan1-${tag}`, cidr: '172.30.1.0/24' },
      { name: `lan2-${tag}`, cidr: '172.30.2.0/24' },
    ],
    nodes: [node('near', 'lan1', NEAR), node('far', 'lan2', FAR)],
    routers: [
      {
        name: `router-${tag}`,
        interfaces: [
          { name: 'eth1', network: `lan1-${tag}`, address: '172.30.1.1/24' },
          { name: 'eth2', network: `lan2-${tag}`, address: '172.30.2.1/24' },
        ],
      },
    ],
    pools: [{ ...POOL, blockSize: 24, ipipMode: 'CrossSubnet' }],
    pods: [pod('near', NEAR), pod('far', FAR)],
    mtu: { pod: POD_MTU },
  })
}
