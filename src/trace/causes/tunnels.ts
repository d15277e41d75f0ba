import { familyOf, type IpAddress } from '../../net/ip-address.ts'
import { countedDrop } from '../node/counted-drop.ts'
import { isTunnel } from '../tables/link-facts.ts'
import { cause } from './cause.ts'
import { neighborOfNode } from './missing-routes.ts'
import { lossWithin } from './symptoms.ts'
import { command, where } from './words.ts'

/** Causes in tunnels. */

export const tunnelMissing = cause<{
  readonly outerSource: IpAddress
  readonly vni: number | undefined
}>()({
  id: 'tunnel-missing',
  class: 'encapsulation',
  detect: {
    decapsulate: ({ view, tunnel, outerSource, vni }) =>
      tunnel === undefined ? { view, facts: { outerSource, vni } } : undefined,
  },
  sentence: ({ vni }, place) =>
    `${where(place)} has no ${vni === undefined ? 'IPIP' : 'VXLAN'} device to decapsulate the packet.`,
  evidence: ({ outerSource, vni }) => [
    vni === undefined
      ? `an IPIP packet comes from ${outerSource}; there is no tunl0`
      : `a VXLAN packet comes from ${outerSource}; no link has VNI ${vni}`,
  ],
  look: ({ vni }, place) => [
    command(`ip -d link show type ${vni === undefined ? 'ipip' : 'vxlan'}`),
    command(`tortie get node ${place.node} -o yaml`),
  ],
  advice: "the node's agent creates it: see whether it runs, and what its log says",
  counters: ['Icmp.OutDestUnreachs', 'Udp.NoPorts'],
  fault: 'tunnel-missing',
})

export const tunnelDown = cause<{ readonly link: string }>()({
  id: 'tunnel-down',
  class: 'encapsulation',
  detect: {
    decapsulate: ({ view, tunnel }) =>
      tunnel?.up === false ? { view, link: tunnel.name, facts: { link: tunnel.name } } : undefined,
    loss({ leg, before }) {
      // The kernel takes the routes by it away, so that the tables show their absence only.
      const { hops, destination } = leg.prediction
      const view = hops[0] && before.view(hops[0].node, 'host')
      const owner = before.registeredPod(destination)?.node
      const down = view?.snapshot.links.find((link) => isTunnel(link) && !link.up)
      if (view === undefined || down === undefined) return undefined
      if (owner === undefined || owner === view.node) return undefined
      const near = neighborOfNode(before, view, owner, familyOf(destination))
      if (near !== undefined) return undefined
      return { view, link: down.name, facts: { link: down.name }, confidence: 'certain' }
    },
  },
  sentence: ({ link }, place) => `The tunnel ${link} of ${where(place)} is down.`,
  evidence: ({ link }) => [`${link} is not UP`],
  mend: ({ link }) => [command(`ip link set ${link} up`)],
  advice: "the kernel has removed the routes by it; the node's agent writes them again",
  fault: 'tunnel-down',
})

export const vtepUnknown = cause<{
  readonly link: string
  readonly address: IpAddress
  readonly mac: string
  /** The node that the address is at; undefined where no table shows it. */
  readonly expected: IpAddress | undefined
}>()({
  id: 'vtep-unknown',
  class: 'encapsulation',
  detect: {
    encapsulate({ view, link, address, macAddress, remote, far }) {
      if (remote !== undefined) return undefined
      const expected = far?.link.vxlan?.localAddress
      return {
        view,
        link: link.name,
        facts: { link: link.name, address, mac: macAddress, expected },
      }
    },
  },
  sentence: ({ link, address }, place) =>
    `${link} of ${where(place)} drops the packet: it does not know which node ${address} is on.`,
  evidence: ({ link, mac }) => [`the forwarding database of ${link} has no entry for ${mac}`],
  mend: ({ link, mac, expected }) =>
    expected === undefined
      ? []
      : [command(`bridge fdb append ${mac} dev ${link} dst ${expected} self permanent`)],
  look: ({ link }) => [command(`bridge fdb show dev ${link}`)],
  advice: 'the agent writes it from the other Node’s vxlanTunnelMACAddr and address',
  fault: 'vtep-unknown',
})

export const vtepElsewhere = cause<{
  readonly link: string
  readonly address: IpAddress
  readonly mac: string
  readonly remote: IpAddress
  /** The node's own address, where it should go. */
  readonly expected: IpAddress
}>()({
  id: 'vtep-elsewhere',
  class: 'encapsulation',
  detect: {
    encapsulate({ view, link, address, macAddress: mac, remote, far }) {
      const expected = far?.link.vxlan?.localAddress
      if (remote === undefined || expected === undefined || remote === expected) return undefined
      return { view, link: link.name, facts: { link: link.name, address, mac, remote, expected } }
    },
  },
  sentence: ({ address, remote, expected }, place) =>
    `${where(place)} sends packets for ${address} to the node ${remote}, but it is on ${expected}.`,
  evidence: ({ link, mac, remote }) => [
    `the forwarding database of ${link} has ${mac} at ${remote}`,
  ],
  mend: ({ link, mac, expected }) => [
    command(`bridge fdb replace ${mac} dev ${link} dst ${expected} self permanent`),
  ],
  look: ({ link }) => [command(`bridge fdb show dev ${link}`)],
  fault: 'vtep-elsewhere',
})

export const tunnelDrops = cause<{
  readonly link: string
  readonly counter: string
  /** What the programs took the packet for: "a fragment of an outer header". */
  readonly taken: string
}>()({
  id: 'tunnel-drops',
  class: 'encapsulation',
  detect: {
    loss(symptoms) {
      const loss = lossWithin(symptoms)
      if (loss === undefined) return undefined
      const { last, missing, view, moved } = loss
      const ends = [last.link, missing.link].map((name) => view.linkNamed(name))
      if (!ends.some((link) => link !== undefined && isTunnel(link))) return undefined
      for (const { name: counter } of moved) {
        const drop = countedDrop(counter)
        if (drop?.by !== 'tunnel') continue
        return { view, link: last.link, facts: { link: last.link, counter, taken: drop.as } }
      }
      return undefined
    },
  },
  sentence: ({ link, taken }, place) =>
    `The tunnel of ${where(place)} drops the packet after it was seen at ${link}, as ${taken}.`,
  evidence: ({ counter }) => [`${counter} went up`],
  look: () => [command('tortie get node -o wide')],
  advice:
    'a tunnel accepts whole packets from addresses of nodes and of externalNodesList only; lower the MTU of a tunnel whose outer packets are fragmented on the way',
  fault: 'tunnel-drops',
})
