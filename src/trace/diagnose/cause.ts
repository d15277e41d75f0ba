import type { IpAddress } from '../../net/ip-address.ts'
import type { Netns } from '../../api/node-access.ts'

/** Where something is wrong. */
export interface Place {
  readonly node: string
  readonly netns: Netns
  readonly link?: string
  /** What a command is put behind to run there: "ip netns exec server01 ", or "" when it is not known. */
  readonly enter: string
}

/**
 * What can be wrong with a packet's way, and the facts that tell each. A row here asks for one in the
 * catalogue (`catalogue.ts`), which has the sentence, the class and the command that mends it.
 */
export interface CauseFacts {
  'no-route': { readonly destination: IpAddress }
  'blackhole-route': { readonly destination: IpAddress; readonly route: string }
  'unreachable-route': { readonly destination: IpAddress; readonly route: string }
  'prohibit-route': { readonly destination: IpAddress; readonly route: string }
  'kernel-refuses': { readonly destination: IpAddress; readonly code: string }
  'forwarding-off': { readonly link: string; readonly everywhere: boolean }
  'rp-filter': {
    readonly link: string
    readonly source: IpAddress
    readonly value: number
    /** The route back, as text; undefined if there is none. */
    readonly back: string | undefined
    /** Which setting decides: "all" or the link. */
    readonly setting: string
  }
  'martian-source': { readonly link: string; readonly source: IpAddress }
  'ttl-expired': { readonly ttl: number }
  loop: { readonly through: readonly string[] }
  'mtu-exceeded': {
    readonly link: string
    readonly mtu: number
    readonly octets: number
    /** Octets of outer headers among them. */
    readonly outerOctets: number
  }
  'link-down': { readonly link: string }
  'no-carrier': { readonly link: string }
  'link-missing': { readonly link: string; readonly route: string }
  'neighbor-failed': { readonly link: string; readonly address: IpAddress; readonly state: string }
  'neighbor-wrong-mac': {
    readonly link: string
    readonly address: IpAddress
    readonly mac: string
    readonly actual: string
  }
  'proxy-arp-off': { readonly link: string; readonly address: IpAddress }
  'proxy-arp-no-route': { readonly link: string; readonly address: IpAddress }
  'proxy-arp-no-forwarding': { readonly link: string; readonly address: IpAddress }
  'tunnel-missing': { readonly outerSource: IpAddress; readonly vni?: number }
  'vtep-unknown': { readonly link: string; readonly address: IpAddress; readonly mac: string }
  'vtep-elsewhere': {
    readonly link: string
    readonly address: IpAddress
    readonly mac: string
    readonly remote: IpAddress
    /** The node's own address, where it should go. */
    readonly expected: IpAddress
  }
  'tunnel-down': { readonly link: string }
  'wrong-pod': { readonly pod: string; readonly destination: IpAddress }
  'address-missing': { readonly pod: string; readonly address: IpAddress }
  'wrong-holder': {
    readonly address: IpAddress
    readonly expected: string
    readonly holder: string
  }
  'pod-not-running': { readonly pod: string }
  'pod-link-missing': { readonly pod: string; readonly link: string }
  'wrong-next-hop': {
    readonly destination: IpAddress
    readonly nextHop: IpAddress
    readonly nextNode: string
    readonly owner: string
    readonly route: string
  }
  'echo-ignored': { readonly sysctl: string }
  'underlay-drops': {
    readonly from: string
    readonly to: string
    /** What the packet was in: "IPIP"; undefined where it was bare. */
    readonly encapsulation: string | undefined
    /** Whether a plain packet from node to node got through; undefined where that was not tried. */
    readonly nodesTalk: boolean | undefined
  }
  filtered: {
    readonly arrived: string
    readonly counter: string | undefined
    /** What the agent's own packet filter counted it as: "forged IPIP"; undefined if it did not. */
    readonly taken?: string | undefined
  }
  /** By the eBPF programs that tunl0 is made of. */
  'tunnel-drops': {
    /** Link. */
    readonly seen: string
    readonly counter: string
    /** What they took it for: "a fragment of an outer header". */
    readonly taken: string
  }
  'no-answer': { readonly pod: string }
  'icmp-error': { readonly text: string; readonly sender: IpAddress }
  'checksum-wrong': { readonly link: string }
  'other-way': { readonly expected: string; readonly actual: string }
  'source-changed': { readonly before: IpAddress; readonly after: IpAddress }
}

export type CauseName = keyof CauseFacts

/** One thing that is wrong, with its facts. */
export type Fault<Name extends CauseName = CauseName> = {
  [Each in Name]: {
    readonly cause: Each
    readonly place: Place
    readonly facts: CauseFacts[Each]
  }
}[Name]
