import type { MacAddress } from '../../../net/mac-address.ts'
import type { VxlanSettings } from '../../kernel.ts'
import type { Addr } from '../routing/addr.ts'
import type { LinkConf } from '../configuration/sysctl.ts'
import type { Namespace } from '../namespace.ts'

/** What travels between two links. */
export interface Frame {
  readonly etherType: number
  /** 48-bit numbers; 0 on links without link-layer addresses. */
  readonly destination: number
  readonly source: number
  /** From the network header on. */
  octets: Uint8Array
  /** Others hold the same octets: copy before changing them. */
  shared: boolean
  /** The route's next hop, which a tunnel makes its outer destination. */
  readonly nextHop?: Addr
  /** A copy of what the namespace itself sent to all, for itself. */
  readonly looped?: boolean
  /** Somebody else's packet, not the namespace's own. */
  readonly forwarded?: boolean
  /** Captures see it come in, and that is all. */
  readonly discarded?: boolean
}

/** How a kind of link sends: loopback, veth, bridge, … */
export interface LinkDriver {
  readonly kind: string
  /** Takes a frame that the namespace sends by this link; captures have seen it. */
  transmit(device: Device, frame: Frame): void
}

/** An address on a link (struct in_ifaddr, inet6_ifaddr). */
export interface LinkAddr {
  readonly addr: Addr
  readonly length: number
  /** RT_SCOPE_* */
  readonly scope: number
  /** IFA_F_SECONDARY: another address of the same network was there first. */
  secondary: boolean
  /** IFA_F_TENTATIVE: duplicate address detection is under way. */
  tentative: boolean
}

/** Trouble on the way out of one end of a cable. */
export interface Impairment {
  /** Time on the way; 0 when absent. */
  readonly latencyMilliseconds?: number
  /** Uniformly random time on top; makes packets overtake each other. */
  readonly jitterMilliseconds?: number
  /** Chance that a packet is lost: 0 to 1. */
  readonly loss?: number
  /** Nothing gets out, and the carrier does not tell. */
  readonly cut?: boolean
  /** The last bit of every IPv4 packet is flipped. */
  readonly corrupt?: boolean
}

export interface LinkStatistics {
  rxPackets: number
  txPackets: number
  rxDropped: number
  txDropped: number
}

/** Something that listens at a link. */
export interface Tap {
  see(direction: 'in' | 'out', frame: Frame): void
}

/** One network device (struct net_device). */
export class Device {
  namespace: Namespace
  index: number
  name: string
  readonly driver: LinkDriver
  mtu: number
  /** Kept and told, no more: segments are made by the MTU here. GSO_LEGACY_MAX_SIZE when new. */
  segmentOctets = 65_536
  mac: number | undefined
  /** The port's text for the address; see port-values.ts. */
  macText: { readonly mac: number; readonly text: MacAddress } | undefined
  up = false
  /** What the other end or the driver says; seen as IFF_LOWER_UP only while the link is up. */
  carrier: boolean
  master: Device | undefined
  peer: Device | undefined
  conf: LinkConf
  readonly addresses4: LinkAddr[] = []
  readonly addresses6: LinkAddr[] = []
  /** Subnet-router anycast addresses (RFC 4291 section 2.6.1), which a router answers for. */
  readonly anycast6 = new Set<Addr>()
  readonly taps = new Set<Tap>()
  /** ARP answers for others that wait for their random time. */
  proxyQueue = 0
  /** Routes may have ways by it that died when it went down. */
  hasDeadWays = false
  impairment: Impairment | undefined
  readonly statistics: LinkStatistics = { rxPackets: 0, txPackets: 0, rxDropped: 0, txDropped: 0 }
  /** Ports and learned addresses, on a bridge. */
  bridge:
    | {
        readonly ports: Device[]
        readonly learned: Map<number, Device>
        ownMac: boolean
        ownMtu: boolean
      }
    | undefined

  /** Settings and forwarding database (MAC to remote address), on a VXLAN link. */
  readonly vxlan:
    | { readonly settings: VxlanSettings; readonly forwarding: Map<number, Addr> }
    | undefined

  constructor(options: {
    namespace: Namespace
    index: number
    name: string
    driver: LinkDriver
    mtu: number
    mac: number | undefined
    carrier: boolean
    conf: LinkConf
    vxlan?: VxlanSettings | undefined
  }) {
    this.namespace = options.namespace
    this.index = options.index
    this.name = options.name
    this.driver = options.driver
    this.mtu = options.mtu
    this.mac = options.mac
    this.carrier = options.carrier
    this.conf = options.conf
    const settings = options.vxlan
    this.vxlan = settings === undefined ? undefined : { settings, forwarding: new Map() }
  }

  get isLoopback(): boolean {
    return this.driver.kind === 'loopback'
  }

  /** Whether neighbours have link-layer addresses that must be asked for. */
  get needsNeighbors(): boolean {
    return this.mac !== undefined && !this.isLoopback
  }

  /** The namespace sends a frame: captures see it, then the driver has it. */
  send(frame: Frame): void {
    // Without carrier a link is not activated, and drops before captures see (noop_qdisc).
    if (!this.up || !this.carrier) {
      this.statistics.txDropped++
      return
    }
    this.statistics.txPackets++
    for (const tap of this.taps) tap.see('out', frame)
    this.driver.transmit(this, frame)
  }
}

/** The frame with octets of its own, which may be changed. */
export function ownOctets(frame: Frame): Uint8Array {
  if (frame.shared) {
    frame.octets = frame.octets.slice()
    frame.shared = false
  }
  return frame.octets
}
