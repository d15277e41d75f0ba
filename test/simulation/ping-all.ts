import { isKernelError, type Kernel } from '../../src/kernel/kernel.ts'
import { ipv4ToNumber } from '../../src/net/ip-address.ts'
import * as icmp from '../../src/wire/packet/icmp.ts'
import * as ipv4 from '../../src/wire/packet/ipv4.ts'
import type { SimulatedCluster } from './cluster.ts'

/** Pings every pod from every other, all at once; the pairs that got no answer. */
export async function unansweredPairs(cluster: SimulatedCluster): Promise<string[]> {
  const pods = cluster.attached().map(({ node, attachment }) => ({
    name: attachment.pod,
    node: node.name,
    address: attachment.addresses[0]!,
    kernel: cluster.machine.openNamespace(attachment.pod),
  }))
  const waiting = new Set<string>()
  for (const from of pods) {
    from.kernel.capture({ linkIndex: from.kernel.link('eth0')!.index }, ({ direction, octets }) => {
      const at = ipv4.headerOctets(octets)
      if (direction !== 'in' || ipv4.protocol(octets) !== 1) return
      if (icmp.type(octets, at) !== icmp.TYPE.echoReply) return
      waiting.delete(`${from.name} > ${pods[icmp.sequence(octets, at)]?.name}`)
    })
  }
  for (const from of pods) {
    for (const [at, to] of pods.entries()) {
      if (from === to) continue
      waiting.add(`${from.name} > ${to.name}`)
      send(
        from.kernel,
        ipv4.encode(
          {
            source: ipv4ToNumber(from.address),
            destination: ipv4ToNumber(to.address),
            protocol: 1,
            timeToLive: 64,
          },
          icmp.encode({
            type: icmp.TYPE.echoRequest,
            code: 0,
            first: 1,
            second: at,
            body: new Uint8Array(8),
          }),
        ),
      )
    }
  }
  await cluster.clock.advance(5000)
  for (const { kernel } of pods) kernel.close()
  return [...waiting].map((pair) => `no answer: ${pair}`)
}

/** A packet that its own kernel refuses is one without an answer. */
function send(kernel: Kernel, packet: Uint8Array): void {
  try {
    kernel.sendPacket(packet)
  } catch (thrown) {
    if (!isKernelError(thrown)) throw thrown
  }
}
