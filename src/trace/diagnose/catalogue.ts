import { FILTER_TABLE } from '../../kernel/own-filter.ts'
import type { CauseFacts, CauseName, Place } from './cause.ts'
import type { CauseClass } from './verdict.ts'

/** What a person is told of one kind of cause. */
export interface CatalogueRow<Facts> {
  readonly class: CauseClass
  readonly sentence: (facts: Facts, place: Place) => string
  /** What was read in the tables. */
  readonly evidence: (facts: Facts, place: Place) => readonly string[]
  /** Commands, each complete, in the order to type them. */
  readonly mend: (facts: Facts, place: Place) => readonly string[]
  /** What to do where no command does it. */
  readonly advice?: string
  /** Counters that move when this is the cause. */
  readonly counters: readonly string[]
}

export type Catalogue = { readonly [Name in CauseName]: CatalogueRow<CauseFacts[Name]> }

const where = ({ node, netns }: Place): string => (netns === 'host' ? node : `${netns} on ${node}`)
const sysctl = (place: Place, setting: string, value: string | number): string =>
  `${place.enter}sysctl -w net.${setting}=${value}`
const conf = (link: string, name: string): string =>
  `ipv4.conf.${link.replaceAll('.', '/')}.${name}`
const routes = (place: Place, destination: string): string =>
  `${place.enter}ip route get ${destination}`

