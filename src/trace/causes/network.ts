import type { IpAddress } from '../../net/ip-address.ts'
import { FILTER_TABLE } from '../../kernel/own-filter.ts'
import { countedDrop } from '../node/counted-drop.ts'
import { encapsulationText } from '../predict/encapsulation.ts'
import { cause } from './cause.ts'
import { firstView, gapOf, lossWithin, lostBetweenNodes } from './symptoms.ts'
import { command, where } from './words.ts'

/** Causes that no table shows: filters, the network between nodes, packets that are altered. */

export const underlayDrops = cause<{
  readonly from: string
  readonly to: string
  /** What the packet was in: "IPIP"; undefined where it was bare. */
  readonly encapsulation: string | undefined
  /** Whether a plain packet from node to node got through; undefined where that was not tried. */
  readonly nodesTalk: boolean | undefined
}>()({
  id: 'underlay-drops',
  class: 'underlay',
  detect: {
    loss({ leg, before, nodesTalk }) {
      const { last, missing } = gapOf(leg)
      if (last === undefined || missing === undefined || lostBetweenNodes(leg) === undefined) {
        return undefined
      }
      const view = before.view(last.node, last.netns)
      const outer = last.seen.state === 'seen' ? last.seen.packet.outer : undefined
      const facts = {
        from: `${last.node} ${last.link}`,
        to: `${missing.node} ${missing.link}`,
        encapsulation: outer === undefined ? undefined : encapsulationText(outer),
        nodesTalk,
      }
      return view && { view, link: last.link, facts }
    },
  },
  sentence: ({ from, to, encapsulation, nodesTalk }) =>
    nodesTalk === false
      ? `The network between ${from} and ${to} lets nothing through.`
      : `The network between ${from} and ${to} drops ${encapsulation === 'IPIP' ? 'IPIP (IP protocol 4)' : (encapsulation ?? 'packets with pod addresses')}.`,
  evidence: ({ from, to, nodesTalk }) => [
    `the packet left ${from} and was not seen at ${to}`,
    ...(nodesTalk === true ? ['a plain packet between the same two nodes got through'] : []),
    ...(nodesTalk === false ? ['a plain packet between the same two nodes was lost as well'] : []),
  ],
  advice:
    'check routers and filters between the nodes: they must pass IP protocol 4 (not "ipip", which is 94 in /etc/protocols) or VXLAN’s UDP port (4789 unless vxlanPort says otherwise), and pod addresses where there is no tunnel',
  fault: 'underlay-drops',
})

export const filtered = cause<{
  /** The link that it came in by; undefined of what the namespace was to send itself. */
  readonly arrived: string | undefined
  readonly counter: string | undefined
  /** What the agent's own packet filter counted it as: "forged IPIP"; undefined if it did not. */
  readonly taken: string | undefined
}>()({
  id: 'filtered',
  class: 'policy',
  detect: {
    loss(symptoms) {
      const refused = symptoms.observation.probes.at(-1)
      const first = firstView(symptoms)
      if (symptoms.leg.leg === 'forward' && refused?.sent === false) {
        // sendmsg(2) answers EPERM where netfilter drops what a process sends.
        const facts = { arrived: undefined, counter: undefined, taken: undefined }
        return refused.code === 'EPERM' && first !== undefined ? { view: first, facts } : undefined
      }
      const { last: lastSeen, missing } = gapOf(symptoms.leg)
      if (symptoms.leg.leg === 'forward' && lastSeen === undefined && missing !== undefined) {
        const facts = { arrived: undefined, counter: undefined, taken: undefined }
        return first && { view: first, facts, confidence: 'possible' }
      }
      const loss = lossWithin(symptoms)
      if (loss?.last.direction !== 'in') return undefined
      const { last, view, moved } = loss
      const own = moved.find(({ name }) => countedDrop(name)?.by === 'filter')?.name
      const counter = own ?? moved.find(({ name }) => FILTER_COUNTERS.includes(name))?.name
      const taken = own === undefined ? undefined : countedDrop(own)?.as
      return { view, link: last.link, facts: { arrived: last.link, counter, taken } }
    },
  },
  sentence: ({ arrived, taken }, place) =>
    arrived === undefined
      ? `A packet filter in ${where(place)} drops what it sends.`
      : taken === undefined
        ? `${where(place)} drops the packet after it came in by ${arrived}; no table explains it, so a packet filter does.`
        : `The agent's packet filter on ${where(place)} drops the packet after it came in by ${arrived}, as ${taken}.`,
  evidence: ({ counter, arrived }) => [
    ...(counter === undefined ? [] : [`${counter} went up`]),
    ...(arrived === undefined ? ['the probe did not leave by any interface'] : []),
  ],
  look: ({ taken }) =>
    taken === undefined
      ? [command('nft list ruleset'), command('iptables-save -c')]
      : [command(`nft list table inet ${FILTER_TABLE}`), command('tortie get node -o wide')],
  counters: ['Ip.InDiscards', 'Ip.OutDiscards', 'Ip6.InDiscards', 'Ip6.OutDiscards'],
  fault: 'filtered',
})

const FILTER_COUNTERS = ['Ip.InDiscards', 'Ip.OutDiscards', 'Ip6.InDiscards', 'Ip6.OutDiscards']

export const checksumWrong = cause<{ readonly link: string }>()({
  id: 'checksum-wrong',
  class: 'size',
  detect: {
    loss({ legs, before }) {
      // The receiver drops it without a word, and so it is the answer that is missed.
      const hop = legs
        .flatMap(({ hops }) => hops)
        .find(({ seen }) => seen.state === 'seen' && seen.packet.checksumValid === false)
      const view = hop && before.view(hop.node, hop.netns)
      return view && { view, link: hop.link, facts: { link: hop.link } }
    },
  },
  sentence: ({ link }, place) => `The packet's checksum is wrong at ${link} of ${where(place)}.`,
  evidence: ({ link }) => [`computed over what was captured on ${link}`],
  look: ({ link }) => [command(`ethtool -k ${link}`)],
  advice:
    'if the interface before it sent it so, turn its checksum offload off (ethtool -K LINK tx off); else the network between alters packets',
  counters: ['Icmp.InCsumErrors', 'Ip.InHdrErrors', 'Icmp6.InCsumErrors'],
  fault: 'checksum-wrong',
})

export const sourceChanged = cause<{ readonly before: IpAddress; readonly after: IpAddress }>()({
  id: 'source-changed',
  class: 'policy',
  detect: {
    loss({ leg, before }) {
      const hop = leg.hops.find(
        ({ seen }) => seen.state === 'seen' && seen.packet.source !== leg.prediction.source,
      )
      const view = hop && before.view(hop.node, hop.netns)
      if (view === undefined || hop?.seen.state !== 'seen') return undefined
      const facts = { before: leg.prediction.source, after: hop.seen.packet.source }
      return { view, link: hop.link, facts }
    },
  },
  sentence: ({ before, after }, place) =>
    `${where(place)} changes the source address ${before} to ${after}.`,
  evidence: ({ after }) => [`the packet was seen with source ${after}`],
  look: () => [command('nft list ruleset'), command('iptables-save -t nat')],
  fault: 'source-changed',
})