/** All causes that the trace can tell. A row a kind; what finds them is the walk and the diagnosis. */
export const CATALOGUE: Catalogue = {
  'no-route': {
    class: 'routing',
    sentence: ({ destination }, place) => `${where(place)} has no route to ${destination}.`,
    evidence: ({ destination }, place) => [`no table of ${where(place)} contains ${destination}`],
    mend: (_, place) => [
      `${place.enter}ip route show table all`,
      `tortie get node ${place.node} -o yaml`,
    ],
    counters: ['Ip.OutNoRoutes', 'IpExt.InNoRoutes'],
  },
  'blackhole-route': {
    class: 'routing',
    sentence: ({ destination }, place) =>
      `${where(place)} throws packets to ${destination} away by a blackhole route.`,
    evidence: ({ route, destination }) => [
      `the longest match for ${destination} is "${route}"`,
      `a block's blackhole catches what has no route of its own: no pod has this address, or its /32 is missing`,
    ],
    mend: ({ destination }, place) => [
      'tortie get workloadendpoint -A',
      `${place.enter}ip route get ${destination}`,
    ],
    advice: 'where a pod has the address, its route is missing: its agent writes it',
    counters: [],
  },
  'unreachable-route': {
    class: 'routing',
    sentence: ({ destination }, place) =>
      `A route of ${where(place)} says ${destination} is unreachable.`,
    evidence: ({ route }) => [`the longest match is "${route}"`],
    mend: ({ route }, place) => [`${place.enter}ip route del ${route}`],
    counters: ['Icmp.OutDestUnreachs'],
  },
  'prohibit-route': {
    class: 'routing',
    sentence: ({ destination }, place) => `A route of ${where(place)} prohibits ${destination}.`,
    evidence: ({ route }) => [`the longest match is "${route}"`],
    mend: ({ route }, place) => [`${place.enter}ip route del ${route}`],
    counters: ['Icmp.OutDestUnreachs'],
  },
  'kernel-refuses': {
    class: 'routing',
    sentence: ({ destination, code }, place) =>
      `The kernel of ${where(place)} refuses the way to ${destination} (${code}), against its own tables.`,
    evidence: ({ code }) => [`its route lookup answers ${code}`],
    mend: ({ destination }, place) => [routes(place, destination), `${place.enter}ip rule show`],
    counters: [],
  },
  'forwarding-off': {
    class: 'host',
    sentence: ({ link, everywhere }, place) =>
      everywhere
        ? `${where(place)} does not forward: net.ipv4.ip_forward is 0.`
        : `${where(place)} does not forward what comes in by ${link}.`,
    evidence: ({ link, everywhere }) => [
      everywhere ? 'net.ipv4.ip_forward = 0' : `net.${conf(link, 'forwarding')} = 0`,
    ],
    mend: ({ link, everywhere }, place) => [
      everywhere ? sysctl(place, 'ipv4.ip_forward', 1) : sysctl(place, conf(link, 'forwarding'), 1),
    ],
    counters: ['Ip.InAddrErrors'],
  },
  'rp-filter': {
    class: 'host',
    sentence: ({ link, source }, place) =>
      `Reverse path filtering on ${where(place)} drops packets from ${source} that come in by ${link}.`,
    evidence: ({ link, source, value, back, setting }) => [
      `net.${conf(setting, 'rp_filter')} = ${value} (${value === 2 ? 'loose' : 'strict'})`,
      back === undefined
        ? `no route back to ${source}`
        : `the route back to ${source} is "${back}"`,
      ...(value === 1 && back !== undefined ? [`which does not leave by ${link}`] : []),
    ],
    mend: ({ setting, back }, place) =>
      back === undefined
        ? [`${place.enter}ip route show`]
        : [sysctl(place, conf(setting, 'rp_filter'), setting === 'all' ? 0 : 2)],
    counters: ['TcpExt.IPReversePathFilter'],
  },
  'martian-source': {
    class: 'host',
    sentence: ({ link, source }, place) =>
      `${where(place)} drops packets from ${source} that come in by ${link}: it has that address itself.`,
    evidence: ({ source }, place) => [`${source} is a local address of ${where(place)}`],
    mend: ({ source }, place) => [`${place.enter}ip address show to ${source}`],
    counters: [],
  },
  'ttl-expired': {
    class: 'routing',
    sentence: (_, place) => `The packet's TTL ends at ${where(place)}.`,
    evidence: ({ ttl }) => [`it arrives there with TTL ${ttl}`],
    mend: () => [],
    advice: 'send with a higher TTL: --ttl 64',
    counters: ['Icmp.OutTimeExcds', 'Ip.InHdrErrors'],
  },
  loop: {
    class: 'routing',
    sentence: (_, place) =>
      `The packet goes round in a loop through ${where(place)} until its TTL ends.`,
    evidence: ({ through }) => [`its way: ${through.join(' > ')}`],
    mend: (_, place) => [`${place.enter}ip route show`],
    counters: ['Icmp.OutTimeExcds', 'Ip.InHdrErrors'],
  },
  'mtu-exceeded': {
    class: 'size',
    sentence: ({ link, mtu, octets }, place) =>
      `A packet of ${octets} octets does not fit ${link} of ${where(place)}, whose MTU is ${mtu}.`,
    evidence: ({ link, mtu, octets, outerOctets }) => [
      `${octets} octets${outerOctets === 0 ? '' : `, the outer header of ${outerOctets} included,`} against mtu ${mtu} of ${link}`,
    ],
    mend: ({ link, octets }, place) => [`${place.enter}ip link set ${link} mtu ${octets}`],
    advice: 'or give the pods a smaller MTU, so that nothing larger is sent',
    counters: ['Ip.FragFails', 'Icmp.OutDestUnreachs'],
  },
  'link-down': {
    class: 'host',
    sentence: ({ link }, place) => `${link} of ${where(place)} is down.`,
    evidence: ({ link }) => [`${link} is not UP`],
    mend: ({ link }, place) => [`${place.enter}ip link set ${link} up`],
    counters: [],
  },
  'no-carrier': {
    class: 'underlay',
    sentence: ({ link }, place) => `${link} of ${where(place)} has no carrier.`,
    evidence: ({ link }) => [`${link} is UP but not LOWER_UP: its other end is down or unplugged`],
    mend: ({ link }, place) => [`${place.enter}ip link show ${link}`],
    counters: [],
  },
  'link-missing': {
    class: 'host',
    sentence: ({ link }, place) => `${where(place)} has no interface ${link}.`,
    evidence: ({ route }) => [`the route "${route}" leads to it`],
    mend: (_, place) => [`${place.enter}ip link show`],
    counters: [],
  },
  'neighbor-failed': {
    class: 'underlay',
    sentence: ({ link, address }, place) =>
      `Nobody answers for ${address} on ${link} of ${where(place)}.`,
    evidence: ({ address, state, link }) => [
      state === 'unanswered'
        ? `no holder of ${address} is at the other end of ${link}`
        : `its neighbor entry is ${state.toUpperCase()}`,
    ],
    mend: ({ address, link }, place) => [
      `${place.enter}ip neigh show ${address} dev ${link}`,
      `${place.enter}arping -I ${link} -c 3 ${address}`,
    ],
    counters: [],
  },
  'neighbor-wrong-mac': {
    class: 'host',
    sentence: ({ address, mac, actual }, place) =>
      `${where(place)} sends what is for ${address} to ${mac}, but it is at ${actual}.`,
    evidence: ({ address, mac }) => [`neighbor entry ${address} lladdr ${mac}`],
    mend: ({ address, link }, place) => [`${place.enter}ip neigh del ${address} dev ${link}`],
    counters: [],
  },
  'proxy-arp-off': {
    class: 'host',
    sentence: ({ link, address }, place) =>
      `${where(place)} does not answer ARP for ${address} on ${link}: proxy_arp is off.`,
    evidence: ({ link }) => [`net.${conf(link, 'proxy_arp')} = 0`],
    mend: ({ link }, place) => [sysctl(place, conf(link, 'proxy_arp'), 1)],
    counters: [],
  },
  'proxy-arp-no-route': {
    class: 'host',
    sentence: ({ link, address }, place) =>
      `${where(place)} does not answer ARP for ${address} on ${link}: it has no route to it.`,
    evidence: ({ link, address }, place) => [
      `proxy_arp of ${link} is on, but answers only for what leaves by another interface`,
      `no route of ${where(place)} covers ${address}; mostly the default route is missing`,
    ],
    mend: ({ address }, place) => [`${place.enter}ip route add ${address} dev lo scope link`],
    advice: 'or give the node a default route',
    counters: [],
  },
  'proxy-arp-no-forwarding': {
    class: 'host',
    sentence: ({ link, address }, place) =>
      `${where(place)} does not answer ARP for ${address} on ${link}: forwarding is off there.`,
    evidence: ({ link }) => [`net.${conf(link, 'forwarding')} = 0; proxy ARP needs it`],
    mend: (_, place) => [sysctl(place, 'ipv4.ip_forward', 1)],
    counters: [],
  },
  'tunnel-missing': {
    class: 'encapsulation',
    sentence: ({ vni }, place) =>
      `${where(place)} has no ${vni === undefined ? 'IPIP' : 'VXLAN'} tunnel device to unwrap the packet.`,
    evidence: ({ outerSource, vni }) => [
      vni === undefined
        ? `a packet in IPIP comes from ${outerSource}; there is no tunl0`
        : `a packet in VXLAN comes from ${outerSource}; no link has VNI ${vni}`,
    ],
    mend: ({ vni }, place) =>
      vni === undefined
        ? [`${place.enter}ip link show type ipip`, `modprobe ipip`]
        : [`${place.enter}ip -d link show type vxlan`],
    counters: ['Icmp.OutDestUnreachs', 'Udp.NoPorts'],
  },
  'vtep-unknown': {
    class: 'encapsulation',
    sentence: ({ link, address }, place) =>
      `${where(place)} does not know which node ${address} is at, so ${link} drops the packet.`,
    evidence: ({ link, mac }) => [`the forwarding database of ${link} has no row for ${mac}`],
    mend: ({ link, mac }, place) => [
      `${place.enter}bridge fdb show dev ${link}`,
      `${place.enter}bridge fdb append ${mac} dev ${link} dst NODE self permanent`,
    ],
    advice: 'the agent of the node writes it from the other Node’s vxlanTunnelMACAddr and address',
    counters: [],
  },
  'vtep-elsewhere': {
    class: 'encapsulation',
    sentence: ({ address, remote, expected }, place) =>
      `${where(place)} sends what is for ${address} to ${remote}, but it is at ${expected}.`,
    evidence: ({ link, mac, remote }) => [
      `the forwarding database of ${link} has ${mac} behind ${remote}`,
    ],
    mend: ({ link, mac, expected }, place) => [
      `${place.enter}bridge fdb replace ${mac} dev ${link} dst ${expected} self permanent`,
    ],
    counters: [],
  },
  'tunnel-down': {
    class: 'encapsulation',
    sentence: ({ link }, place) => `The tunnel ${link} of ${where(place)} is down.`,
    evidence: ({ link }) => [`${link} is not UP`],
    mend: ({ link }, place) => [`${place.enter}ip link set ${link} up`],
    counters: [],
  },
  'wrong-pod': {
    class: 'routing',
    sentence: ({ pod, destination }, { node }) =>
      `${node} hands packets for ${destination} to ${pod}, which is another pod.`,
    evidence: ({ pod, destination }) => [`${pod} has not the address ${destination}`],
    mend: ({ destination }, { node }) => [`ip netns exec ${node} ip route get ${destination}`],
    counters: [],
  },
  'address-missing': {
    class: 'endpoint',
    sentence: ({ pod, address }) =>
      `${pod} has not the address ${address} that the datastore gives it.`,
    evidence: ({ address }, place) => [`${address} is on no interface of ${where(place)}`],
    mend: ({ address }, place) => [
      `${place.enter}ip address add ${address}/32 dev ${place.link ?? 'eth0'}`,
    ],
    counters: [],
  },
  'wrong-holder': {
    class: 'routing',
    sentence: ({ address, expected, holder }) =>
      `${holder} takes packets for ${address} for its own; they were meant for ${expected}.`,
    evidence: ({ address, holder }) => [`${address} is a local address of ${holder}`],
    mend: ({ address }, place) => [`${place.enter}ip address show to ${address}`],
    counters: [],
  },
  'pod-not-running': {
    class: 'endpoint',
    sentence: ({ pod }, { node }) => `${pod} is not running on ${node}.`,
    evidence: ({ pod }, { node }) => [
      `the datastore has ${pod} on ${node}; the node does not have it`,
    ],
    mend: ({ pod }) => [`tortie get workloadendpoint -A | grep ${pod.slice(pod.indexOf('/') + 1)}`],
    counters: [],
  },
  'pod-link-missing': {
    class: 'endpoint',
    sentence: ({ pod, link }, { node }) =>
      `The link between ${pod} and ${node} is gone: there is no ${link}.`,
    evidence: ({ pod, link }, { node }) => [
      `${node} attached ${pod} by ${link}; when either end of a pair is deleted, both are`,
    ],
    mend: () => ['tortie lab status'],
    advice:
      'its container runtime must make the pod anew: nothing else has what is in its namespace',
    counters: [],
  },
  'wrong-next-hop': {
    class: 'routing',
    sentence: ({ destination, nextNode, owner }, place) =>
      `${where(place)} sends packets for ${destination} to ${nextNode}, but the pod is on ${owner}.`,
    evidence: ({ route, nextNode, destination }) => [
      `the longest match is "${route}"`,
      `${nextNode} has no way on to ${destination}`,
    ],
    mend: ({ destination }, place) => [routes(place, destination), 'tortie get ipamblock'],
    counters: [],
  },
  'echo-ignored': {
    class: 'endpoint',
    sentence: (_, place) => `${where(place)} does not answer ping.`,
    evidence: ({ sysctl: setting }) => [`net.${setting} = 1`],
    mend: ({ sysctl: setting }, place) => [sysctl(place, setting, 0)],
    counters: [],
  },
  'underlay-drops': {
    class: 'underlay',
    sentence: ({ from, to, encapsulation, nodesTalk }) =>
      nodesTalk === false
        ? `The network between ${from} and ${to} lets nothing through.`
        : `The network between ${from} and ${to} drops ${encapsulation === 'IPIP' ? 'IPIP (IP protocol 4)' : (encapsulation ?? 'packets with pod addresses')}.`,
    evidence: ({ from, to, nodesTalk }) => [
      `the packet left ${from} and was not seen at ${to}`,
      ...(nodesTalk === true ? ['a plain packet between the same two nodes got through'] : []),
      ...(nodesTalk === false
        ? ['a plain packet between the same two nodes was lost as well']
        : []),
    ],
    mend: () => [],
    advice:
      'look at routers and filters between the nodes; they must let pass IP protocol 4 (not "ipip", which /etc/protocols has as 94) or VXLAN’s UDP port (4789 unless vxlanPort says otherwise), and pod addresses where there is no tunnel',
    counters: [],
  },
  filtered: {
    class: 'policy',
    sentence: ({ arrived, taken }, place) =>
      taken === undefined
        ? `${where(place)} drops the packet after it came in by ${arrived}; no table forbids it, so a filter does.`
        : `The agent's packet filter on ${where(place)} drops the packet after it came in by ${arrived}, as ${taken}.`,
    evidence: ({ counter }) => (counter === undefined ? [] : [`${counter} went up`]),
    mend: ({ taken }, place) =>
      taken === undefined
        ? [`${place.enter}nft list ruleset`, `${place.enter}iptables-save -c`]
        : [`${place.enter}nft list table inet ${FILTER_TABLE}`, 'tortie get node -o wide'],
    counters: ['Ip.InDiscards', 'Ip.OutDiscards'],
  },
  'tunnel-drops': {
    class: 'encapsulation',
    sentence: ({ seen, taken }, place) =>
      `The tunnel of ${where(place)} drops the packet after it was seen at ${seen}, as ${taken}.`,
    evidence: ({ counter }) => [`${counter} went up`],
    mend: () => ['tortie get node -o wide'],
    advice:
      'its programs take whole packets from addresses of nodes and from externalNodesList; a sender that has its outer headers cut needs a smaller MTU of its tunnel',
    counters: [],
  },
  'no-answer': {
    class: 'endpoint',
    sentence: ({ pod }) => `The packet arrives at ${pod}, which does not answer.`,
    evidence: () => ['nothing in its tables forbids the answer'],
    mend: (_, place) => [`${place.enter}nft list ruleset`, `${place.enter}iptables-save -c`],
    counters: [],
  },
  'icmp-error': {
    class: 'routing',
    sentence: ({ text, sender }) => `${sender} refuses the packet: ${text}.`,
    evidence: ({ text, sender }) => [`an ICMP error "${text}" from ${sender} was seen`],
    mend: () => [],
    counters: [],
  },
  'checksum-wrong': {
    class: 'size',
    sentence: ({ link }, place) => `The packet's checksum is wrong at ${link} of ${where(place)}.`,
    evidence: ({ link }) => [`computed over what was captured on ${link}`],
    mend: ({ link }, place) => [`${place.enter}ethtool -K ${link} tx off`],
    counters: ['Icmp.InCsumErrors', 'Ip.InHdrErrors'],
  },
  'source-changed': {
    class: 'policy',
    sentence: ({ before, after }, place) =>
      `${where(place)} changes the source ${before} to ${after}.`,
    evidence: ({ after }) => [`the packet was seen from ${after}`],
    mend: (_, place) => [`${place.enter}nft list ruleset`, `${place.enter}iptables -t nat -S`],
    counters: [],
  },
  'other-way': {
    class: 'routing',
    sentence: ({ expected, actual }, place) =>
      `${where(place)} sends the packet out by ${actual}, not by ${expected} as its tables say.`,
    evidence: ({ actual }) => [`it was seen leaving by ${actual}`],
    mend: (_, place) => [`${place.enter}ip rule show`, `${place.enter}ip route show table all`],
    counters: [],
  },
}
